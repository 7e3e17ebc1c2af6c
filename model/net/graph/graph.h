/* model/net/graph/graph.h - a network while its author writes it: nodes are added one after the other, each reads earlier ones.
 *
 * After the first failure every call does nothing, and graph_finish() tells of it; so an author is a list of calls. */
#ifndef MODEL_NET_GRAPH_GRAPH_H
#define MODEL_NET_GRAPH_GRAPH_H

#include "../layer.h"

struct graph {
    struct network *net;
    size_t room_nodes, room_tensors; /* allocated */
    char name[TENSOR_NAME_BYTES];
    double products; /* of a picture, so far */
    enum status st;
    struct error *err;
};

/* A graph of one node, the image [channels][image_size][image_size], 1 or MAX_CHANNELS channels; of none where image_size is 0, at
 * most LAYER_MAX_SIDE. `architecture` must outlive the network; n_labels is what its head is to give, 1..MAX_LABELS. */
void graph_begin(struct graph *g, const char *architecture, size_t image_size, size_t channels,
                 size_t n_labels, struct error *err);

/* Add a node, of which the author's part is filled in; its tensors are called "<name>.<suffix>". Returns its index, or 0.
 *   name  NULL: it has no tensors. */
size_t graph_add(struct graph *g, const struct node *node, const char *name);

/* Arguments of graph_add() for the kinds that are used most. Convolutions are "same" but for their stride: pad is half the
 * kernel. */
size_t graph_conv(struct graph *g, size_t from, const char *name, size_t channels, size_t kernel,
                  size_t stride, size_t groups);
size_t graph_norm(struct graph *g, size_t from, const char *name); /* epsilon 1e-5, as PyTorch's */
size_t graph_dense(struct graph *g, size_t from, const char *name, size_t channels);
size_t graph_pool(struct graph *g, const struct layer_ops *ops, size_t from, size_t side, size_t stride,
                  size_t pad);
size_t graph_apply(struct graph *g, const struct layer_ops *ops, size_t from); /* kinds without a choice */
size_t graph_join(struct graph *g, const struct layer_ops *ops, size_t a, size_t b);

/* Format a name; valid until the next call. One that does not fit is a failure of the graph. */
const char *graph_name(struct graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A failure that the author found. */
void graph_refuse(struct graph *g, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Close it: the head, the last node, must be a dense layer that gives the logits; where there is no node it is a bias alone.
 *   n_inputs  see network_new()
 * Errors: ST_INVALID (the sentence names the node), ST_NOMEM. The graph is gone either way. */
MUST_USE enum status graph_finish(struct graph *g, size_t n_inputs, const struct network **ret_net);

/* The name of a node's tensors, less their suffix; "" of one without any. */
void graph_node_name(const struct network *net, const struct node *l, char ret_name[TENSOR_NAME_BYTES]);

/* network_new() of GRAPH_ARCHITECTURE. */
MUST_USE enum status graph_read(const struct network_spec *spec, const struct network **ret_net,
                                struct error *err);

#endif
