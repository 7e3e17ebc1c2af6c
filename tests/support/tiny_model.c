/* tests/support/tiny_model.c - see tiny_model.h. */
#include "tiny_model.h"

#include "cxrd/rng.h"
#include "cxrd/weights.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model *tiny_model(uint64_t seed, float scale, json_t *notes)
{
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *params;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", pre.size, N_NIH_LABELS, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, seed, 1);
    network_initialise(net, INIT_GLOROT, &rng, params);
    for (size_t i = 0; i < net->n_params; i++)
        params[i] *= scale;
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, notes, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    return m;
}

struct model *tiny_graph(uint64_t seed, const struct labels *labels)
{
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    const struct network *net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    char text[1024];
    float *values;

    snprintf(
        text, sizeof text,
        "{\"version\":1,\"channels\":1,\"nodes\":["
        "{\"op\":\"conv\",\"name\":\"stem\",\"from\":[0],\"channels\":6,\"kernel\":[3,3],\"stride\":[4,4],"
        "\"pad\":[1,1,1,1],\"groups\":1,\"bias\":false},"
        "{\"op\":\"norm\",\"name\":\"stem_bn\",\"from\":[1],\"epsilon\":0.001},{\"op\":\"silu\",\"from\":[2]}"
        ","
        "{\"op\":\"global_pool\",\"from\":[3]},{\"op\":\"flatten\",\"from\":[4]},"
        "{\"op\":\"dense\",\"name\":\"head\",\"from\":[5],\"channels\":%zu,\"bias\":true}]}",
        labels->n);
    cr_assert_eq(network_new(&(struct network_spec){ .architecture = GRAPH_ARCHITECTURE,
                                                     .image_size = pre.size,
                                                     .n_labels = labels->n,
                                                     .channels = 1,
                                                     .graph = text },
                             &net, &err),
                 ST_OK, "%s", err.text);
    values = calloc(net->n_params + net->n_state, sizeof *values);
    cr_assert_not_null(values);
    rng_seed(&rng, seed, 1);
    network_initialise(net, INIT_HE, &rng, values);
    for (size_t i = net->n_params; i < net->n_params + net->n_state; i++)
        values[i] = 1; /* means or variances */
    cr_assert_eq(model_new(net, labels, &pre, values, NULL, &m, &err), ST_OK, "%s", err.text);
    network_unref(net);
    free(values);
    return m;
}

struct model *tiny_model_with_norms(uint64_t seed)
{
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    const struct network *net;
    struct model *m = NULL;
    struct rng rng;
    float *values;

    cr_assert_eq(network_new(&(struct network_spec){ "mobilenet_v2", pre.size, N_NIH_LABELS, 0 }, &net, NULL),
                 ST_OK);
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    rng_seed(&rng, seed, 1);
    network_initialise(net, INIT_HE, &rng, values);
    for (size_t i = net->n_params; i < net->n_params + net->n_state; i++)
        values[i] = rng_uniform(&rng, 0.5, 1.5); /* means or variances */
    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, values, NULL, &m, NULL), ST_OK);
    network_unref(net);
    free(values);
    return m;
}

struct model *tiny_model_with_inputs(uint64_t seed, const struct inputs *in, float first, float step)
{
    struct model *plain = tiny_model(seed, 1, NULL), *m = NULL;
    const size_t n_plain = model_network(plain)->n_params;
    const struct network *net;
    struct error err = { 0 };
    char *text = inputs_text(in, &NIH_LABELS);
    float *params;

    cr_assert_eq(
        network_new(&(struct network_spec){ "cnn4", model_network(plain)->image_size, N_NIH_LABELS, in->n },
                    &net, &err),
        ST_OK, "%s", err.text);
    params = malloc(net->n_params * sizeof *params);
    memcpy(params, model_params(plain), n_plain * sizeof *params);
    for (size_t i = 0; i < in->n * N_NIH_LABELS; i++)
        params[n_plain + i] = first + (float)i * step;
    cr_assert_eq(model_new(net, &NIH_LABELS, model_preprocess(plain), params,
                           json_pack("{s:s}", "inputs", text), &m, &err),
                 ST_OK, "%s", err.text);
    network_unref(net);
    free(params);
    free(text);
    model_unref(plain);
    return m;
}

struct buf tiny_weights(uint64_t seed, float scale, json_t *notes)
{
    struct model *m = tiny_model(seed, scale, notes);
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct error err = { 0 };

    cr_assert_eq(weights_write(m, &file, &err), ST_OK, "%s", err.text);
    model_unref(m);
    return file;
}
