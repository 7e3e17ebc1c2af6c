/* model/net/replicate.c - one grey channel into `out.c` equal ones: the seed network was made for colour. */
#include "layer.h"

#include <string.h>

static enum status replicate_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    if (l->in.c != 1 || shape_size(l->in) == 0 || l->out.c == 0)
        return ST_INVALID;
    l->out = (struct shape){ l->out.c, l->in.h, l->in.w };
    return ST_OK;
}

static void replicate_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                              void *tape)
{
    const size_t plane = shape_size(l->in);

    (void)params, (void)tape;
    for (size_t s = 0; s < n; s++, x += plane)
        for (size_t c = 0; c < l->out.c; c++, y += plane)
            memcpy(y, x, plane * sizeof *y);
}

static void replicate_backward(const struct layer *l, size_t n, const float *params, const float *x,
                               const void *tape, const float *dy, float *dx, float *dparams)
{
    const size_t plane = shape_size(l->in);

    (void)params, (void)x, (void)tape, (void)dparams;
    if (!dx)
        return;
    memset(dx, 0, n * plane * sizeof *dx);
    for (size_t s = 0; s < n; s++, dx += plane)
        for (size_t c = 0; c < l->out.c; c++)
            for (size_t i = 0; i < plane; i++)
                dx[i] += *dy++;
}

const struct layer_ops LAYER_REPLICATE = { "replicate", replicate_shape, replicate_forward,
                                           replicate_backward };
