/* model/net/arch/cnn4.c - the seed's convolutional network: grey in three channels, four times (convolution 3x3 "same" -> ReLU
 * -> max-pool 2) with 32, 64, 128, 256 channels, and a dense layer over all that is left, unless its head is told otherwise. */
#include "arch.h"

enum { BLOCKS = 4, FIRST_CHANNELS = 32 };

static size_t block_add(struct graph *g, size_t from, size_t i)
{
    const size_t conv = graph_add(g,
                                  &(struct node){ .ops = &LAYER_CONV,
                                                  .from = { from },
                                                  .channels = (size_t)FIRST_CHANNELS << i,
                                                  .window = WINDOW(3, 3, 1, 1, 1),
                                                  .bias = true },
                                  graph_name(g, "conv%zu", i + 1));

    return graph_pool(g, &LAYER_MAX_POOL, graph_apply(g, &LAYER_RELU, conv), 2, 2, 0);
}

void arch_cnn4(struct graph *g)
{
    size_t at = arch_colours(g);

    for (size_t i = 0; i < BLOCKS; i++)
        at = block_add(g, at, i);
    arch_head(g, at, "head");
}
