/* model/net/network.c - see cxrd/network.h. */
#include "cxrd/network.h"

#include "arch/arch.h"
#include "cxrd/preprocess.h"
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

static const struct architecture {
    const char *name;
    void (*author)(struct graph *g); /* NULL: it sees no picture */
    size_t multiple, least, most;    /* of image sizes */
} ARCHITECTURES[] = {
    { "cnn4", arch_cnn4, 16, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE },
    { "logistic", NULL, 0, 0, 0 },
    { "mlp", arch_mlp, 64, 64, 960 },
    { "densenet121", arch_densenet121, 1, 32, 1024 },
    { "resnet18", arch_resnet18, 1, 32, 1024 },
    { "resnet50", arch_resnet50, 1, 32, 1024 },
    { "mobilenet_v2", arch_mobilenet_v2, 1, 32, 1024 },
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

enum status network_new(const char *architecture, size_t image_size, size_t n_inputs,
                        const struct network **ret_net, struct error *err)
{
    const struct architecture *a = NULL;
    struct graph g;

    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof ARCHITECTURES[0]; i++)
        if (strcmp(ARCHITECTURES[i].name, architecture) == 0)
            a = &ARCHITECTURES[i];
    if (!a)
        return error_set(err, ST_INVALID, "the architecture '%.32s' is not known here", architecture);
    if (a->author && (image_size % a->multiple != 0 || image_size < a->least || image_size > a->most))
        return error_set(err, ST_INVALID, "the image size is %zu, it must be a multiple of %zu in %zu..%zu",
                         image_size, a->multiple, a->least, a->most);
    graph_begin(&g, a->name, a->author ? image_size : 0, err);
    if (a->author)
        a->author(&g);
    return graph_finish(&g, n_inputs, ret_net);
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
