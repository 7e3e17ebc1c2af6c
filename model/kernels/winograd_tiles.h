/* model/kernels/winograd_tiles.h - the transforms of data for F(4x4, 3x3): what blocks and graphs share. */
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

ALWAYS_INLINE bool is_inside(size_t i, size_t j, const struct tile_inside *in)
{
    return !in || (i >= in->rows.begin && i < in->rows.end && j >= in->columns.begin && j < in->columns.end);
}

ALWAYS_INLINE vf input_at(const float *x, ptrdiff_t row, ptrdiff_t pixel, size_t i, size_t j,
                          const struct tile_inside *in)
{
    return is_inside(i, j, in) ? load(x + (ptrdiff_t)i * row + (ptrdiff_t)j * pixel) : (vf){ 0 };
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

/* ---- backward ---- */

ALWAYS_INLINE void times_a(const vf y[T4], vf r[T6]) /* r = A y */
{
    const vf even = y[0] + y[2], odd = y[1] + y[3], even4 = y[0] + 4 * y[2], odd8 = 2 * y[1] + 8 * y[3];

    r[0] = y[0];
    r[1] = even + odd;
    r[2] = even - odd;
    r[3] = even4 + odd8;
    r[4] = even4 - odd8;
    r[5] = y[3];
}

ALWAYS_INLINE void times_b(const vf v[T6], vf r[T6]) /* r = B v */
{
    const vf sum12 = v[1] + v[2], sum34 = v[3] + v[4], diff12 = v[1] - v[2], diff34 = v[3] - v[4];

    r[0] = 4 * v[0];
    r[1] = 4 * (v[5] - diff12) - 2 * diff34;
    r[2] = -5 * v[0] - 4 * sum12 - sum34;
    r[3] = diff12 + 2 * diff34 - 5 * v[5];
    r[4] = v[0] + sum12 + sum34;
    r[5] = v[5];
}

/* D for VL channels of one tile, from its results' gradients. */
ALWAYS_INLINE void slope_tile(vf y[T4][T4], float *d, size_t step)
{
    vf half[T4][T6]; /* A y, by column */

    for (size_t j = 0; j < T4; j++) {
        const vf column[T4] = { y[0][j], y[1][j], y[2][j], y[3][j] };

        times_a(column, half[j]);
    }
    for (size_t i = 0; i < T6; i++) {
        const vf across[T4] = { half[0][i], half[1][i], half[2][i], half[3][i] };
        vf r[T6];

        times_a(across, r);
        for (size_t j = 0; j < T6; j++)
            store(d + (i * T6 + j) * step, r[j]);
    }
}

/* dX = B dV B' for VL channels of one tile, added to dx, which points at the tile's first input as input_tile() has it. */
ALWAYS_INLINE void data_tile(const float *dv, size_t step, size_t row, size_t pixel,
                             const struct tile_inside *in, float *dx)
{
    vf half[T6][T6]; /* B dv, by column */

    for (size_t j = 0; j < T6; j++) {
        vf column[T6];

        for (size_t i = 0; i < T6; i++)
            column[i] = load(dv + (i * T6 + j) * step);
        times_b(column, half[j]);
    }
    for (size_t i = 0; i < T6; i++) {
        vf across[T6], r[T6];

        for (size_t j = 0; j < T6; j++)
            across[j] = half[j][i];
        times_b(across, r);
        for (size_t j = 0; j < T6; j++) {
            float *at = dx + (ptrdiff_t)i * (ptrdiff_t)row + (ptrdiff_t)j * (ptrdiff_t)pixel;

            if (is_inside(i, j, in))
                store(at, load(at) + r[j]);
        }
    }
}

#endif
