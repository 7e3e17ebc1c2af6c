/* model/net/conv3x3.c - 3x3 cross-correlation, stride 1, zero "same" padding: [n][C][H][W] -> [n][O][H][W].
 *   y[o][i][j] = b[o] + sum over c, u, v of W[o][c][u][v] x[c][i+u-1][j+v-1];   W [O][C][3][3], then b [O].
 * Sums are in double: a weight's slope has H*W terms for each picture, too many for float32 to be the truth. */
#include "layer.h"

#include <assert.h>
#include <string.h>

static enum status conv_shape(struct layer *l, struct tensor tensors[2], size_t *n_tensors)
{
    const size_t C = l->in.c, O = l->out.c;

    if (shape_size(l->in) == 0 || O == 0)
        return ST_INVALID;
    l->out = (struct shape){ O, l->in.h, l->in.w };
    tensors[0] = (struct tensor){ .rank = 4, .dims = { O, C, 3, 3 }, .fan_in = 9 * C, .fan_out = 9 * O };
    tensors[1] = (struct tensor){ .rank = 1, .dims = { O } };
    *n_tensors = 2;
    return ST_OK;
}

/* The sum over the three rows and columns around (i, j) of a plane, zero outside, weighted by a kernel. */
static double correlate(const float *plane, size_t h, size_t w, size_t i, size_t j, const float *kernel)
{
    double sum = 0;

    for (size_t u = 0, row = i - 1; u < 3; u++, row++) /* wraps above row 0, and is then >= h */
        for (size_t v = 0, column = j - 1; v < 3; v++, column++)
            if (row < h && column < w)
                sum += (double)kernel[u * 3 + v] * (double)plane[row * w + column];
    return sum;
}

static void conv_forward(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                         void *tape)
{
    const size_t C = l->in.c, O = l->out.c, H = l->in.h, W = l->in.w;
    const float *b = params + O * C * 9;

    (void)tape;
    for (size_t s = 0; s < n; s++, x += C * H * W)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < H; i++)
                for (size_t j = 0; j < W; j++) {
                    double sum = (double)b[o];

                    for (size_t c = 0; c < C; c++)
                        sum += correlate(x + c * H * W, H, W, i, j, params + (o * C + c) * 9);
                    *y++ = (float)sum;
                }
}

/* dW[o][c][u][v] of one picture: the sum over pixels of the slope times what this tap saw there. */
static double tap_slope(const float *dy, const float *plane, size_t h, size_t w, size_t u, size_t v)
{
    double sum = 0;

    for (size_t i = 0; i < h; i++)
        for (size_t j = 0; j < w; j++) {
            const size_t row = i + u - 1, column = j + v - 1;

            if (row < h && column < w)
                sum += (double)dy[i * w + j] * (double)plane[row * w + column];
        }
    return sum;
}

/* What one pixel of a plane gives to the slope by it: through every tap that saw it, of every output plane. */
static double pixel_slope(const struct layer *l, const float *params, const float *dy, size_t c, size_t i,
                          size_t j)
{
    const size_t C = l->in.c, H = l->in.h, W = l->in.w;
    double sum = 0;

    for (size_t o = 0; o < l->out.c; o++)
        for (size_t u = 0; u < 3; u++)
            for (size_t v = 0; v < 3; v++) {
                const size_t row = i + 1 - u, column = j + 1 - v;

                if (row < H && column < W)
                    sum += (double)dy[(o * H + row) * W + column] *
                           (double)params[((o * C + c) * 3 + u) * 3 + v];
            }
    return sum;
}

static void conv_backward(const struct layer *l, size_t n, const float *params, const float *x,
                          const void *tape, const float *dy, float *dx, float *dparams)
{
    const size_t C = l->in.c, O = l->out.c, H = l->in.h, W = l->in.w;
    float *db = dparams + O * C * 9;

    (void)tape;
    assert(C > 0);
    for (size_t s = 0; s < n; s++, x += C * H * W, dy += O * H * W) {
        for (size_t o = 0; o < O; o++) {
            double sum = 0;

            for (size_t i = 0; i < H * W; i++)
                sum += (double)dy[o * H * W + i];
            db[o] += (float)sum;
        }
        for (size_t k = 0; k < O * C * 9; k++)
            dparams[k] +=
                (float)tap_slope(dy + k / (C * 9) * H * W, x + k / 9 % C * H * W, H, W, k % 9 / 3, k % 3);
        if (!dx)
            continue;
        for (size_t c = 0; c < C; c++)
            for (size_t i = 0; i < H; i++)
                for (size_t j = 0; j < W; j++)
                    *dx++ = (float)pixel_slope(l, params, dy, c, i, j);
    }
}

const struct layer_ops LAYER_CONV3X3 = { "conv3x3", conv_shape, conv_forward, conv_backward };
