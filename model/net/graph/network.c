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

static bool shape_alike(struct shape a, struct shape b) { return a.c == b.c && a.h == b.h && a.w == b.w; }

static bool window_alike(const struct window *a, const struct window *b)
{
    return a->h == b->h && a->w == b->w && a->stride_h == b->stride_h && a->stride_w == b->stride_w &&
           a->top == b->top && a->left == b->left && a->bottom == b->bottom && a->right == b->right &&
           a->dilation_h == b->dilation_h && a->dilation_w == b->dilation_w &&
           a->count_include_pad == b->count_include_pad;
}

static bool node_alike(const struct node *a, const struct node *b)
{
    if (a->ops != b->ops || !shape_alike(a->out, b->out) || !window_alike(&a->window, &b->window) ||
        a->groups != b->groups || a->bias != b->bias || a->epsilon != b->epsilon || a->low != b->low ||
        a->high != b->high || a->slope != b->slope || a->first != b->first)
        return false;
    for (size_t i = 0; i < NODE_MAX_INPUTS; i++)
        if (a->from[i] != b->from[i])
            return false;
    return true;
}

bool network_alike(const struct network *a, const struct network *b)
{
    if (a->n_nodes != b->n_nodes || a->n_labels != b->n_labels || a->n_inputs != b->n_inputs)
        return false;
    for (size_t i = 0; i < a->n_nodes; i++)
        if (!node_alike(&a->nodes[i], &b->nodes[i]))
            return false;
    return true;
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
