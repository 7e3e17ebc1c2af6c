/* model/net/ops/pooling.c - pools.      unit  a row of results; of whole pictures a panel of channels */
#include "graph_op.h"

#include "../layer.h"

#include <stdint.h>

static void pool_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    graph_geometry(op, k, values);
    op->units = op->g.out.h;
    op->most = SIZE_MAX;
}

static void pool_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    if (op->node->ops == &LAYER_MAX_POOL)
        io->kernels->max_pool(&op->g, begin, end, &o, NULL);
    else
        io->kernels->mean_pool(&op->g, begin, end, &o, NULL);
}

static void pool_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const struct slopes s = graph_slopes(op, io, 0);
    slope_kernel *const kernel =
        op->node->ops == &LAYER_MAX_POOL ? io->kernels->max_pool_slope : io->kernels->mean_pool_slope;

    if (s.dx)
        kernel(&op->g, 0, n * op->g.out.h, &s, NULL);
}

static void mean_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    graph_geometry(op, k, values);
    op->g.window = (struct window)WINDOW(op->g.in.h, op->g.in.w, 1, 0, 0);
    op->units = op->g.in.c / k->panel;
    op->most = SIZE_MAX;
}

static void mean_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    io->kernels->global_mean(&op->g, begin, end, &o, NULL);
}

const struct op_kind OP_POOL = {
    "pool", LIE_PANELS, LIE_PANELS, pool_size, .forward = pool_forward, .backward = pool_backward
};
const struct op_kind OP_MEAN = {
    "mean", LIE_PANELS, LIE_PANELS, mean_size, .forward = mean_forward, .backward = pool_backward
};
