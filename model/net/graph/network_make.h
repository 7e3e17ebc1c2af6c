/* model/net/graph/network_make.h - the side of a network that only graph.c sees. */
#ifndef MODEL_NET_GRAPH_NETWORK_MAKE_H
#define MODEL_NET_GRAPH_NETWORK_MAKE_H

#include "cxrd/network.h"

/* One without nodes and tensors, one reference; NULL: no memory. */
struct network *network_empty(const char *architecture, size_t image_size);

#endif
