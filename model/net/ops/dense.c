/* model/net/ops/dense.c - a dense layer before the head: forward by the head's kernel, backward by OpenBLAS.
 *
 * weights  [O in whole HEAD_GROUPs][inputs in whole lines], the rest 0; then the bias
 * sums     the node's parameters
 * unit     a HEAD_GROUP of an image's results; two images in a call read the weights once, and each is the same bits as alone */
#include "op.h"

#include "gemm.h"

#include <stdint.h>
#include <string.h>

/* Inputs whose products are added in float32: so few that the sum keeps its digits. Such sums are added in double. */
enum { STRETCH = 256, IMAGES = 2, PREPARES = 16 };

static size_t inputs(const struct op *op) { return shape_size(op->node->in[0]); }
static size_t row_of(const struct op *op) { return sums_lines(inputs(op)); }
static size_t rows(const struct op *op)
{
    return (op->node->out.c + HEAD_GROUP - 1) / HEAD_GROUP * HEAD_GROUP;
}

static size_t groups(const struct op *op) { return rows(op) / HEAD_GROUP; }

static void dense_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)k, (void)values, (void)training;
    op->units = groups(op);
    op->most = SIZE_MAX;
    op->n_prepares = PREPARES;
    op->n_collects = 1;
    op->n_weights = rows(op) * (row_of(op) + 1);
    op->n_sums = op->node->n_params;
}

static void dense_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                          float *ret_weights)
{
    const float *w = values + op->node->params;
    const size_t I = inputs(op), O = op->node->out.c;
    float *bias = ret_weights + rows(op) * row_of(op);

    (void)k;
    for (size_t o = O * task / PREPARES; o < O * (task + 1) / PREPARES; o++)
        memcpy(ret_weights + o * row_of(op), w + o * I, I * sizeof *w);
    if (op->node->bias && task == 0)
        memcpy(bias, w + O * I, O * sizeof *w);
}

/* sum [n][HEAD_GROUP]: what the weights make of the inputs, a stretch after the other, so that they are read in the order in which they
 * lie. x, w: the images' inputs, the group's rows */
static void group_sum(const struct op *op, const struct op_io *io, size_t n, const float *x, const float *w,
                      double sum[IMAGES * HEAD_GROUP])
{
    const size_t whole = inputs(op) / HEAD_VECTOR * HEAD_VECTOR, row = row_of(op);
    float part[IMAGES * HEAD_GROUP];

    for (size_t at = 0; at < whole; at += STRETCH) {
        const size_t size = whole - at < STRETCH ? whole - at : STRETCH;

        io->kernels->head_sums(n, HEAD_GROUP, size, x + at, w + at, row, part);
        for (size_t i = 0; i < n * HEAD_GROUP; i++)
            sum[i] += (double)part[i];
    }
    for (size_t i = 0; i < n * HEAD_GROUP; i++) /* what lies behind the last input may be anything */
        for (size_t f = whole; f < inputs(op); f++)
            sum[i] += (double)w[i % HEAD_GROUP * row + f] * (double)x[i / HEAD_GROUP * row + f];
}

/* Groups begin..end-1 of n images from `image` on. */
static void groups_forward(const struct op *op, const struct op_io *io, size_t image, size_t n, size_t begin,
                           size_t end)
{
    const size_t row = row_of(op), O = op->node->out.c;
    const float *x = io->x[0] + image * io->x_layout[0]->image, *bias = io->weights + rows(op) * row;

    for (size_t first = begin * HEAD_GROUP; first < end * HEAD_GROUP; first += HEAD_GROUP) {
        double sum[IMAGES * HEAD_GROUP];

        for (size_t i = 0; i < n * HEAD_GROUP; i++)
            sum[i] = (double)bias[first + i % HEAD_GROUP];
        group_sum(op, io, n, x, io->weights + first * row, sum);
        for (size_t i = 0; i < n * HEAD_GROUP; i++)
            if (first + i % HEAD_GROUP < O)
                io->y[(image + i / HEAD_GROUP) * io->y_layout->image + first + i % HEAD_GROUP] =
                    (float)sum[i];
    }
}

static void dense_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const size_t most =
        io->x_layout[0]->image == row_of(op) ? IMAGES : 1; /* the kernel's lie as the weights */
    const size_t all = groups(op);

    for (size_t i = begin, next; i < end; i = next) {
        const size_t images = i % all == 0 ? (end - i) / all : 0, n = images < most ? images : most;

        next = n > 0 ? i + n * all : (i / all + 1) * all;
        next = next < end ? next : end;
        groups_forward(op, io, i / all, n > 0 ? n : 1, i % all, n > 0 ? all : i % all + next - i);
    }
}

static void dense_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const size_t I = inputs(op), O = op->node->out.c, dy_row = io->y_layout->image;
    const size_t x_row = io->x_layout[0]->image;

    gemm_tn(O, I, n, io->dy, dy_row, io->x[0], x_row, io->sums, I);
    if (io->dx[0])
        gemm_nn(n, I, O, io->dy, dy_row, io->weights, row_of(op), io->dx[0], x_row);
    for (size_t i = 0; i < n && op->node->bias; i++)
        for (size_t o = 0; o < O; o++)
            io->sums[O * I + o] += io->dy[i * dy_row + o];
}

static void dense_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                          size_t task, float *gradients)
{
    (void)k, (void)task;
    memcpy(gradients + op->node->params, sum_tree_add(sums, op->sums, op->n_sums),
           op->n_sums * sizeof(float));
}

const struct op_kind OP_DENSE = { "dense",       LIE_PLANES,    LIE_PLANES,     dense_size,
                                  dense_prepare, dense_forward, dense_backward, dense_collect };
