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

/* A panel of a row: adds up dy and dy * (x - mean). */
ALWAYS_INLINE void row_slope_sums(const struct geometry *g, const float *x, const float *y, const float *dy,
                                  const float *restrict mean, double *restrict sum, double *restrict product)
{
    for (size_t j = 0; j < g->out.w; j++, x += g->x.pixel, y += g->y.pixel, dy += g->y.pixel) {
        float slope[P] __attribute__((aligned(64)));

        for (size_t i = 0; i < P; i += VL)
            store(slope + i, slope_before(g, y + i, dy + i));
        for (size_t i = 0; i < P; i++) {
            sum[i] += (double)slope[i];
            product[i] += (double)slope[i] * (double)(x[i] - mean[i]);
        }
    }
}

void KERNEL(batch_slope_sums)(const struct geometry *g, size_t n, const float *x, const float *y,
                              const float *dy, const float *mean, double *ret)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        sums sum = { 0 }, product = { 0 };

        for (size_t row = 0; row < n * g->out.h; row++) {
            const struct cell at = cell_of_row(g->out, row);
            const size_t out = view_at(&g->y, at) + c / P * g->y.panel;

            row_slope_sums(g, x + view_at(&g->x, at) + c / P * g->x.panel, y + out, dy + out, mean + c, sum,
                           product);
        }
        for (size_t i = 0; i < P; i++) {
            ret[c + i] = sum[i];
            ret[g->out.c + c + i] = product[i];
        }
    }
}

void KERNEL(batch_slopes)(const struct geometry *g, size_t n, const float *x, const float *y, const float *dy,
                          const float *mean, const float *scale, const float *by_x, const float *shift,
                          float *dx)
{
    for (size_t c = 0; c < g->out.c; c += P)
        for (size_t row = 0; row < n * g->out.h; row++) {
            const struct cell at = cell_of_row(g->out, row);
            const size_t in = view_at(&g->x, at) + c / P * g->x.panel;
            const size_t out = view_at(&g->y, at) + c / P * g->y.panel;

            for (size_t j = 0; j < g->out.w; j++)
                for (size_t i = 0; i < P; i += VL) {
                    const vf centred = load(x + in + j * g->x.pixel + i) - load(mean + c + i);
                    float *to = dx + in + j * g->x.pixel + i;

                    const vf slope =
                        slope_before(g, y + out + j * g->y.pixel + i, dy + out + j * g->y.pixel + i);

                    store(to, load(to) + slope * load(scale + c + i) + centred * load(by_x + c + i) +
                                  load(shift + c + i));
                }
        }
}
