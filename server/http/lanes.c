/* server/http/lanes.c - see lanes.h. */
#include "lanes.h"

#include "cxrd/thread.h"

#include <stdlib.h>

struct lane_queue {
    size_t room, n_workers;
    pthread_t *workers; /* [n_workers] */
    void (*fn)(struct lane_item *item);

    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t wake;
    struct lane_item *first, **last; /* waiting, oldest first */
    size_t waiting;
    bool stopping;
};

static struct lane_item *take(struct lane_queue *l)
{
    struct lane_item *item;

    pthread_mutex_lock(&l->lock);
    while (!l->first && !l->stopping)
        pthread_cond_wait(&l->wake, &l->lock);
    item = l->first;
    if (item) {
        l->first = item->next;
        if (!l->first)
            l->last = &l->first;
        l->waiting--;
    }
    pthread_mutex_unlock(&l->lock);
    return item;
}

static void *worker_main(void *arg)
{
    struct lane_queue *l = arg;

    for (struct lane_item *item; (item = take(l));)
        l->fn(item);
    return NULL;
}

enum status lane_start(size_t workers, size_t room, void (*fn)(struct lane_item *item),
                       struct lane_queue **ret_lane, struct error *err)
{
    struct lane_queue *l = calloc(1, sizeof *l);
    enum status st = ST_OK;

    if (!l)
        return error_nomem(err);
    l->room = room;
    l->fn = fn;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    condition_init(&l->wake);
    l->workers = calloc(workers, sizeof *l->workers);
    if (!l->workers)
        st = error_nomem(err);
    for (size_t i = 0; i < workers && st == ST_OK; i++) {
        st = thread_start(&l->workers[i], worker_main, l, "a thread that answers requests", err);
        l->n_workers += st == ST_OK;
    }
    if (st != ST_OK) {
        lane_stop(l);
        lane_free(l);
        return st;
    }
    *ret_lane = l;
    return ST_OK;
}

bool lane_push(struct lane_queue *l, struct lane_item *item)
{
    bool taken;

    pthread_mutex_lock(&l->lock);
    taken = l->waiting < l->room && !l->stopping;
    if (taken) {
        item->next = NULL;
        *l->last = item;
        l->last = &item->next;
        l->waiting++;
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&l->lock);
    return taken;
}

size_t lane_waiting(struct lane_queue *l)
{
    size_t waiting;

    pthread_mutex_lock(&l->lock);
    waiting = l->waiting;
    pthread_mutex_unlock(&l->lock);
    return waiting;
}

void lane_stop(struct lane_queue *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stopping = true;
    pthread_cond_broadcast(&l->wake);
    pthread_mutex_unlock(&l->lock);
    for (size_t i = 0; i < l->n_workers; i++)
        pthread_join(l->workers[i], NULL);
}

void lane_free(struct lane_queue *l)
{
    if (!l)
        return;
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l->workers);
    free(l);
}
