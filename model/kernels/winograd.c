/* model/kernels/winograd.c - F(4x4, 3x3), forward and backward, with bias, ReLU and max-pool in the transforms.
 *
 * Forward:  U = G w G',  V = B' x B,  M[p] = V[p] U[p] for each of the 36 points p,  Y = A' M A.
 * Backward: D = A dY A' serves both gradients:  dU[p] += V[p]' D[p],  dV[p] = D[p] U[p]',  dX = B dV B', added over
 * the overlapping tiles;  dw = G' dU G.  V is made again rather than kept: a tenth of the step's time for a third
 * of its memory. The matrices for the points 0, 1, -1, 2, -2 and infinity are those of Lavin & Gray (arXiv:1509.09308). A tile has 4 x 4
 * results and reads 6 x 6 inputs: 36 products for 16 results, where a plain convolution has 144. Why not larger tiles:
 * docs/internals/decisions.md.
 *
 * Layouts, all float32: a matrix for each of the points 6 * row + column, in panels of P = struct kernels' `panel`.
 *   w    [O][C][3][3]             as the weights file has them
 *   u    [36][O / P][C][P]        U, as the products read it
 *   ut   [36][C / P][O][P]        its transpose, for the way back; in training only
 *   V    [36][C / P][tiles][P]    of at most TILE_BLOCK tiles, in scratch memory; matrix_step() from one point to the next
 *   M    [36][O / P][tiles][P]    likewise; Y is written from it with bias, ReLU and pool, so no result lies in memory unpooled
 * Sums of dU lie as u does, and come back into w's order once a batch (winograd_collect() in ops/winograd.c). None of this is in a file:
 * weights and checkpoints have w, so a layout may change without a version. */
#include "int12.h"
#include "winograd_filters.h"

#include <string.h>

/* Where a tile of a batch lies. */
struct place {
    size_t image, y, x; /* first result row and column */
};

ALWAYS_INLINE struct place place_of(const struct block *b, size_t tile)
{
    const size_t per_image = b->tiles_y * b->tiles_x, in_image = tile % per_image;

    return (struct place){ tile / per_image, in_image / b->tiles_x * T4, in_image % b->tiles_x * T4 };
}

ALWAYS_INLINE void times_gt(const vf u[T6], vf r[3]) /* r = G' u */
{
    const vf sum12 = (u[1] + u[2]) * (-1.0f / 6), sum34 = u[3] + u[4];

    r[0] = u[0] * 0.25f + sum12 + sum34 * (1.0f / 24);
    r[1] = (u[2] - u[1]) * (1.0f / 6) + (u[3] - u[4]) * (1.0f / 12);
    r[2] = sum12 + sum34 * (1.0f / 6) + u[5];
}

/* ---- weights ---- */

void KERNEL(weights_transform)(size_t C, size_t O, const float *w, size_t begin, size_t end, float *u,
                               float *ut)
{
    vf g[9], points[WINOGRAD_POINTS];

    for (size_t c = begin; c < end; c++)
        for (size_t o = 0; o < O; o += VL) {
            gather_filters(w + (o * C + c) * 9, C * 9, g);
            filter_transform(g, points);
            for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
                store(u + p * C * O + panel_at(o / P, C, c) + o % P, points[p]);
                for (size_t lane = 0; ut && lane < VL; lane++)
                    ut[p * C * O + panel_at(c / P, O, o + lane) + c % P] = points[p][lane];
            }
        }
}

/* A column of the taps of VL filters: dw points at the first filter's, `step` is from one filter to the next. */
ALWAYS_INLINE void scatter_column(const vf taps[3], float *dw, size_t step)
{
    for (size_t i = 0; i < 3; i++)
        for (size_t lane = 0; lane < VL; lane++)
            dw[lane * step + i * 3] = taps[i][lane];
}

void KERNEL(gradient_transform)(size_t C, size_t O, const float *du, size_t begin, size_t end, float *dw)
{
    for (size_t c = begin; c < end; c++)
        for (size_t o = 0; o < O; o += VL) {
            vf half[T6][3];

            for (size_t i = 0; i < T6; i++) {
                vf row[T6];

                for (size_t j = 0; j < T6; j++)
                    row[j] = load(du + (i * T6 + j) * C * O + panel_at(o / P, C, c) + o % P);
                times_gt(row, half[i]);
            }
            for (size_t j = 0; j < 3; j++) {
                vf column[T6], taps[3];

                for (size_t i = 0; i < T6; i++)
                    column[i] = half[i][j];
                times_gt(column, taps);
                scatter_column(taps, dw + (o * C + c) * 9 + j, C * 9);
            }
        }
}

/* ---- data ---- */

static void input_transform(const struct block *b, size_t begin, size_t end, const float *x, float *v)
{
    const size_t C = b->in_c, T = end - begin, step = matrix_step(T, C);

    for (size_t t = 0; t < T; t++) {
        const struct place at = place_of(b, begin + t);
        const float *tile = x + at.image * b->x_size + at.y * b->x_row + at.x * C;

        for (size_t c = 0; c < C; c += VL)
            input_tile(tile + c, b->x_row, C, NULL, v + panel_at(c / P, T, t) + c % P, step);
    }
}

static void output_transform(const struct block *b, size_t begin, size_t end, const float *m,
                             const float *bias, float *y, uint8_t *won)
{
    const size_t O = b->out_c, T = end - begin, step = matrix_step(T, O);
    const size_t pooled_w = b->w / 2, pooled_size = b->h / 2 * pooled_w * O;

    for (size_t t = 0; t < T; t++) {
        const struct place at = place_of(b, begin + t);
        float *image = y + at.image * b->y_size + block_y_origin(b);

        for (size_t o = 0; o < O; o += VL) {
            vf r[T4][T4];

            result_tile(m + panel_at(o / P, T, t) + o % P, step, load(bias + o), r);
            for (size_t i = 0; i < T4 && at.y + i < b->h; i += 2)
                for (size_t j = 0; j < T4 && at.x + j < b->w; j += 2) {
                    const vf q[4] = { r[i][j], r[i][j + 1], r[i + 1][j], r[i + 1][j + 1] };
                    const size_t py = (at.y + i) / 2, px = (at.x + j) / 2;
                    uint8_t *w = won ? won + at.image * pooled_size + (py * pooled_w + px) * O + o : NULL;

                    store(image + py * b->y_row + px * O + o, pool4(q, w));
                }
        }
    }
}

void KERNEL(block_forward)(const struct block *b, size_t begin, size_t end, const float *x, const float *u,
                           const float *bias, float *y, uint8_t *won, float *scratch)
{
    const size_t C = b->in_c, O = b->out_c, T = end - begin;
    float *v = scratch, *m = scratch + WINOGRAD_POINTS * matrix_step(T, C);

    input_transform(b, begin, end, x, v);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        KERNEL(gemm_nn)(T, C, O, v + p * matrix_step(T, C), u + p * C * O, m + p * matrix_step(T, O));
    output_transform(b, begin, end, m, bias, y, won);
}

static void input_round(const struct block *b, size_t begin, size_t end, const float *x,
                        const struct int12_scratch *s)
{
    const size_t C = b->in_c, T = end - begin;

    for (size_t t = 0; t < T; t++) {
        const struct place at = place_of(b, begin + t);
        const float *tile = x + at.image * b->x_size + at.y * b->x_row + at.x * C;

        for (size_t c = 0; c < C; c += VL)
            input_tile(tile + c, b->x_row, C, NULL, s->tile + c, matrix_step(1, C));
        tile_round(s, T, C, t);
    }
}

void KERNEL(block_forward_int12)(const struct block *b, size_t begin, size_t end, const float *x,
                                 const struct int12_filters *u, const float *bias, float *y, float *scratch)
{
    const size_t C = b->in_c, O = b->out_c, T = end - begin;
    const struct int12_scratch s = int12_scratch(scratch, T, C, O);

    input_round(b, begin, end, x, &s);
    int12_multiply(&s, T, C, O, u);
    output_transform(b, begin, end, s.m, bias, y, NULL);
}

/* ---- backward ---- */

/* Pooled gradients go to the cell that won; the bias gets all that went anywhere. */
static void slope_transform(const struct block *b, size_t begin, size_t end, const float *dy,
                            const uint8_t *won, float *d, float *dbias)
{
    const size_t O = b->out_c, T = end - begin, step = matrix_step(T, O);
    const size_t pooled_w = b->w / 2, pooled_size = b->h / 2 * pooled_w * O;

    for (size_t t = 0; t < T; t++) {
        const struct place at = place_of(b, begin + t);
        const float *image = dy + at.image * b->y_size + block_y_origin(b);

        for (size_t o = 0; o < O; o += VL) {
            vf y[T4][T4], sum = load(dbias + o);

            memset(y, 0, sizeof y);
            for (size_t i = 0; i < T4 && at.y + i < b->h; i += 2)
                for (size_t j = 0; j < T4 && at.x + j < b->w; j += 2) {
                    const size_t py = (at.y + i) / 2, px = (at.x + j) / 2;
                    const vf slope = load(image + py * b->y_row + px * O + o);
                    const vb bytes =
                        *(const vb *)(won + at.image * pooled_size + (py * pooled_w + px) * O + o);
                    const vi k = __builtin_convertvector(bytes, vi);

                    y[i][j] = where(k == 0, slope);
                    y[i][j + 1] = where(k == 1, slope);
                    y[i + 1][j] = where(k == 2, slope);
                    y[i + 1][j + 1] = where(k == 3, slope);
                    sum += where(k != NO_WINNER, slope);
                }
            store(dbias + o, sum);
            slope_tile(y, d + panel_at(o / P, T, t) + o % P, step);
        }
    }
}

static void data_transform(const struct block *b, size_t begin, size_t end, const float *dv, float *dx)
{
    const size_t C = b->in_c, T = end - begin, step = matrix_step(T, C);

    for (size_t t = 0; t < T; t++) {
        const struct place at = place_of(b, begin + t);
        float *tile = dx + at.image * b->x_size + at.y * b->x_row + at.x * C;

        for (size_t c = 0; c < C; c += VL)
            data_tile(dv + panel_at(c / P, T, t) + c % P, step, b->x_row, C, NULL, tile + c);
    }
}

void KERNEL(block_backward)(const struct block *b, size_t begin, size_t end, const float *x, const float *ut,
                            const float *dy, const uint8_t *won, float *du, float *dbias, float *dx,
                            float *scratch)
{
    const size_t C = b->in_c, O = b->out_c, T = end - begin;
    const size_t v_step = matrix_step(T, C), d_step = matrix_step(T, O);
    float *v = scratch, *d = v + WINOGRAD_POINTS * v_step;

    input_transform(b, begin, end, x, v);
    slope_transform(b, begin, end, dy, won, d, dbias);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
        KERNEL(gemm_tn)(T, C, O, v + p * v_step, d + p * d_step, du + p * C * O);
        KERNEL(gemm_nn)
        (T, O, C, d + p * d_step, ut + p * C * O, v + p * v_step); /* V is done with: dV takes its place */
    }
    data_transform(b, begin, end, v, dx);
}
