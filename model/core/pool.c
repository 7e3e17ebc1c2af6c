/* model/core/pool.c - see cxrd/pool.h.
 *
 * A forward pass over several threads is half a dozen pieces of work of a few hundred microseconds, one after the
 * other. Waking a sleeping thread for each would cost a tenth of that, so threads of POOL_NORMAL look for work for some
 * microseconds before they sleep, and so does the caller for the end. Tasks are handed out by an atomic counter; the
 * lock is for sleeping and waking only. */
#include "cxrd/pool.h"

#include "cxrd/thread.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { SPINS = 4000, LEAST_NICE = 19 };

struct worker {
    struct pool *pool;
    pthread_t thread;
    size_t number; /* 0: the caller */
};

struct pool {
    size_t n_threads;
    enum pool_class class;
    struct worker *workers; /* [n_threads - 1] */
    size_t n_workers;       /* started so far */

    /* The work: written by pool_run() before it raises `generation`, read by workers after they have seen that. */
    void (*fn)(void *arg, size_t task, size_t thread);
    void *arg;
    size_t n_tasks;

    atomic_uint generation; /* counts pool_run() calls; raised with the lock held */
    atomic_size_t next;     /* the next task to hand out */
    atomic_size_t n_busy;   /* workers that have not finished this generation */
    atomic_bool stop;

    pthread_mutex_t lock; /* guards nothing but the moment between looking and sleeping */
    pthread_cond_t work;  /* a new generation, or stop */
    pthread_cond_t idle;  /* n_busy became 0 */
};

void thread_set_class(enum pool_class class)
{
    const struct sched_param none = { 0 };

    if (class != POOL_BACKGROUND)
        return;
    /* refused by a sandbox: runs as before. SCHED_IDLE would leave it a fifth of this, a 341st of a core that is wanted,
     * and nothing in return: a prediction is as quick beside either. */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    setpriority(PRIO_PROCESS, (id_t)gettid(), LEAST_NICE);
}

static void breathe(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#endif
}

static void work_through(struct pool *p, size_t thread)
{
    for (size_t task; (task = atomic_fetch_add(&p->next, 1)) < p->n_tasks;)
        p->fn(p->arg, task, thread);
}

static bool nothing_new(struct pool *p, unsigned seen)
{
    return atomic_load_explicit(&p->generation, memory_order_acquire) == seen && !atomic_load(&p->stop);
}

static void await_work(struct pool *p, unsigned seen)
{
    for (int i = 0; i < SPINS && p->class == POOL_NORMAL && nothing_new(p, seen); i++)
        breathe();
    if (!nothing_new(p, seen))
        return;
    pthread_mutex_lock(&p->lock);
    while (nothing_new(p, seen))
        pthread_cond_wait(&p->work, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void await_workers(struct pool *p)
{
    for (int i = 0; i < SPINS && p->class == POOL_NORMAL && atomic_load(&p->n_busy) > 0; i++)
        breathe();
    if (atomic_load(&p->n_busy) == 0)
        return;
    pthread_mutex_lock(&p->lock);
    while (atomic_load(&p->n_busy) > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    const struct worker *w = arg;
    struct pool *p = w->pool;

    thread_set_class(p->class);
    for (unsigned seen = 0;; seen++) { /* none is missed: the next begins when all have finished this one */
        await_work(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        work_through(p, w->number);
        if (atomic_fetch_sub(&p->n_busy, 1) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static enum status workers_start(struct pool *p, struct error *err)
{
    enum status st = ST_OK;

    for (size_t i = 0; i + 1 < p->n_threads && st == ST_OK; i++) {
        p->workers[i] = (struct worker){ .pool = p, .number = i + 1 };
        st = thread_start(&p->workers[i].thread, worker_main, &p->workers[i], "a thread that computes", err);
        p->n_workers += st == ST_OK;
    }
    return st;
}

enum status pool_new(size_t n_threads, enum pool_class class, struct pool **ret_pool, struct error *err)
{
    struct pool *p;
    enum status st;

    if (n_threads < 1 || n_threads > POOL_MAX_THREADS)
        return error_set(err, ST_INVALID, "%zu threads asked for, 1 to %d are possible", n_threads,
                         POOL_MAX_THREADS);
    p = calloc(1, sizeof *p);
    if (!p)
        return error_nomem(err);
    p->n_threads = n_threads;
    p->class = class;
    pthread_mutex_init(&p->lock, NULL);
    condition_init(&p->work);
    condition_init(&p->idle);
    p->workers = calloc(n_threads, sizeof *p->workers);
    st = p->workers ? workers_start(p, err) : error_nomem(err);
    if (st != ST_OK) {
        pool_free(p);
        return st;
    }
    *ret_pool = p;
    return ST_OK;
}

void pool_free(struct pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->stop, true);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->n_workers; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->lock);
    free(p->workers);
    free(p);
}

size_t pool_threads(const struct pool *p) { return p ? p->n_threads : 1; }

void pool_run(struct pool *p, size_t n_tasks, void (*fn)(void *arg, size_t task, size_t thread), void *arg)
{
    if (!p || p->n_workers == 0 || n_tasks <= 1) {
        for (size_t task = 0; task < n_tasks; task++)
            fn(arg, task, 0);
        return;
    }
    p->fn = fn;
    p->arg = arg;
    p->n_tasks = n_tasks;
    atomic_store(&p->next, 0);
    atomic_store(&p->n_busy, p->n_workers);
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->generation, 1, memory_order_release);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    work_through(p, 0);
    await_workers(p);
}
