/* model/net/ops/graph_op.h - what the ops over the kernels of graphs have in common, see ../../kernels/graph.h. */
#ifndef MODEL_NET_OPS_GRAPH_OP_H
#define MODEL_NET_OPS_GRAPH_OP_H

#include "op.h"

/* So many channels in whole panels. */
static inline size_t whole_panels(size_t channels, size_t P) { return (channels + P - 1) / P * P; }

/* Fill in op->g: shapes in whole panels, the window of its node, views of its values. */
void graph_geometry(struct op *op, const struct kernels *k, const struct value *values);

/* The operands that are values. */
struct operands graph_operands(const struct op *op, const struct op_io *io);

/* The same on the way back; dx is that of operand k, which somebody asks for, or NULL. */
struct slopes graph_slopes(const struct op *op, const struct op_io *io, size_t k);

/* What a normalisation with running statistics, or a scale, comes to: y = x * scale + shift, [channels]. shift: of x + bias, NULL: 0. */
void norm_coefficients(const struct node *norm, const float *values, const float *bias, float *ret_scale,
                       float *ret_shift);

/* Its scale of channel c. */
double norm_scale(const struct node *norm, const float *values, size_t c);

#endif
