/* model/net/arch/mlp.c - the seed's densely connected network: the mean of the image over a grid of 64 x 64 cells, a dense layer
 * of 512 with ReLU, and the head. */
#include "arch.h"

enum { SIDE = 64, HIDDEN = 512 };

void arch_mlp(struct graph *g)
{
    const size_t cell = g->net->image_size / SIDE;
    size_t at = IMAGE;

    if (cell > 1)
        at = graph_pool(g, &LAYER_MEAN_POOL, at, cell, cell, 0);
    at = graph_apply(g, &LAYER_RELU, graph_dense(g, at, "hidden", HIDDEN));
    graph_dense(g, at, "head", g->net->n_labels);
}
