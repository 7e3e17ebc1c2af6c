/* model/kernels/batch_norm.c - normalisation by the statistics of the batch itself, and the way back through them. Sums over a
 * channel are double: a variance is the difference of two of them. */
#include "cell.h"

typedef double sums[P];

/* A panel of a row: adds up x and x * x. */
ALWAYS_INLINE void row_sums(const struct geometry *g, const float *x, double *restrict sum,
                            double *restrict square)
{
    for (size_t j = 0; j < g->out.w; j++, x += g->x.pixel)
        for (size_t i = 0; i < P; i++) {
            const double v = (double)x[i];

            sum[i] += v;
            square[i] += v * v;
        }
}

void KERNEL(batch_sums)(const struct geometry *g, size_t n, const float *x, double *ret)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        sums sum = { 0 }, square = { 0 };

        for (size_t row = 0; row < n * g->out.h; row++)
            row_sums(g, x + view_at(&g->x, cell_of_row(g->out, row)) + c / P * g->x.panel, sum, square);
        for (size_t i = 0; i < P; i++) {
            ret[c + i] = sum[i];
            ret[g->out.c + c + i] = square[i];
        }
    }
}

void KERNEL(batch_norm)(const struct geometry *g, size_t n, const float *x, const float *mean,
                        const float *scale, const float *shift, float *y)
{
    for (size_t c = 0; c < g->out.c; c += P)
        for (size_t row = 0; row < n * g->out.h; row++) {
            const struct cell at = cell_of_row(g->out, row);
            const float *from = x + view_at(&g->x, at) + c / P * g->x.panel;
            float *to = y + view_at(&g->y, at) + c / P * g->y.panel;

            for (size_t j = 0; j < g->out.w; j++, from += g->x.pixel, to += g->y.pixel)
                for (size_t i = 0; i < P; i += VL)
                    store(to + i, clipped((load(from + i) - load(mean + c + i)) * load(scale + c + i) +
                                              load(shift + c + i),
                                          g->activation));
        }
}

/* The slope before the activation, where the result of batch_norm() is `v` before it. */
ALWAYS_INLINE vf slope_behind(const enum activation activation, vf v, vf dy)
{
    if (activation == ACT_RELU)
        return where(v > 0, dy);
    if (activation == ACT_RELU6)
        return where((v > 0) & (v < 6), dy);
    return dy;
}

/* A panel of a row: adds up dy and dy * (x - mean). */
ALWAYS_INLINE void row_slope_sums(const enum activation activation, const struct geometry *g, const float *x,
                                  const float *dy, const struct batch_constants *k, double *restrict sum,
                                  double *restrict product)
{
    for (size_t j = 0; j < g->out.w; j++, x += g->x.pixel, dy += g->y.pixel) {
        float slope[P] __attribute__((aligned(64))), centred[P] __attribute__((aligned(64)));

        for (size_t i = 0; i < P; i += VL) {
            const vf from_mean = load(x + i) - load(k->mean + i);

            store(centred + i, from_mean);
            store(slope + i, slope_behind(activation, from_mean * load(k->scale + i) + load(k->shift + i),
                                          load(dy + i)));
        }
        for (size_t i = 0; i < P; i++) {
            sum[i] += (double)slope[i];
            product[i] += (double)slope[i] * (double)centred[i];
        }
    }
}

ALWAYS_INLINE void slope_sums(const enum activation activation, const struct geometry *g, size_t n,
                              const float *x, const float *dy, const struct batch_constants *constants,
                              double *ret)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        const struct batch_constants k = { constants->mean + c, constants->scale + c, constants->shift + c };
        sums sum = { 0 }, product = { 0 };

        for (size_t row = 0; row < n * g->out.h; row++) {
            const struct cell at = cell_of_row(g->out, row);

            row_slope_sums(activation, g, x + view_at(&g->x, at) + c / P * g->x.panel,
                           dy + view_at(&g->y, at) + c / P * g->y.panel, &k, sum, product);
        }
        for (size_t i = 0; i < P; i++) {
            ret[c + i] = sum[i];
            ret[g->out.c + c + i] = product[i];
        }
    }
}

void KERNEL(batch_slope_sums)(const struct geometry *g, size_t n, const float *x, const float *dy,
                              const struct batch_constants *k, double *ret)
{
    if (g->activation == ACT_RELU)
        slope_sums(ACT_RELU, g, n, x, dy, k, ret);
    else
        slope_sums(g->activation, g, n, x, dy, k, ret);
}

/* A panel of a row. */
ALWAYS_INLINE void row_slopes(const enum activation activation, const bool add, const struct geometry *g,
                              const float *x, const float *dy, const struct batch_constants *k,
                              const struct batch_constants *by, float *dx)
{
    for (size_t j = 0; j < g->out.w; j++, x += g->x.pixel, dx += g->x.pixel, dy += g->y.pixel)
        for (size_t i = 0; i < P; i += VL) {
            const vf centred = load(x + i) - load(k->mean + i);
            const vf slope =
                slope_behind(activation, centred * load(k->scale + i) + load(k->shift + i), load(dy + i));
            const vf before = add ? load(dx + i) : (vf){ 0 };

            store(dx + i,
                  before + slope * load(by->scale + i) + centred * load(by->mean + i) + load(by->shift + i));
        }
}

ALWAYS_INLINE void all_slopes(const enum activation activation, const bool add, const struct geometry *g,
                              size_t n, const float *x, const float *dy,
                              const struct batch_constants *constants, const struct batch_constants *bys,
                              float *dx)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        const struct batch_constants k = { constants->mean + c, constants->scale + c, constants->shift + c };
        const struct batch_constants by = { bys->mean + c, bys->scale + c, bys->shift + c };

        for (size_t row = 0; row < n * g->out.h; row++) {
            const struct cell at = cell_of_row(g->out, row);
            const size_t in = view_at(&g->x, at) + c / P * g->x.panel;

            row_slopes(activation, add, g, x + in, dy + view_at(&g->y, at) + c / P * g->y.panel, &k, &by,
                       dx + in);
        }
    }
}

void KERNEL(batch_slopes)(const struct geometry *g, size_t n, const float *x, const float *dy,
                          const struct batch_constants *k, const struct batch_constants *by, bool add,
                          float *dx)
{
    if (g->activation == ACT_RELU && add)
        all_slopes(ACT_RELU, true, g, n, x, dy, k, by, dx);
    else if (g->activation == ACT_RELU)
        all_slopes(ACT_RELU, false, g, n, x, dy, k, by, dx);
    else
        all_slopes(g->activation, add, g, n, x, dy, k, by, dx);
}
