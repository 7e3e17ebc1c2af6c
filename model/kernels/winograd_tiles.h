/* model/kernels/winograd_tiles.h - the transforms of F(4x4, 3x3) that go forward: what blocks and graphs share. */
#ifndef MODEL_KERNELS_WINOGRAD_TILES_H
#define MODEL_KERNELS_WINOGRAD_TILES_H

#include "cell.h"

enum { T4 = WINOGRAD_TILE, T6 = WINOGRAD_INPUT };

ALWAYS_INLINE void times_bt(const vf d[T6], vf r[T6]) /* r = B' d */
{
    const vf even = d[4] - 4 * d[2], odd = d[3] - 4 * d[1], even2 = d[4] - d[2], odd2 = 2 * (d[3] - d[1]);

    r[0] = 4 * d[0] - 5 * d[2] + d[4];
    r[1] = even + odd;
    r[2] = even - odd;
    r[3] = even2 + odd2;
    r[4] = even2 - odd2;
    r[5] = 4 * d[1] - 5 * d[3] + d[5];
}

ALWAYS_INLINE void times_at(const vf m[T6], vf r[T4]) /* r = A' m */
{
    const vf sum12 = m[1] + m[2], sum34 = m[3] + m[4], diff12 = m[1] - m[2], diff34 = m[3] - m[4];

    r[0] = m[0] + sum12 + sum34;
    r[1] = diff12 + 2 * diff34;
    r[2] = sum12 + 4 * sum34;
    r[3] = diff12 + 8 * diff34 + m[5];
}

/* Rows and columns of a tile's inputs that lie inside the picture; the others are zeros that are not there. */
struct tile_inside {
    struct inside rows, columns;
};

ALWAYS_INLINE vf input_at(const float *x, ptrdiff_t row, ptrdiff_t pixel, size_t i, size_t j,
                          const struct tile_inside *in)
{
    if (in && (i < in->rows.begin || i >= in->rows.end || j < in->columns.begin || j >= in->columns.end))
        return (vf){ 0 };
    return load(x + (ptrdiff_t)i * row + (ptrdiff_t)j * pixel);
}

/* V for VL channels of one tile: x points at the tile's first input, which need not be inside. in: NULL, all is inside. */
ALWAYS_INLINE void input_tile(const float *x, size_t row, size_t pixel, const struct tile_inside *in,
                              float *v, size_t step)
{
    vf half[T6][T6]; /* B' d, by column */

    for (size_t j = 0; j < T6; j++) {
        vf column[T6];

        for (size_t i = 0; i < T6; i++)
            column[i] = input_at(x, (ptrdiff_t)row, (ptrdiff_t)pixel, i, j, in);
        times_bt(column, half[j]);
    }
    for (size_t i = 0; i < T6; i++) {
        vf across[T6], r[T6];

        for (size_t j = 0; j < T6; j++)
            across[j] = half[j][i];
        times_bt(across, r);
        for (size_t j = 0; j < T6; j++)
            store(v + (i * T6 + j) * step, r[j]);
    }
}

/* The 4x4 results of one tile for VL channels, with bias. */
ALWAYS_INLINE void result_tile(const float *m, size_t step, vf bias, vf y[T4][T4])
{
    vf half[T6][T4]; /* A' m, by column */

    for (size_t j = 0; j < T6; j++) {
        vf column[T6];

        for (size_t i = 0; i < T6; i++)
            column[i] = load(m + (i * T6 + j) * step);
        times_at(column, half[j]);
    }
    for (size_t i = 0; i < T4; i++) {
        vf across[T6];

        for (size_t j = 0; j < T6; j++)
            across[j] = half[j][i];
        times_at(across, y[i]);
        for (size_t j = 0; j < T4; j++)
            y[i][j] += bias;
    }
}

#endif
