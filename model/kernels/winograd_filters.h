/* model/kernels/winograd_filters.h - the transform of filters for F(4x4, 3x3), U = G w G': what float32 and integers share. */
#ifndef MODEL_KERNELS_WINOGRAD_FILTERS_H
#define MODEL_KERNELS_WINOGRAD_FILTERS_H

#include "winograd_tiles.h"

ALWAYS_INLINE void times_g(const vf g[3], vf r[T6]) /* r = G g */
{
    const vf a = (g[0] + g[2]) * (-1.0f / 6), b = g[1] * (1.0f / 6);
    const vf c = g[0] * (1.0f / 24) + g[2] * (1.0f / 6), d = g[1] * (1.0f / 12);

    r[0] = g[0] * 0.25f;
    r[1] = a - b;
    r[2] = a + b;
    r[3] = c + d;
    r[4] = c - d;
    r[5] = g[2];
}

/* VL filters w[lane][...] of one input channel, gathered: the file's order has the nine taps innermost. */
ALWAYS_INLINE void gather_filters(const float *w, size_t stride, vf g[9])
{
    for (size_t k = 0; k < 9; k++) {
        vf tap = { 0 };

        for (size_t lane = 0; lane < VL; lane++)
            tap[lane] = w[lane * stride + k];
        g[k] = tap;
    }
}

static inline void filter_transform(const vf g[9], vf u[WINOGRAD_POINTS])
{
    vf half[3][T6]; /* of G g, column j of the filter */

    for (size_t j = 0; j < 3; j++) {
        const vf column[3] = { g[j], g[3 + j], g[6 + j] };

        times_g(column, half[j]);
    }
    for (size_t i = 0; i < T6; i++) {
        const vf row[3] = { half[0][i], half[1][i], half[2][i] };

        times_g(row, u + i * T6);
    }
}

#endif
