/* model/net/relu.c - y = max(x, 0), any shape. The slope at 0 is 0. NaN stays NaN: were it made 0 here, a sum that
 * overflowed would end as an ordinary probability. */
#include "layer.h"

static enum status relu_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = l->in;
    return shape_size(l->in) ? ST_OK : ST_INVALID;
}

static void relu_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                         void *tape)
{
    const size_t size = n * shape_size(l->in);

    (void)params, (void)tape;
    for (size_t i = 0; i < size; i++)
        y[i] = x[i] < 0 ? 0 : x[i];
}

static void relu_backward(const struct layer *l, size_t n, const float *params, const float *x,
                          const void *tape, const float *dy, float *dx, float *dparams)
{
    const size_t size = n * shape_size(l->in);

    (void)params, (void)tape, (void)dparams;
    if (!dx)
        return;
    for (size_t i = 0; i < size; i++)
        dx[i] = x[i] > 0 ? dy[i] : 0;
}

const struct layer_ops LAYER_RELU = { "relu", relu_shape, relu_forward, relu_backward };
