/* tests/support/tiny_model.c - see tiny_model.h. */
#include "tiny_model.h"

#include "cxrd/rng.h"
#include "cxrd/weights.h"

#include <criterion/criterion.h>
#include <stdlib.h>

struct model *tiny_model(uint64_t seed, float scale, json_t *notes)
{
    const struct preprocess pre = { 64, RESIZE_AREA, 128, 64 };
    struct network net;
    struct model *m = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *params;

    cr_assert_eq(network_init(&net, "cnn4", pre.size, &err), ST_OK, "%s", err.text);
    params = malloc(net.n_params * sizeof *params);
    cr_assert_not_null(params);
    rng_seed(&rng, seed, 1);
    network_initialise(&net, INIT_GLOROT, &rng, params);
    for (size_t i = 0; i < net.n_params; i++)
        params[i] *= scale;
    cr_assert_eq(model_new(&net, &pre, params, notes, &m, &err), ST_OK, "%s", err.text);
    free(params);
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
