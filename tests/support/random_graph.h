/* tests/support/random_graph.h - networks that nobody would draw, for properties that every one of them must have. */
#ifndef TESTS_SUPPORT_RANDOM_GRAPH_H
#define TESTS_SUPPORT_RANDOM_GRAPH_H

#include "model/net/graph/graph.h"

enum { RANDOM_GRAPH_NODES = 30 };

/* The other choices that are drawn. */
enum {
    RANDOM_BLOCKS = 1, /* pieces that kernels do in one pass */
    RANDOM_INPUTS = 2, /* numbers beside the image, of every other graph */
};

/* A graph of `seed` over an image of side x side: `wanted` nodes, 2..RANDOM_GRAPH_NODES, a few more at the end of a block, and the
 * head. With fewer nodes it is the beginning of the same graph, so that a failure can be made small. */
const struct network *random_graph(uint64_t seed, size_t wanted, size_t side, int what);

/* How many nodes a seed has by default, and how many pixels a side. */
size_t random_graph_nodes(uint64_t seed);
size_t random_graph_side(uint64_t seed);

/* Values for it [n_params + n_state], to be freed: no bias is 0, which would put whole planes on the kink of a ReLU; running
 * statistics are those of nobody's data. */
float *random_graph_values(const struct network *net, uint64_t seed);

#endif
