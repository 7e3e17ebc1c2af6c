/* tests/support/network_case.c - see network_case.h. */
#include "network_case.h"

#include "cxrd/rng.h"
#include "double_net.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

void *allocated(void *p)
{
    cr_assert_not_null(p);
    return p;
}

float *floats(size_t n) { return allocated(calloc(n, sizeof(float))); }
double *doubles(size_t n) { return allocated(calloc(n, sizeof(double))); }

double *widened(const float *values, size_t n)
{
    double *wide = doubles(n);

    for (size_t i = 0; i < n; i++)
        wide[i] = (double)values[i];
    return wide;
}

const struct network *cnn4(size_t size)
{
    const struct double_net twin = double_net_cnn4(size);
    const struct network *net;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", size, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
    cr_assert_eq(net->n_params, double_net_params(&twin));
    return net;
}

float *initial(const struct network *net, enum init init, uint64_t seed)
{
    float *params = floats(net->n_params + net->n_state);
    struct rng rng;

    rng_seed(&rng, seed, 0);
    network_initialise(net, init, &rng, params);
    return params;
}

struct model *model_of(const struct network *net, const float *params)
{
    const struct preprocess pre = { .size = net->image_size, .resize = RESIZE_AREA, .mean = 128, .std = 64 };
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, NULL, &m, &err), ST_OK, "%s", err.text);
    return m;
}

struct model *random_model(size_t size)
{
    const struct network *net = cnn4(size);
    float *params = initial(net, INIT_HE, size);
    struct model *m = model_of(net, params);

    free(params);
    network_unref(net);
    return m;
}

struct batch batch_new(size_t n, size_t size, uint64_t seed)
{
    struct batch b = { n, size, floats(n * size * size), floats(n * N_NIH_LABELS) };
    struct rng rng;

    rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < n * size * size; i++) {
        const double band = 128 + 80 * sin((double)(i % size) / 9 + (double)(i / size / size));

        b.x[i] = (float)(floor(band + 40 * rng_unit(&rng)) - 128) / 64;
    }
    for (size_t i = 0; i < n * N_NIH_LABELS; i++)
        b.y[i] = rng_unit(&rng) < 0.2;
    return b;
}

void batch_release(struct batch *b)
{
    free(b->x);
    free(b->y);
}
