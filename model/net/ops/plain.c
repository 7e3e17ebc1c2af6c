/* model/net/ops/plain.c - any node, by the loops of its layer: what has no kernel of its own yet.
 *
 * weights  the node's parameters, its state      sums  its parameters      unit  an image */
#include "op.h"

#include "../layer.h"

#include <string.h>

static void plain_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    const struct node *l = op->node;

    (void)k, (void)values;
    op->units = op->most = 1;
    op->n_weights = l->n_params + l->n_state;
    op->n_prepares = op->n_weights > 0;
    op->n_sums = l->n_params;
    op->n_collects = l->n_params > 0;
    op->n_tape = (l->tape_bytes + 63) / 64 * 64;
    for (size_t i = 0; i < l->ops->n_from && training; i++)
        op->n_scratch += sums_lines(shape_size(l->in[i]));
}

static void plain_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                          float *ret_weights)
{
    const struct node *l = op->node;

    (void)k, (void)task;
    memcpy(ret_weights, values + l->params, l->n_params * sizeof(float));
    memcpy(ret_weights + l->n_params, values + l->state, l->n_state * sizeof(float));
}

/* The memory of image i of the batch. */
static void image_of(const struct op *op, const struct op_io *io, size_t i, const float *x[OP_MAX_INPUTS])
{
    for (size_t k = 0; k < op->node->ops->n_from; k++)
        x[k] = io->x[k] + i * io->x_layout[k]->image;
}

static void plain_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct node *l = op->node;
    const float *x[OP_MAX_INPUTS];

    for (size_t i = begin; i < end; i++) {
        image_of(op, io, i, x);
        l->ops->forward(l, 1, io->weights, io->weights + l->n_params, x, io->y + i * io->y_layout->image,
                        io->tape ? io->tape + i * op->n_tape : NULL);
    }
}

static void add(float *restrict to, const float *restrict from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void plain_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const struct node *l = op->node;
    const float *x[OP_MAX_INPUTS];
    float *dx[OP_MAX_INPUTS] = { NULL }, *at = io->scratch;

    for (size_t k = 0; k < l->ops->n_from; at += sums_lines(shape_size(l->in[k])), k++)
        dx[k] = io->dx[k] ? at : NULL;
    for (size_t i = 0; i < n; i++) {
        image_of(op, io, i, x);
        l->ops->backward(l, 1, io->weights, io->weights + l->n_params, x, io->tape + i * op->n_tape,
                         io->dy + i * io->y_layout->image, dx, io->sums);
        for (size_t k = 0; k < l->ops->n_from; k++)
            if (dx[k])
                add(io->dx[k] + i * io->x_layout[k]->image, dx[k], shape_size(l->in[k]));
    }
}

static void plain_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                          size_t task, float *gradients)
{
    (void)k, (void)task;
    memcpy(gradients + op->node->params, sum_tree_add(sums, op->sums, op->n_sums),
           op->n_sums * sizeof(float));
}

const struct op_kind OP_PLAIN = { "plain",       LIE_PLANES,    LIE_PLANES,     plain_size,
                                  plain_prepare, plain_forward, plain_backward, plain_collect };
