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

/* Of few pixels threads share the channels, so that each reads its own weights alone: units become panels of results, unless there are
 * too few for all threads to get as many. op->units is what an image has of the kernel's. A step that looks at one channel at a time
 * goes by the pixels that it reads, so that it finds them where it left them. At inference. */
void graph_share_channels(struct op *op, size_t P);

/* Units begin..end-1, of whole images or a part of one, whichever of the two they are. per_result: of w. */
void graph_units(const struct op *op, const struct op_io *io, graph_kernel *kernel, const struct operands *o,
                 size_t per_result, size_t begin, size_t end);

/* The operands on the way back; dx is that of operand k, which somebody asks for, or NULL. */
struct slopes graph_slopes(const struct op *op, const struct op_io *io, size_t k);

/* A normalisation with running statistics, or a scale, as one factor and one sum: y = x * scale + shift, [channels]. shift: of x + bias, NULL: 0. */
void norm_coefficients(const struct node *norm, const float *values, const float *bias, float *ret_scale,
                       float *ret_shift);

/* Its scale of channel c. */
double norm_scale(const struct node *norm, const float *values, size_t c);

#endif
