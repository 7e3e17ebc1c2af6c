/* model/kernels/first.c - the first block, directly: one input channel leaves nothing to sum over, so Winograd's
 * matrix products would be outer products, and its transforms would cost more than they save. The nine weights of a
 * channel stay in registers while a row of pooled cells goes by, four results at a time. */
#include "simd.h"

/* The 4x4 inputs that a pooled cell sees. */
ALWAYS_INLINE void patch_load(const float *x, size_t row, float patch[4][4])
{
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            patch[i][j] = x[i * row + j];
}

/* One row of pooled cells, one panel of channels. */
ALWAYS_INLINE void row_forward(const struct block *b, const float *x, const float *w, const float *bias,
                               float *y, uint8_t *won)
{
    const size_t O = b->out_c;
    const vf bias0 = load(bias), bias1 = load(bias + VL);
    vf tap[9][NV];

    for (size_t k = 0; k < 9; k++) {
        tap[k][0] = load(w + k * O);
        tap[k][1] = load(w + k * O + VL);
    }
    for (size_t px = 0; px < b->w / 2; px++, x += 2, y += O) {
        vf r0[4], r1[4];
        float patch[4][4];

        patch_load(x, b->x_row, patch);
#pragma GCC unroll 4
        for (size_t q = 0; q < 4; q++) {
            r0[q] = bias0;
            r1[q] = bias1;
#pragma GCC unroll 9
            for (size_t k = 0; k < 9; k++) {
                r0[q] += patch[q / 2 + k / 3][q % 2 + k % 3] * tap[k][0];
                r1[q] += patch[q / 2 + k / 3][q % 2 + k % 3] * tap[k][1];
            }
        }
        store(y, pool4(r0, won));
        store(y + VL, pool4(r1, won ? won + VL : NULL));
        won = won ? won + O : NULL;
    }
}

void KERNEL(first_forward)(const struct block *b, size_t begin, size_t end, const float *x, const float *w,
                           const float *bias, float *y, uint8_t *won)
{
    const size_t O = b->out_c;

    for (size_t py = begin; py < end; py++)
        for (size_t o = 0; o < O; o += P) {
            const float *row = x + 2 * py * b->x_row;
            float *to = y + block_y_origin(b) + py * b->y_row + o;

            if (won)
                row_forward(b, row, w + o, bias + o, to, won + py * (b->w / 2) * O + o);
            else
                row_forward(b, row, w + o, bias + o, to, NULL);
        }
}

/* For each place of three rows the 2x2 inputs below it: a tap sees one of them, whichever of its cell's results won. */
struct row_tables {
    v4 at[3][FIRST_MAX_SIDE + 1];
};

ALWAYS_INLINE void tables_fill(const struct block *b, const float *x, struct row_tables *ret)
{
    for (size_t i = 0; i < 3; i++, x += b->x_row)
        for (size_t j = 0; j <= b->w; j++)
            ret->at[i][j] = (v4){ x[j], x[j + 1], x[b->x_row + j], x[b->x_row + j + 1] };
}

/* Gradients of one row of pooled cells, one vector of channels. */
ALWAYS_INLINE void row_backward(const struct block *b, const struct row_tables *tables, const float *dy,
                                const uint8_t *won, vf dw[9], vf *dbias)
{
    const size_t O = b->out_c;

    for (size_t px = 0; px < b->w / 2; px++, dy += O, won += O) {
        const vi k = __builtin_convertvector(*(const vb *)won, vi);
        const vf slope = where(k != NO_WINNER, load(dy));

        *dbias += slope;
#pragma GCC unroll 9
        for (size_t t = 0; t < 9; t++)
            dw[t] += look_up(&tables->at[t / 3][2 * px + t % 3], k) * slope;
    }
}

/* A row is summed by itself before it joins the others: two short sums lose fewer digits than a long one. */
void KERNEL(first_backward)(const struct block *b, size_t begin, size_t end, const float *x, const float *dy,
                            const uint8_t *won, float *dw, float *dbias)
{
    const size_t O = b->out_c;
    struct row_tables tables;

    for (size_t py = begin; py < end; py++) {
        tables_fill(b, x + 2 * py * b->x_row, &tables);
        for (size_t o = 0; o < O; o += VL) {
            vf sum[9] = { 0 }, bias = { 0 };

            row_backward(b, &tables, dy + block_y_origin(b) + py * b->y_row + o,
                         won + py * (b->w / 2) * O + o, sum, &bias);
            for (size_t k = 0; k < 9; k++)
                store(dw + k * O + o, load(dw + k * O + o) + sum[k]);
            store(dbias + o, load(dbias + o) + bias);
        }
    }
}
