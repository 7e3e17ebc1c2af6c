/* model/net/ops/elementwise.c - steps that look at one pixel at a time; normalisations at inference.      unit  a row; of
 * few pixels, of a sum or a product, a panel of results
 *
 * weights  of a normalisation [C] scale, [C] shift */
#include "graph_op.h"

#include "../layer.h"

#include <stdint.h>

static void element_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    graph_geometry(op, k, values);
    op->units = op->g.out.h;
    op->most = SIZE_MAX;
}

/* A second operand of one number a channel is spread over the picture. */
static void combine_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    const struct shape b = values[op->x[1]].shape;

    element_size(op, k, values, training);
    if (b.h * b.w == 1)
        op->g.b.row = op->g.b.pixel = 0;
    if (!training)
        graph_share_channels(op, k->panel);
}

static void combine_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    graph_kernel *const kernel = op->node->ops == &LAYER_ADD ? io->kernels->add : io->kernels->multiply;

    graph_units(op, io, kernel, &o, 0, begin, end);
}

static void add_backward(const struct op *op, const struct op_io *io, size_t n, size_t k)
{
    const struct slopes s = graph_slopes(op, io, k);
    struct geometry g = op->g;

    if (k == 1)
        g.x = op->g.b;
    io->kernels->add_slope(&g, 0, n * op->units, &s, NULL);
}

static void multiply_backward(const struct op *op, const struct op_io *io, size_t n, size_t k)
{
    struct slopes s = graph_slopes(op, io, k);
    struct geometry g = op->g;

    if (k == 1) {
        s.b = s.x;
        g.x = op->g.b;
        g.b = op->g.x;
    }
    io->kernels->multiply_slope(&g, 0, n * op->units, &s, NULL);
}

static void combine_backward(const struct op *op, const struct op_io *io, size_t n)
{
    for (size_t k = 0; k < op->n_x; k++) {
        if (!io->dx[k])
            continue;
        if (op->node->ops == &LAYER_ADD)
            add_backward(op, io, n, k);
        else
            multiply_backward(op, io, n, k);
    }
}

static void norm_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    element_size(op, k, values, training);
    op->n_weights = 2 * op->g.out.c;
    op->n_prepares = 1;
}

static void norm_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                         float *ret_weights)
{
    (void)k, (void)task;
    norm_coefficients(op->node, values, NULL, ret_weights, ret_weights + op->g.out.c);
}

static void norm_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    struct operands o = graph_operands(op, io);

    o.scale = io->weights;
    o.shift = io->weights + op->g.out.c;
    io->kernels->norm(&op->g, begin, end, &o, NULL);
}

/* dx += dy * scale, by the kernel of products. */
static void scale_backward(const struct op *op, const struct op_io *io, size_t n)
{
    struct slopes s = graph_slopes(op, io, 0);
    struct geometry g = op->g;

    s.b = io->weights;
    g.b = (struct view){ .panel = io->kernels->panel };
    if (s.dx)
        io->kernels->multiply_slope(&g, 0, n * op->units, &s, NULL);
}

static void activate_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    io->kernels->activate(&op->g, begin, end, &o, NULL);
}

static void activate_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const struct slopes s = graph_slopes(op, io, 0);

    if (s.dx)
        io->kernels->activate_slope(&op->g, 0, n * op->units, &s, NULL);
}

const struct op_kind OP_COMBINE = {
    "combine", LIE_PANELS, LIE_PANELS, combine_size, .forward = combine_forward, .backward = combine_backward
};
const struct op_kind OP_NORM = { "norm", LIE_PANELS, LIE_PANELS, norm_size, norm_prepare, norm_forward };
const struct op_kind OP_SCALE = { "scale",      LIE_PANELS,   LIE_PANELS,    norm_size,
                                  norm_prepare, norm_forward, scale_backward };
const struct op_kind OP_ACTIVATE = { "activate",
                                     LIE_PANELS,
                                     LIE_PANELS,
                                     element_size,
                                     .forward = activate_forward,
                                     .backward = activate_backward };
