/* model/net/maxpool.c - 2x2 max-pool, stride 2: [n][C][H][W] -> [n][C][H/2][W/2], H and W even. Of equal values the
 * first in row-major order wins and gets the gradient; NaN wins over all. */
#include "layer.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static enum status maxpool_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    if (shape_size(l->in) == 0 || l->in.h % 2 != 0 || l->in.w % 2 != 0)
        return ST_INVALID;
    l->out = (struct shape){ l->in.c, l->in.h / 2, l->in.w / 2 };
    l->tape_bytes = shape_size(l->out); /* one byte a cell: which of the four won */
    return ST_OK;
}

static void maxpool_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                            void *tape)
{
    const size_t w = l->in.w, rows = n * l->in.c * l->in.h;
    uint8_t *won = tape;

    (void)params;
    for (size_t i = 0; i < rows; i += 2)
        for (size_t j = 0; j < w; j += 2) {
            const float *q = x + i * w + j;
            const float v[4] = { q[0], q[1], q[w], q[w + 1] };
            uint8_t best = 0;

            for (uint8_t k = 1; k < 4; k++)
                if (v[k] > v[best] || isnan(v[k]))
                    best = k;
            *y++ = v[best];
            if (won)
                *won++ = best;
        }
}

static void maxpool_backward(const struct layer *l, size_t n, const float *params, const float *x,
                             const void *tape, const float *dy, float *dx, float *dparams)
{
    const size_t w = l->in.w, rows = n * l->in.c * l->in.h;
    const uint8_t *won = tape;

    (void)params, (void)x, (void)dparams;
    if (!dx)
        return;
    memset(dx, 0, n * shape_size(l->in) * sizeof *dx);
    for (size_t i = 0; i < rows; i += 2)
        for (size_t j = 0; j < w; j += 2, won++)
            dx[(i + *won / 2) * w + j + *won % 2] = *dy++;
}

const struct layer_ops LAYER_MAXPOOL = { "maxpool2", maxpool_shape, maxpool_forward, maxpool_backward };
