/* model/net/dense.c - y = x W' + b.  x [n][I], W [O][I], b [O], y [n][O]; params = W, then b. */
#include "layer.h"

#include <string.h>

static enum status dense_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    if (I == 0 || O == 0)
        return ST_INVALID;
    l->out = (struct shape){ O, 1, 1 };
    tensors[0] =
        (struct tensor){ .rank = 4, .dims = { O, l->in.c, l->in.h, l->in.w }, .fan_in = I, .fan_out = O };
    tensors[1] = (struct tensor){ .rank = 1, .dims = { O } };
    *n_tensors = 2;
    return ST_OK;
}

static void bias_gradient(size_t n, size_t O, const float *dy, float *db)
{
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            db[o] += dy[s * O + o];
}

static void dense_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                          void *tape)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape;
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++) {
            double sum = (double)params[O * I + o];

            for (size_t i = 0; i < I; i++)
                sum += (double)params[o * I + i] * (double)x[s * I + i];
            y[s * O + o] = (float)sum;
        }
}

static void dense_backward(const struct layer *l, size_t n, const float *params, const float *x,
                           const void *tape, const float *dy, float *dx, float *dparams)
{
    const size_t I = shape_size(l->in), O = l->out.c;

    (void)tape;
    bias_gradient(n, O, dy, dparams + O * I);
    if (dx)
        memset(dx, 0, n * I * sizeof *dx);
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++) {
                dparams[o * I + i] += dy[s * O + o] * x[s * I + i];
                if (dx)
                    dx[s * I + i] += dy[s * O + o] * params[o * I + i];
            }
}

const struct layer_ops LAYER_DENSE = { "dense", dense_shape, dense_forward, dense_backward };
