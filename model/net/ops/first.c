/* model/net/ops/first.c - the first block: one input channel. The network's equal input channels are folded into it, since they
 * see the same values: their weights add up, and their gradients are equal.
 *
 * weights  [9][O] taps, [O] bias      sums  the same      unit  a row of pooled cells */
#include "block.h"

#include <string.h>

static void first_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)k, (void)training;
    block_size(op, 1, values);
    op->units = op->most = op->block.h / 2;
    op->n_prepares = op->n_collects = 1;
    op->n_weights = op->n_sums = (size_t)10 * op->block.out_c;
}

/* w [O][folded][3][3] -> [9][O] */
static void first_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                          float *ret_weights)
{
    const size_t O = op->block.out_c;
    const float *w = values + block_weights(op);

    (void)k, (void)task;
    for (size_t o = 0; o < O; o++)
        for (size_t tap = 0; tap < 9; tap++) {
            float sum = 0;

            for (size_t c = 0; c < op->folded; c++)
                sum += w[(o * op->folded + c) * 9 + tap];
            ret_weights[tap * O + o] = sum;
        }
    memcpy(ret_weights + 9 * O, values + block_bias(op), O * sizeof(float));
}

static void first_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct block *b = &op->block;
    const size_t image = begin / op->units, row = image * op->units;

    io->kernels->first_forward(b, begin - row, end - row, io->x[0] + image * b->x_size, io->weights,
                               io->weights + 9 * b->out_c, io->y + image * b->y_size,
                               io->tape ? io->tape + image * op->n_tape : NULL);
}

static void first_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const struct block *b = &op->block;

    for (size_t i = 0; i < n; i++)
        io->kernels->first_backward(b, 0, b->h / 2, io->x[0] + i * b->x_size, io->dy + i * b->y_size,
                                    io->tape + i * op->n_tape, io->sums, io->sums + 9 * b->out_c);
}

/* [9][O] -> [O][folded][3][3] */
static void first_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                          size_t task, float *gradients)
{
    const size_t O = op->block.out_c;
    const float *sum = sum_tree_add(sums, op->sums, op->n_sums);
    float *dw = gradients + block_weights(op);

    (void)k, (void)task;
    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < op->folded; c++)
            for (size_t tap = 0; tap < 9; tap++)
                dw[(o * op->folded + c) * 9 + tap] = sum[tap * O + o];
    memcpy(gradients + block_bias(op), sum + 9 * O, O * sizeof(float));
}

const struct op_kind OP_FIRST = { "first",       LIE_BORDERED,  LIE_PIXELS,     first_size,
                                  first_prepare, first_forward, first_backward, first_collect };
