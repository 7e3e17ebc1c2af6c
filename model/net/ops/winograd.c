/* model/net/ops/winograd.c - a block of many input channels.
 *
 * weights  [O] bias, u [36][C x O], in training also ut [36][O x C]      sums  [O] bias, du as u      unit  a tile
 *          in integers [O] bias, and as int12.h says */
#include "block.h"
#include "int12.h"
#include "tiles.h"

#include <string.h>

static size_t u_size(const struct block *b) { return WINOGRAD_POINTS * b->in_c * b->out_c; }

static const float *ut_of(const struct op *op, const float *weights)
{
    return weights + op->block.out_c + u_size(&op->block);
}

static void winograd_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    struct block *b = &op->block;

    (void)k;
    block_size(op, op->node->in[0].c, values);
    op->units = b->tiles_y * b->tiles_x;
    op->most = TILE_BLOCK;
    op->n_prepares = b->in_c;
    op->n_collects = b->in_c / TILES_COLLECTED;
    op->n_weights = b->out_c + (training ? 2 : 1) * u_size(b);
    op->n_sums = b->out_c + u_size(b);
    op->n_scratch = block_scratch(b);
    op->trained = training;
}

/* A task is an input channel. */
static void winograd_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                             float *ret_weights)
{
    const struct block *b = &op->block;
    float *u = ret_weights + b->out_c;

    if (task == 0)
        memcpy(ret_weights, values + block_bias(op), b->out_c * sizeof(float));
    k->weights_transform(b->in_c, b->out_c, values + block_weights(op), task, task + 1, u,
                         op->trained ? u + u_size(b) : NULL);
}

static void winograd_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    io->kernels->block_forward(&op->block, begin, end, io->x[0], io->weights + op->block.out_c, io->weights,
                               io->y, io->tape, io->scratch);
}

static void winograd_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const size_t tiles = n * op->units;

    for (size_t begin = 0; begin < tiles; begin += TILE_BLOCK)
        io->kernels->block_backward(&op->block, begin,
                                    begin + TILE_BLOCK < tiles ? begin + TILE_BLOCK : tiles, io->x[0],
                                    ut_of(op, io->weights), io->dy, io->tape, io->sums + op->block.out_c,
                                    io->sums, io->dx[0], io->scratch);
}

static void winograd_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                             size_t task, float *gradients)
{
    const struct block *b = &op->block;

    if (task == 0)
        memcpy(gradients + block_bias(op), sum_tree_add(sums, op->sums, b->out_c), b->out_c * sizeof(float));
    tiles_collect(k, b->in_c, b->out_c, sums, op->sums + b->out_c, task, gradients + block_weights(op));
}

const struct op_kind OP_WINOGRAD = {
    "winograd",       LIE_BORDERED,     LIE_PIXELS,        winograd_size,
    winograd_prepare, winograd_forward, winograd_backward, winograd_collect
};

/* ---- in integers ---- */

static void winograd_int12_size(struct op *op, const struct kernels *k, const struct value *values,
                                bool training)
{
    const struct block *b = &op->block;

    winograd_size(op, k, values, training);
    op->n_prepares = 1;
    op->n_weights = b->out_c + int12_floats(b->in_c, b->out_c);
}

static void winograd_int12_prepare(const struct op *op, const struct kernels *k, const float *values,
                                   size_t task, float *ret_weights)
{
    const struct block *b = &op->block;

    (void)task;
    memcpy(ret_weights, values + block_bias(op), b->out_c * sizeof(float));
    int12_prepare(k, b->in_c, b->out_c, values + block_weights(op), NULL, ret_weights + b->out_c);
}

static void winograd_int12_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct block *b = &op->block;
    const struct int12_filters u = int12_filters(io->kernels, b->out_c, io->weights + b->out_c);

    io->kernels->block_forward_int12(b, begin, end, io->x[0], &u, io->weights, io->y, io->scratch);
}

const struct op_kind OP_WINOGRAD_INT12 = {
    "winograd int12",    LIE_BORDERED,           LIE_PIXELS,
    winograd_int12_size, winograd_int12_prepare, winograd_int12_forward
};
