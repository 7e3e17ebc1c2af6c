/* server/http/work_queue.c - see work_queue.h. */
#include "work_queue.h"

#include "cxrd/thread.h"

#include <stdlib.h>

struct work_queue {
    size_t room, n_workers;
    pthread_t *workers; /* [n_workers] */
    void (*fn)(struct work_item *item);

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    struct work_item *first, **last; /* waiting, oldest first */
    size_t waiting;
    bool stopping;
};

static struct work_item *take(struct work_queue *q)
{
    struct work_item *item;

    pthread_mutex_lock(&q->lock);
    while (!q->first && !q->stopping)
        pthread_cond_wait(&q->wake, &q->lock);
    item = q->first;
    if (item) {
        q->first = item->next;
        if (!q->first)
            q->last = &q->first;
        q->waiting--;
    }
    pthread_mutex_unlock(&q->lock);
    return item;
}

static void *worker_main(void *arg)
{
    struct work_queue *q = arg;

    for (struct work_item *item; (item = take(q));)
        q->fn(item);
    return NULL;
}

enum status work_queue_start(size_t workers, size_t room, void (*fn)(struct work_item *item),
                             struct work_queue **ret_queue, struct error *err)
{
    struct work_queue *q = calloc(1, sizeof *q);
    enum status st = ST_OK;

    if (!q)
        return error_nomem(err);
    q->room = room;
    q->fn = fn;
    q->last = &q->first;
    pthread_mutex_init(&q->lock, NULL);
    condition_init(&q->wake);
    q->workers = calloc(workers, sizeof *q->workers);
    if (!q->workers)
        st = error_nomem(err);
    for (size_t i = 0; i < workers && st == ST_OK; i++) {
        st = thread_start(&q->workers[i], worker_main, q, "a thread that answers requests", err);
        q->n_workers += st == ST_OK;
    }
    if (st != ST_OK) {
        work_queue_stop(q);
        work_queue_free(q);
        return st;
    }
    *ret_queue = q;
    return ST_OK;
}

bool work_queue_push(struct work_queue *q, struct work_item *item)
{
    bool taken;

    pthread_mutex_lock(&q->lock);
    taken = q->waiting < q->room && !q->stopping;
    if (taken) {
        item->next = NULL;
        *q->last = item;
        q->last = &item->next;
        q->waiting++;
        pthread_cond_signal(&q->wake);
    }
    pthread_mutex_unlock(&q->lock);
    return taken;
}

size_t work_queue_waiting(struct work_queue *q)
{
    size_t waiting;

    pthread_mutex_lock(&q->lock);
    waiting = q->waiting;
    pthread_mutex_unlock(&q->lock);
    return waiting;
}

void work_queue_stop(struct work_queue *q)
{
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stopping = true;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < q->n_workers; i++)
        pthread_join(q->workers[i], NULL);
}

void work_queue_free(struct work_queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->wake);
    pthread_mutex_destroy(&q->lock);
    free(q->workers);
    free(q);
}
