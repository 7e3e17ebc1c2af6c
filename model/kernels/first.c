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

/* Gradients of one row of pooled cells, one vector of channels. */
ALWAYS_INLINE void row_backward(const struct block *b, const float *x, const float *dy, const uint8_t *won,
                                vf dw[9], vf *dbias)
{
    const size_t O = b->out_c;

    for (size_t px = 0; px < b->w / 2; px++, x += 2, dy += O, won += O) {
        const vi k = __builtin_convertvector(*(const vb *)won, vi);
        const vf slope = load(dy);
        float patch[4][4];

        patch_load(x, b->x_row, patch);
        *dbias += where(k != NO_WINNER, slope);
#pragma GCC unroll 4
        for (int q = 0; q < 4; q++) {
            const vf mine = where(k == q, slope);

#pragma GCC unroll 9
            for (int t = 0; t < 9; t++)
                dw[t] += patch[q / 2 + t / 3][q % 2 + t % 3] * mine;
        }
    }
}

/* A row is summed by itself before it joins the others: two short sums lose fewer digits than a long one. */
void KERNEL(first_backward)(const struct block *b, size_t begin, size_t end, const float *x, const float *dy,
                            const uint8_t *won, float *dw, float *dbias)
{
    const size_t O = b->out_c;

    for (size_t py = begin; py < end; py++)
        for (size_t o = 0; o < O; o += VL) {
            vf sum[9] = { 0 }, bias = { 0 };

            row_backward(b, x + 2 * py * b->x_row, dy + block_y_origin(b) + py * b->y_row + o,
                         won + py * (b->w / 2) * O + o, sum, &bias);
            for (size_t k = 0; k < 9; k++)
                store(dw + k * O + o, load(dw + k * O + o) + sum[k]);
            store(dbias + o, load(dbias + o) + bias);
        }
}
