/* model/net/graph/network.c - see cxrd/network.h. */
#include "cxrd/network.h"

#include "network_make.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct counted {
    struct network net; /* first */
    atomic_size_t references;
};

struct network *network_empty(const char *architecture, size_t image_size)
{
    struct counted *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    atomic_init(&c->references, 1);
    c->net.architecture = architecture;
    c->net.image_size = image_size;
    return &c->net;
}

const struct network *network_ref(const struct network *net)
{
    atomic_fetch_add_explicit(&((struct counted *)net)->references, 1, memory_order_relaxed);
    return net;
}

void network_unref(const struct network *net)
{
    struct counted *c = (struct counted *)net;

    if (!c || atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) != 1)
        return;
    free(c->net.nodes);
    free(c->net.tensors);
    free(c);
}

const struct tensor *network_tensor(const struct network *net, const char *name)
{
    for (size_t i = 0; i < net->n_tensors; i++)
        if (strcmp(net->tensors[i].name, name) == 0)
            return &net->tensors[i];
    return NULL;
}

void network_initialise(const struct network *net, enum init init, struct rng *rng, float *values)
{
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const size_t fan = init == INIT_GLOROT ? t->fan_in + t->fan_out : t->fan_in;
        const float bound = fan ? sqrtf(6.0f / (float)fan) : 0;

        for (size_t j = 0; j < t->count; j++)
            values[t->offset + j] = fan ? rng_uniform(rng, -bound, bound) : t->initial;
    }
}
