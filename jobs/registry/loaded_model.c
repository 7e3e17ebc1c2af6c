/* jobs/registry/loaded_model.c - counted by reference, so that an answer ends on the model that it began with, whichever is active by
 * then. */
#include "loaded_model.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct counted {
    struct loaded_model model; /* first: a struct loaded_model * is a struct counted * */
    atomic_size_t references;
    pthread_mutex_t lock; /* guards the rest, which alone changes */
    struct own_thresholds own;
};

struct loaded_model *loaded_model_new(void)
{
    struct counted *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    atomic_init(&h->references, 1);
    pthread_mutex_init(&h->lock, NULL);
    return &h->model;
}

struct loaded_model *loaded_model_hold(struct loaded_model *m)
{
    atomic_fetch_add_explicit(&((struct counted *)m)->references, 1, memory_order_relaxed);
    return m;
}

void loaded_model_release(struct loaded_model *m)
{
    struct counted *h = (struct counted *)m;

    if (!h || atomic_fetch_sub_explicit(&h->references, 1, memory_order_acq_rel) != 1)
        return;
    model_unref(h->model.model);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

void loaded_model_set_own(struct loaded_model *m, const struct own_thresholds *own)
{
    struct counted *h = (struct counted *)m;

    pthread_mutex_lock(&h->lock);
    h->own = *own;
    pthread_mutex_unlock(&h->lock);
}

struct own_thresholds loaded_model_own(struct loaded_model *m)
{
    struct counted *h = (struct counted *)m;
    struct own_thresholds own;

    pthread_mutex_lock(&h->lock);
    own = h->own;
    pthread_mutex_unlock(&h->lock);
    return own;
}
