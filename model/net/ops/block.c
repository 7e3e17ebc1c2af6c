/* model/net/ops/block.c - see block.h. */
#include "block.h"

#include <assert.h>

void block_size(struct op *op, size_t in_c, const struct value *values)
{
    const struct node *conv = op->node;
    const struct value *y = &values[op->y];
    const struct layout x = layout_bordered((struct shape){ in_c, conv->in[0].h, conv->in[0].w });

    assert(y->layout.group == conv->out.c);
    op->block = (struct block){ .h = conv->in[0].h,
                                .w = conv->in[0].w,
                                .in_c = in_c,
                                .out_c = conv->out.c,
                                .tiles_y = (conv->in[0].h + WINOGRAD_TILE - 1) / WINOGRAD_TILE,
                                .tiles_x = (conv->in[0].w + WINOGRAD_TILE - 1) / WINOGRAD_TILE,
                                .x_row = x.row,
                                .x_size = x.image,
                                .y_row = y->layout.row,
                                .y_size = y->layout.image,
                                .y_border = y->layout.origin > 0 };
    op->n_tape = block_winners(&op->block);
}
