/* jobs/registry/served.c - see served.h. */
#include "served.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct holder {
    struct served served; /* first: a struct served * is a struct holder * */
    atomic_size_t references;
    pthread_mutex_t lock; /* guards the rest, which alone changes */
    struct own_thresholds own;
};

struct served *served_new(void)
{
    struct holder *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    atomic_init(&h->references, 1);
    pthread_mutex_init(&h->lock, NULL);
    return &h->served;
}

struct served *served_hold(struct served *m)
{
    atomic_fetch_add_explicit(&((struct holder *)m)->references, 1, memory_order_relaxed);
    return m;
}

void served_release(struct served *m)
{
    struct holder *h = (struct holder *)m;

    if (!h || atomic_fetch_sub_explicit(&h->references, 1, memory_order_acq_rel) != 1)
        return;
    model_unref(h->served.model);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void served_set_own(struct served *m, const struct own_thresholds *own)
{
    struct holder *h = (struct holder *)m;

    pthread_mutex_lock(&h->lock);
    h->own = *own;
    pthread_mutex_unlock(&h->lock);
}

struct own_thresholds served_own(struct served *m)
{
    struct holder *h = (struct holder *)m;
    struct own_thresholds own;

    pthread_mutex_lock(&h->lock);
    own = h->own;
    pthread_mutex_unlock(&h->lock);
    return own;
}
