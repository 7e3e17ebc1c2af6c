/* model/net/layers/pool.c - each plane for itself: [n][C][H][W] -> [n][C][h][w], by windows of U x V cells.
 *   max_pool     the largest cell; cells outside the picture never win. Of equal values the first in row-major order wins and
 *                gets the gradient; NaN wins over all
 *   mean_pool    the mean of the cells inside the picture, or of all, those outside being zero
 *   global_pool  the mean of the whole plane: [n][C][1][1] */
#include "check.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Whether each of `n` windows along a side sees at least one cell of the picture. */
static bool all_see(size_t n, size_t cells, size_t stride, size_t dilation, size_t pad, size_t side)
{
    for (size_t i = 0; i < n; i++) {
        size_t u = 0;

        while (u < cells &&
               i * stride + u * dilation - pad >= side) /* wraps before the first, and is then >= */
            u++;
        if (u == cells)
            return false;
    }
    return true;
}

/* Both pools' demands on their windows. */
static const char *pool_check(struct node *l)
{
    const struct window *k = &l->window;
    const char *wrong = check_window(k, l->in[0], &l->out);

    l->out.c = l->in[0].c;
    if (!wrong)
        wrong = check_in_and_out(l);
    if (wrong)
        return wrong;
    if (!all_see(l->out.h, k->h, k->stride_h, k->dilation_h, k->top, l->in[0].h) ||
        !all_see(l->out.w, k->w, k->stride_w, k->dilation_w, k->left, l->in[0].w))
        return "a window sees nothing but the border";
    return NULL;
}

static const char *max_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const char *wrong = pool_check(l);

    (void)tensors;
    *n_tensors = 0;
    if (wrong)
        return wrong;
    if (l->window.h * l->window.w > UINT8_MAX)
        return "the window has more than 255 cells";
    l->tape_bytes = shape_size(l->out); /* one byte a result: which cell of the window won */
    return NULL;
}

/* The cell of the window at (i, j) that wins, as its place in the window. */
static uint8_t winner(const struct node *l, const float *plane, size_t i, size_t j, float *ret_value)
{
    const struct window *k = &l->window;
    const size_t top = i * k->stride_h - k->top, left = j * k->stride_w - k->left;
    uint8_t best = UINT8_MAX; /* some cell is inside: pool_check() */

    for (size_t u = 0, row = top; u < k->h; u++, row += k->dilation_h) /* wraps above row 0, then >= H */
        for (size_t v = 0, column = left; v < k->w; v++, column += k->dilation_w) {
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
                const size_t row = i * k->stride_h - k->top + *won / k->w * k->dilation_h;
                const size_t column = j * k->stride_w - k->left + *won % k->w * k->dilation_w;

                dx[0][p * plane + row * w + column] += *dy++;
            }
}

static const char *mean_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    return pool_check(l);
}

/* Cells of a window that are inside, along one side. */
static size_t count_inside(size_t i, size_t cells, size_t stride, size_t dilation, size_t pad, size_t side)
{
    size_t n = 0;

    for (size_t u = 0; u < cells; u++)
        n += i * stride + u * dilation - pad < side;
    return n;
}

/* The divisor of the sum of the window at (i, j). */
static double area_of(const struct node *l, const struct window *k, size_t i, size_t j)
{
    if (k->count_include_pad)
        return (double)(k->h * k->w);
    return (double)(count_inside(i, k->h, k->stride_h, k->dilation_h, k->top, l->in[0].h) *
                    count_inside(j, k->w, k->stride_w, k->dilation_w, k->left, l->in[0].w));
}

/* The sum over the cells of a plane that the window at (i, j) sees; with dplane NULL, else `share` is added to each of them there. */
static double visit(const struct node *l, const struct window *k, size_t i, size_t j, const float *plane,
                    float *dplane, float share)
{
    double sum = 0;

    for (size_t u = 0; u < k->h; u++)
        for (size_t v = 0; v < k->w; v++) {
            const size_t row = i * k->stride_h + u * k->dilation_h - k->top;
            const size_t column = j * k->stride_w + v * k->dilation_w - k->left;

            if (row >= l->in[0].h || column >= l->in[0].w)
                continue;
            if (dplane)
                dplane[row * l->in[0].w + column] += share;
            else
                sum += (double)plane[row * l->in[0].w + column];
        }
    return sum;
}

/* Means by a window, of planes of l->in[0]; a whole plane is a window too. */
static void means_forward(const struct node *l, const struct window *k, size_t n, const float *x, float *y)
{
    const size_t plane = l->in[0].h * l->in[0].w;

    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++)
                *y++ = (float)(visit(l, k, i, j, x + p * plane, NULL, 0) / area_of(l, k, i, j));
}

static void means_backward(const struct node *l, const struct window *k, size_t n, const float *dy, float *dx)
{
    const size_t plane = l->in[0].h * l->in[0].w;

    if (!dx)
        return;
    memset(dx, 0, n * shape_size(l->in[0]) * sizeof *dx);
    for (size_t p = 0; p < n * l->in[0].c; p++)
        for (size_t i = 0; i < l->out.h; i++)
            for (size_t j = 0; j < l->out.w; j++, dy++)
                visit(l, k, i, j, NULL, dx + p * plane, (float)((double)*dy / area_of(l, k, i, j)));
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
    return (struct window)WINDOW(l->in[0].h, l->in[0].w, 1, 0, 0);
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

const struct layer_ops LAYER_MAX_POOL = { "max_pool", 1, max_shape, max_forward, max_backward, TAKES_WINDOW };
const struct layer_ops LAYER_MEAN_POOL = { "mean_pool",   1,
                                           mean_shape,    mean_forward,
                                           mean_backward, TAKES_WINDOW | TAKES_COUNT };
const struct layer_ops LAYER_GLOBAL_POOL = { "global_pool", 1, global_shape, global_forward,
                                             global_backward };
