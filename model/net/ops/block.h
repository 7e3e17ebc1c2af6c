/* model/net/ops/block.h - what the two kinds of block have in common: convolution 3x3 "same" + bias -> ReLU -> max-pool 2. */
#ifndef MODEL_NET_OPS_BLOCK_H
#define MODEL_NET_OPS_BLOCK_H

#include "op.h"

/* The geometry of the convolution `op->node` with `in_c` channels. */
void block_size(struct op *op, size_t in_c, const struct value *values);

static inline size_t block_winners(const struct block *b) { return b->h / 2 * (b->w / 2) * b->out_c; }

/* Where its weights and its bias lie among the network's values. */
static inline size_t block_weights(const struct op *op) { return op->node->params; }
static inline size_t block_bias(const struct op *op)
{
    return op->node->params + op->node->n_params - op->block.out_c;
}

#endif
