/* jobs/served.c - see served.h. */
#include "served.h"

#include <stdatomic.h>
#include <stdlib.h>

struct holder {
    struct served served; /* first: a struct served * is a struct holder * */
    atomic_size_t references;
};

struct served *served_new(void)
{
    struct holder *h = calloc(1, sizeof *h);

    if (!h)
        return NULL;
    atomic_init(&h->references, 1);
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
    free(h);
}
