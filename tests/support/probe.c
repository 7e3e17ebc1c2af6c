/* tests/support/probe.c - see probe.h. */
#include "probe.h"

#include "cxrd/rng.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

static float *floats(size_t n)
{
    float *p = calloc(n ? n : 1, sizeof *p);

    assert(p);
    return p;
}

/* ±1/8, ±2/8, … in random order. */
static void fill_distinct(struct rng *rng, float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(i / 2 + 1) * (i % 2 ? -0.125f : 0.125f);
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)rng_below(rng, i);
        const float t = values[i - 1];

        values[i - 1] = values[j];
        values[j] = t;
    }
}

static void fill_sixteenths(struct rng *rng, float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = ((float)rng_below(rng, 31) - 15) / 16;
}

static void blocks_allocate(struct probe *p)
{
    p->x = floats(p->nx);
    p->dx = floats(p->nx);
    p->y = floats(p->ny);
    p->r = floats(p->ny);
    p->params = floats(p->layer.n_params);
    p->dparams = floats(p->layer.n_params);
    p->tape = calloc(p->n * p->layer.tape_bytes + 1, 1);
    assert(p->tape);
}

bool probe_init(struct probe *p, const struct layer_ops *ops, struct shape in, size_t out_channels, size_t n)
{
    struct tensor tensors[2];
    size_t n_tensors = 0;
    struct rng rng;

    *p = (struct probe){ .layer = { .ops = ops, .in = in, .out = { .c = out_channels } }, .n = n };
    if (ops->shape(&p->layer, tensors, &n_tensors) != ST_OK)
        return false;
    for (size_t i = 0; i < n_tensors; i++) {
        size_t count = 1;

        for (size_t d = 0; d < tensors[i].rank; d++)
            count *= tensors[i].dims[d];
        p->layer.n_params += count;
    }
    p->nx = n * shape_size(p->layer.in);
    p->ny = n * shape_size(p->layer.out);
    blocks_allocate(p);
    rng_seed(&rng, 7, 0);
    fill_distinct(&rng, p->x, p->nx);
    fill_sixteenths(&rng, p->r, p->ny);
    fill_sixteenths(&rng, p->params, p->layer.n_params);
    for (size_t i = 0; i < p->nx; i++)
        p->dx[i] = NAN; /* backward overwrites it, whatever was there */
    return true;
}

void probe_release(struct probe *p)
{
    free(p->x);
    free(p->dx);
    free(p->y);
    free(p->r);
    free(p->params);
    free(p->dparams);
    free(p->tape);
    *p = (struct probe){ 0 };
}

void probe_forward(struct probe *p)
{
    p->layer.ops->forward(&p->layer, p->n, p->params, p->x, p->y, p->tape);
}

void probe_backward(struct probe *p)
{
    p->layer.ops->backward(&p->layer, p->n, p->params, p->x, p->tape, p->r, p->dx, p->dparams);
}

static double loss_at(struct probe *p, float *where, float value)
{
    const float kept = *where;
    double loss = 0;

    *where = value;
    p->layer.ops->forward(&p->layer, p->n, p->params, p->x, p->y, NULL);
    *where = kept;
    for (size_t i = 0; i < p->ny; i++)
        loss += (double)p->r[i] * (double)p->y[i];
    return loss;
}

double probe_slope(struct probe *p, float *where)
{
    const float h = 1.0f / 32;

    return (loss_at(p, where, *where + h) - loss_at(p, where, *where - h)) / (2 * (double)h);
}
