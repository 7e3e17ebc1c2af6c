/* model/net/network.c - architectures are data; this file lays them out. */
#include "cxrd/network.h"

#include "cxrd/labels.h"
#include "cxrd/preprocess.h"
#include "layer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const struct layer_ops *const LAYER_KINDS[] = { &LAYER_REPLICATE, &LAYER_CONV3X3, &LAYER_RELU, &LAYER_MAXPOOL,
                                                &LAYER_DENSE };
const size_t N_LAYER_KINDS = sizeof LAYER_KINDS / sizeof LAYER_KINDS[0];

struct layer_spec {
    const struct layer_ops *ops;
    size_t channels;  /* of the result, where the kind lets one choose */
    const char *name; /* of its tensors: "<name>.weight", "<name>.bias" */
};

static const struct layer_spec CNN4[] = {
    { &LAYER_REPLICATE, 3, NULL }, { &LAYER_CONV3X3, 32, "conv1" },    { &LAYER_RELU, 0, NULL },
    { &LAYER_MAXPOOL, 0, NULL },   { &LAYER_CONV3X3, 64, "conv2" },    { &LAYER_RELU, 0, NULL },
    { &LAYER_MAXPOOL, 0, NULL },   { &LAYER_CONV3X3, 128, "conv3" },   { &LAYER_RELU, 0, NULL },
    { &LAYER_MAXPOOL, 0, NULL },   { &LAYER_CONV3X3, 256, "conv4" },   { &LAYER_RELU, 0, NULL },
    { &LAYER_MAXPOOL, 0, NULL },   { &LAYER_DENSE, N_LABELS, "head" },
};

static const struct architecture {
    const char *name;
    const struct layer_spec *layers;
    size_t n_layers;
} ARCHITECTURES[] = {
    { "cnn4", CNN4, sizeof CNN4 / sizeof CNN4[0] },
    { "logistic", NULL, 0 }, /* the head's bias alone, and what inputs add to it */
};

static void tensors_add(struct network *net, const char *layer_name, const struct tensor described[2],
                        size_t n)
{
    static const char *const SUFFIX[] = { "weight", "bias" };

    for (size_t i = 0; i < n; i++) {
        struct tensor *t = &net->tensors[net->n_tensors++];

        assert(i < 2 && net->n_tensors <= NETWORK_MAX_TENSORS);
        *t = described[i];
        snprintf(t->name, sizeof t->name, "%s.%s", layer_name, SUFFIX[i]);
        t->offset = net->n_params;
        t->count = 1;
        for (size_t d = 0; d < t->rank; d++)
            t->count *= t->dims[d];
        net->n_params += t->count;
    }
}

static enum status layer_add(struct network *net, const struct layer_spec *spec)
{
    struct layer *l = &net->layers[net->n_layers];
    struct tensor described[2];
    size_t n_described = 0;

    assert(net->n_layers < NETWORK_MAX_LAYERS);
    *l = (struct layer){ .ops = spec->ops, .out = { .c = spec->channels }, .params = net->n_params };
    l->in = net->n_layers ? l[-1].out : (struct shape){ 1, net->image_size, net->image_size };
    if (spec->ops->shape(l, described, &n_described) != ST_OK)
        return ST_INVALID;
    tensors_add(net, spec->name, described, n_described);
    l->n_params = net->n_params - l->params;
    net->n_layers++;
    return ST_OK;
}

/* The head of a network without layers. */
static void bias_add(struct network *net)
{
    net->tensors[net->n_tensors++] =
        (struct tensor){ .name = "head.bias", .rank = 1, .dims = { N_LABELS }, .count = N_LABELS };
    net->n_params = N_LABELS;
}

enum status network_init(struct network *net, const char *architecture, size_t image_size, struct error *err)
{
    const struct architecture *a = NULL;

    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof ARCHITECTURES[0]; i++)
        if (strcmp(ARCHITECTURES[i].name, architecture) == 0)
            a = &ARCHITECTURES[i];
    if (!a)
        return error_set(err, ST_INVALID, "the architecture '%.32s' is not known here", architecture);
    if (a->n_layers == 0) {
        *net = (struct network){ .architecture = a->name };
        bias_add(net);
        return ST_OK;
    }
    if (image_size % 16 != 0 || image_size < PREPROCESS_MIN_SIZE || image_size > PREPROCESS_MAX_SIZE)
        return error_set(err, ST_INVALID, "the image size is %zu, it must be a multiple of 16 in %d..%d",
                         image_size, PREPROCESS_MIN_SIZE, PREPROCESS_MAX_SIZE);
    *net = (struct network){ .architecture = a->name, .image_size = image_size };
    for (size_t i = 0; i < a->n_layers; i++)
        if (layer_add(net, &a->layers[i]) != ST_OK)
            return error_set(err, ST_INVALID, "the architecture '%s' cannot take images of %zu pixels",
                             a->name, image_size);
    return ST_OK;
}

void network_add_inputs(struct network *net, size_t n)
{
    struct tensor *t = &net->tensors[net->n_tensors++];

    assert(net->n_inputs == 0 && n >= 1 && n <= NETWORK_MAX_INPUTS && net->n_tensors <= NETWORK_MAX_TENSORS);
    *t = (struct tensor){ .name = "head.inputs.weight",
                          .rank = 2,
                          .dims = { N_LABELS, n },
                          .offset = net->n_params,
                          .count = N_LABELS * n };
    net->n_params += t->count;
    net->n_inputs = n;
}

const struct tensor *network_tensor(const struct network *net, const char *name)
{
    for (size_t i = 0; i < net->n_tensors; i++)
        if (strcmp(net->tensors[i].name, name) == 0)
            return &net->tensors[i];
    return NULL;
}

void network_initialise(const struct network *net, enum init init, struct rng *rng, float *params)
{
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const size_t fan = init == INIT_GLOROT ? t->fan_in + t->fan_out : t->fan_in;
        const float bound = fan ? sqrtf(6.0f / (float)fan) : 0;

        for (size_t j = 0; j < t->count; j++)
            params[t->offset + j] = fan ? rng_uniform(rng, -bound, bound) : 0;
    }
}
