/* model/net/ops/pooling.c - pools at inference.      unit  a row of results; of whole pictures a panel of channels */
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

static void mean_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    graph_geometry(op, k, values);
    op->units = op->g.in.c / k->panel;
    op->most = SIZE_MAX;
}

static void mean_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    io->kernels->global_mean(&op->g, begin, end, &o, NULL);
}

const struct op_kind OP_POOL = { "pool", LIE_PANELS, LIE_PANELS, pool_size, .forward = pool_forward };
const struct op_kind OP_MEAN = { "mean", LIE_PANELS, LIE_PANELS, mean_size, .forward = mean_forward };
