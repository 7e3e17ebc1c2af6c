/* model/net/ops/convolution.h - the way back of convolutions: the slope of the input by convolutions of the result's, see struct phase;
 * that of the weights by matrix products, or, a channel for itself, by sums.
 *
 * weights  from op->back on: [C] zeros as a bias, the phases' filters
 * sums     [O] bias, the weights as their kernel leaves them */
#ifndef MODEL_NET_OPS_CONVOLUTION_H
#define MODEL_NET_OPS_CONVOLUTION_H

#include "graph_op.h"

static inline size_t taps_of(const struct op *op) { return op->node->window.h * op->node->window.w; }

/* Behind what forward needs. */
void convolution_back_size(struct op *op, const struct kernels *k);

void convolution_back_prepare(const struct op *op, const struct kernels *k, const float *values,
                              float *ret_weights);

void convolution_backward(const struct op *op, const struct op_io *io, size_t n);
void convolution_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                         size_t task, float *gradients);

#endif
