/* jobs/score_writer.c - see cxrd/score_writer.h. */
#include "cxrd/score_writer.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

enum {
    ROOM = 4096, /* rows that may wait */
    BATCH = 512, /* rows of a transaction */
    SWEPT_AT_ONCE = 2000,
    DAY = 24 * 3600,
};
static const double PAUSE_S = 0.5, RETRY_S = 5, SWEEP_S = 60;

struct waiting {
    struct kept_scores row;
    struct loaded_model *by;
};

struct score_writer {
    struct store *store;
    size_t days;
    pthread_t thread;
    bool started;
    struct kept_scores *batch; /* [BATCH], of the thread alone, as the next two */
    const struct labels *labels[BATCH];
    double sweep_at; /* clock_seconds() */

    pthread_mutex_t lock;  /* never held for a disk; guards everything below */
    pthread_cond_t wake;   /* somebody waits for the queue to be written, or stop */
    pthread_cond_t wrote;  /* `taken` or `failures` grew */
    struct waiting *queue; /* [ROOM], a ring */
    size_t first, n;
    uint64_t added, done; /* rows that were ever put into the queue, and left it */
    uint64_t failures;    /* batches that were not written */
    size_t hurried;       /* callers of score_writer_flush() */
    bool full, stop;
    struct score_writer_counts counts;
};

/* ---- the thread ---- */

/* How many rows of the queue's head are in the batch now. */
static size_t copy_batch(struct score_writer *k)
{
    size_t n;

    pthread_mutex_lock(&k->lock);
    n = k->n < BATCH ? k->n : BATCH;
    for (size_t i = 0; i < n; i++) {
        const struct waiting *w = &k->queue[(k->first + i) % ROOM];

        k->batch[i] = w->row;
        k->labels[i] = model_labels(w->by->model);
    }
    pthread_mutex_unlock(&k->lock);
    return n;
}

/* They left the queue. */
static void drop_batch(struct score_writer *k, size_t n)
{
    struct loaded_model *by[BATCH];

    pthread_mutex_lock(&k->lock);
    for (size_t i = 0; i < n; i++)
        by[i] = k->queue[(k->first + i) % ROOM].by;
    k->first = (k->first + n) % ROOM;
    k->n -= n;
    k->done += n;
    k->counts.kept += n;
    pthread_cond_broadcast(&k->wrote);
    pthread_mutex_unlock(&k->lock);
    for (size_t i = 0; i < n; i++)
        loaded_model_release(by[i]);
}

static void note_failure(struct score_writer *k, const struct error *err)
{
    bool first;

    pthread_mutex_lock(&k->lock);
    first = k->failures++ == 0 || k->counts.retried == 0;
    k->counts.retried++;
    pthread_cond_broadcast(&k->wrote);
    pthread_mutex_unlock(&k->lock);
    if (first)
        log_error(LOG_ERROR, "scores cannot be written, and wait", err);
}

/* Write all that waits. False: the disk does not take it. */
static bool write_waiting(struct score_writer *k)
{
    size_t n;

    while ((n = copy_batch(k)) > 0) {
        struct error err;

        if (store_scores_write(k->store, k->batch, k->labels, n, (int64_t)time(NULL) + (int64_t)k->days * DAY,
                               &err) != ST_OK) {
            note_failure(k, &err);
            return false;
        }
        drop_batch(k, n);
    }
    return true;
}

static void sweep(struct score_writer *k)
{
    struct error err;
    size_t n = SWEPT_AT_ONCE, all = 0;
    int64_t span = 0;
    enum status st = ST_OK;

    while (st == ST_OK && n == SWEPT_AT_ONCE) {
        st = store_scores_sweep(k->store, time(NULL), SWEPT_AT_ONCE, &n, &err);
        all += n;
    }
    if (st == ST_OK)
        st = store_scores_span(k->store, &span, &err);
    if (st != ST_OK)
        log_error(LOG_ERROR, "scores whose time is over cannot be removed", &err);
    pthread_mutex_lock(&k->lock);
    k->counts.swept += all;
    k->full = span + ROOM > SCORE_WRITER_MOST;
    pthread_mutex_unlock(&k->lock);
    k->sweep_at = clock_seconds() + SWEEP_S;
}

/* Wait until there is something to do. False: the server stops. */
static bool wait_for_work(struct score_writer *k, double pause)
{
    const double until = clock_seconds() + pause;
    bool stop;

    pthread_mutex_lock(&k->lock);
    while (!k->stop && k->hurried == 0 && k->n < ROOM / 2 &&
           condition_wait(&k->wake, &k->lock, fmin(k->n > 0 ? until : INFINITY, k->sweep_at)))
        ;
    stop = k->stop;
    pthread_mutex_unlock(&k->lock);
    return !stop;
}

/* The disk takes nothing: whatever waits, wait. */
static bool wait_for_disk(struct score_writer *k)
{
    const double until = clock_seconds() + RETRY_S;
    bool stop;

    pthread_mutex_lock(&k->lock);
    while (!k->stop && k->hurried == 0 && condition_wait(&k->wake, &k->lock, until))
        ;
    stop = k->stop;
    pthread_mutex_unlock(&k->lock);
    return !stop;
}

static void *writer_main(void *arg)
{
    struct score_writer *k = arg;
    bool on = true, wrote = true;

    while (on) {
        on = wrote ? wait_for_work(k, PAUSE_S) : wait_for_disk(k);
        wrote = write_waiting(k);
        if (on && clock_seconds() >= k->sweep_at)
            sweep(k);
    }
    return NULL;
}

/* ---- from outside ---- */

enum status score_writer_start(struct store *store, size_t days, struct score_writer **ret_writer,
                               struct error *err)
{
    struct score_writer *k = calloc(1, sizeof *k);
    enum status st = ST_OK;

    if (!k)
        return error_nomem(err);
    k->store = store;
    k->days = days;
    pthread_mutex_init(&k->lock, NULL);
    condition_init(&k->wake);
    condition_init(&k->wrote);
    k->queue = calloc(ROOM, sizeof *k->queue);
    k->batch = calloc(BATCH, sizeof *k->batch);
    if (!k->queue || !k->batch)
        st = error_nomem(err);
    if (st == ST_OK)
        st = thread_start(&k->thread, writer_main, k, "the thread that keeps scores", err);
    k->started = st == ST_OK;
    if (st != ST_OK) {
        score_writer_stop(k);
        return st;
    }
    *ret_writer = k;
    return ST_OK;
}

void score_writer_stop(struct score_writer *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->lock);
    k->stop = true;
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->lock);
    if (k->started)
        pthread_join(k->thread, NULL);
    for (size_t i = 0; k->queue && i < k->n; i++)
        loaded_model_release(k->queue[(k->first + i) % ROOM].by);
    pthread_cond_destroy(&k->wrote);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->lock);
    free(k->batch);
    free(k->queue);
    free(k);
}

size_t score_writer_days(const struct score_writer *k) { return k->days; }

bool score_writer_add(struct score_writer *k, struct loaded_model *by, const struct kept_scores *row)
{
    bool room;

    if (k->days == 0)
        return false;
    pthread_mutex_lock(&k->lock);
    room = k->n < ROOM && !k->full;
    if (room) {
        k->queue[(k->first + k->n) % ROOM] = (struct waiting){ *row, loaded_model_hold(by) };
        k->added++;
        if (++k->n == 1 || k->n == ROOM / 2)
            pthread_cond_signal(&k->wake);
    } else if (k->full) {
        k->counts.full++;
    } else {
        k->counts.shed++;
    }
    pthread_mutex_unlock(&k->lock);
    return room;
}

void score_writer_flush(struct score_writer *k)
{
    uint64_t wanted, failures;

    pthread_mutex_lock(&k->lock);
    wanted = k->added;
    failures = k->failures;
    k->hurried++;
    pthread_cond_signal(&k->wake);
    while (!k->stop && k->done < wanted && k->failures == failures)
        pthread_cond_wait(&k->wrote, &k->lock);
    k->hurried--;
    pthread_mutex_unlock(&k->lock);
}

struct score_writer_counts score_writer_counts(struct score_writer *k)
{
    struct score_writer_counts counts;

    pthread_mutex_lock(&k->lock);
    counts = k->counts;
    counts.waiting = k->n;
    pthread_mutex_unlock(&k->lock);
    return counts;
}
