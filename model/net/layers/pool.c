/* model/net/layers/pool.c - each plane for itself: [n][C][H][W] -> [n][C][h][w], by windows of U x V cells.
 *   max_pool     the largest cell; cells outside the picture never win. Of equal values the first in row-major order wins and
 *                gets the gradient; NaN wins over all
 *   mean_pool    the mean, windows inside the picture alone
 *   global_pool  the mean of the whole plane: [n][C][1][1] */
#include "check.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

static const char *max_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const struct window *k = &l->window;
    const char *wrong = check_window(k, l->in[0], &l->out);

    (void)tensors;
    *n_tensors = 0;
    if (wrong)
        return wrong;
    if (k->pad_h > k->h / 2 || k->pad_w > k->w / 2)
        return "the border is wider than half the window"; /* no window is without a cell then */
    l->out.c = l->in[0].c;
    if (k->h * k->w > UINT8_MAX)
        return "the window has more than 255 cells";
    l->tape_bytes = shape_size(l->out); /* one byte a result: which cell of the window won */
    return check_in_and_out(l);
}

/* The cell of the window at (i, j) that wins, as its place in the window. */
static uint8_t winner(const struct node *l, const float *plane, size_t i, size_t j, float *ret_value)
{
    const struct window *k = &l->window;
    const size_t top = i * k->stride - k->pad_h, left = j * k->stride - k->pad_w;
    uint8_t best = UINT8_MAX; /* no cell: max_shape() */

    for (size_t u = 0, row = top; u < k->h; u++, row++) /* wraps above row 0, and is then >= H */
        for (size_t v = 0, column = left; v < k->w; v++, column++) {
            if (row >= l->in[0].h || column >= l->in[0].w)
                continue;
            const float value = plane[row * l->in[0].w + column];

            if (best == UINT8_MAX || value > *ret_value || isnan(value)) {
                best = (uint8_t)(u * k->w + v);
                *ret_value = value;
            }
        }
    return best;
}

static void max_forward(const struct node *l, size_t n, const float *params, const float *state,
                        const float *const x[], float *y, void *tape)
{
    uint8_t *won = tape;

    (void)params, (void)state;
    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++) {
                const uint8_t best = winner(l, x[0] + p * l->in[0].h * l->in[0].w, i, j, y++);

                if (won)
                    *won++ = best;
            }
}

static void max_backward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], const void *tape, const float *dy, float *const dx[],
                         float *dparams)
{
    const struct window *k = &l->window;
    const size_t w = l->in[0].w, plane = l->in[0].h * w;
    const uint8_t *won = tape;

    (void)params, (void)state, (void)x, (void)dparams;
    if (!dx[0])
        return;
    memset(dx[0], 0, n * shape_size(l->in[0]) * sizeof *dx[0]);
    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++, won++) {
                const size_t row = i * k->stride - k->pad_h + *won / k->w;
                const size_t column = j * k->stride - k->pad_w + *won % k->w;

                dx[0][p * plane + row * w + column] += *dy++;
            }
}

static const char *mean_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const char *wrong = check_window(&l->window, l->in[0], &l->out);

    (void)tensors;
    *n_tensors = 0;
    if (wrong)
        return wrong;
    if (l->window.pad_h > 0 || l->window.pad_w > 0)
        return "a mean has no border";
    l->out.c = l->in[0].c;
    return check_in_and_out(l);
}

static double window_sum(const struct window *k, const float *first, size_t row)
{
    double sum = 0;

    for (size_t u = 0; u < k->h; u++)
        for (size_t v = 0; v < k->w; v++)
            sum += (double)first[u * row + v];
    return sum;
}

/* Means by a window, of planes of l->in[0]; a whole plane is a window too. */
static void means_forward(const struct node *l, const struct window *k, size_t n, const float *x, float *y)
{
    const size_t w = l->in[0].w, plane = l->in[0].h * w;
    const double area = (double)(k->h * k->w);

    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++)
                *y++ = (float)(window_sum(k, x + p * plane + i * k->stride * w + j * k->stride, w) / area);
}

static void means_backward(const struct node *l, const struct window *k, size_t n, const float *dy, float *dx)
{
    const size_t w = l->in[0].w, plane = l->in[0].h * w;
    const double area = (double)(k->h * k->w);

    if (!dx)
        return;
    memset(dx, 0, n * shape_size(l->in[0]) * sizeof *dx);
    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++, dy++)
                for (size_t u = 0; u < k->h; u++)
                    for (size_t v = 0; v < k->w; v++)
                        dx[p * plane + (i * k->stride + u) * w + j * k->stride + v] +=
                            (float)((double)*dy / area);
}

static void mean_forward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], float *y, void *tape)
{
    (void)params, (void)state, (void)tape;
    means_forward(l, &l->window, n, x[0], y);
}

static void mean_backward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], const void *tape, const float *dy, float *const dx[],
                          float *dparams)
{
    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    means_backward(l, &l->window, n, dy, dx[0]);
}

static const char *global_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS],
                                size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = (struct shape){ l->in[0].c, 1, 1 };
    return check_in_and_out(l);
}

static struct window whole(const struct node *l)
{
    return (struct window){ .h = l->in[0].h, .w = l->in[0].w, .stride = 1 };
}

static void global_forward(const struct node *l, size_t n, const float *params, const float *state,
                           const float *const x[], float *y, void *tape)
{
    const struct window k = whole(l);

    (void)params, (void)state, (void)tape;
    means_forward(l, &k, n, x[0], y);
}

static void global_backward(const struct node *l, size_t n, const float *params, const float *state,
                            const float *const x[], const void *tape, const float *dy, float *const dx[],
                            float *dparams)
{
    const struct window k = whole(l);

    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    means_backward(l, &k, n, dy, dx[0]);
}

const struct layer_ops LAYER_MAX_POOL = { "max_pool", 1, max_shape, max_forward, max_backward };
const struct layer_ops LAYER_MEAN_POOL = { "mean_pool", 1, mean_shape, mean_forward, mean_backward };
const struct layer_ops LAYER_GLOBAL_POOL = { "global_pool", 1, global_shape, global_forward,
                                             global_backward };
