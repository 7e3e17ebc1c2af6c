/* model/net/arch/cut.c - a network up to a layer, pooled, with a head of its own: network_cut() of cxrd/network.h. */
#include "arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAMES_SHOWN = 200,
    MOST_SIDE = LAYER_MAX_WINDOW - 1 /* of a window: 16 x 16 would be a cell too many */
};

const char *const POOLING_NAMES[N_POOLINGS] = { "mean", "max", "mean_and_max" };

/* ---- names ---- */

/* "" of a node without any. */
static void name_of(const struct network *net, size_t node, char ret[TENSOR_NAME_BYTES])
{
    graph_node_name(net, &net->nodes[node], ret);
}

static bool is_within(const char *name, const char *layer)
{
    const size_t n = strlen(layer);

    return strncmp(name, layer, n) == 0 && (name[n] == '\0' || name[n] == '.');
}

/* The first parts of all names but the head's; two parts of each where all begin alike. */
static void list_layers(const struct network *net, int parts, char *text, size_t size)
{
    char name[TENSOR_NAME_BYTES], before[TENSOR_NAME_BYTES] = "";
    size_t n = 0, shown = 0;

    text[0] = '\0';
    for (size_t i = 1; i + 1 < net->n_nodes && n < size; i++) {
        char *dot;

        name_of(net, i, name);
        dot = strchr(name, '.');
        if (dot && parts == 2)
            dot = strchr(dot + 1, '.');
        if (dot)
            *dot = '\0';
        if (!name[0] || strcmp(name, before) == 0)
            continue;
        n += (size_t)snprintf(text + n, size - n, "%s%s", shown++ ? ", " : "", name);
        memcpy(before, name, sizeof before);
    }
    if (shown < 2 && parts == 1)
        list_layers(net, 2, text, size);
}

/* ---- where ---- */

static bool is_end(const struct node *l)
{
    return l->ops == &LAYER_FLATTEN || l->ops == &LAYER_GLOBAL_POOL ||
           (l->ops == &LAYER_MEAN_POOL && l->window.stride_h == l->window.h &&
            l->window.stride_w == l->window.w);
}

/* The value that the head reads, before it is averaged. */
static size_t end_of(const struct network *net)
{
    size_t at = net->nodes[net->n_nodes - 1].from[0];

    while (is_end(&net->nodes[at]))
        at = net->nodes[at].from[0];
    return at;
}

/* Such a node belongs to the layer before it: neither a layer of its own nor a pool, with which the next one begins. */
static bool goes_along(const struct network *net, size_t node)
{
    const struct layer_ops *ops = net->nodes[node].ops;
    char name[TENSOR_NAME_BYTES];

    name_of(net, node, name);
    return !name[0] && ops != &LAYER_MAX_POOL && ops != &LAYER_MEAN_POOL && ops != &LAYER_GLOBAL_POOL &&
           ops != &LAYER_FLATTEN;
}

/* 0: there is no such layer. */
static size_t layer_find(const struct network *net, const char *layer)
{
    char name[TENSOR_NAME_BYTES];
    size_t at = 0;

    for (size_t i = 1; i + 1 < net->n_nodes; i++) {
        name_of(net, i, name);
        at = is_within(name, layer) ? i : at;
    }
    while (at > 0 && at + 2 < net->n_nodes && goes_along(net, at + 1))
        at++;
    return at;
}

/* ---- the new network ---- */

/* Mark what `at` is made of. */
static void mark(const struct network *net, size_t at, bool *needed)
{
    needed[at] = true;
    for (size_t i = at + 1; i-- > 0;)
        for (size_t k = 0; needed[i] && k < net->nodes[i].ops->n_from; k++)
            needed[net->nodes[i].from[k]] = true;
}

/* The nodes that are needed, under their names. Returns where `at` is then. */
static size_t copy_nodes(struct graph *g, const struct network *net, size_t at, const bool *needed,
                         size_t *place)
{
    char name[TENSOR_NAME_BYTES];

    for (size_t i = 1; i <= at; i++) {
        struct node l = net->nodes[i];

        for (size_t k = 0; k < l.ops->n_from; k++)
            l.from[k] = place[l.from[k]];
        name_of(net, i, name);
        if (needed[i])
            place[i] = graph_add(g, &l, name[0] ? name : NULL);
    }
    return place[at];
}

static size_t halve(size_t side) { return (side + 1) / 2; }

/* The largest of each channel: larger planes are halved first, since windows have a limit. */
static size_t pool_max(struct graph *g, size_t at, struct shape s)
{
    while (s.h > MOST_SIDE || s.w > MOST_SIDE) {
        at = graph_pool(g, &LAYER_MAX_POOL, at, 3, 2, 1);
        s = (struct shape){ s.c, halve(s.h), halve(s.w) };
    }
    return graph_add(
        g, &(struct node){ .ops = &LAYER_MAX_POOL, .from = { at }, .window = WINDOW(s.h, s.w, 1, 0, 0) },
        NULL);
}

static size_t pool(struct graph *g, size_t at, struct shape s, enum pooling pooling)
{
    size_t mean, max;

    if (s.h * s.w == 1)
        return at;
    mean = pooling == POOLING_MAX ? 0 : graph_apply(g, &LAYER_GLOBAL_POOL, at);
    max = pooling == POOLING_MEAN ? 0 : pool_max(g, at, s);
    if (pooling == POOLING_MEAN_AND_MAX)
        return graph_join(g, &LAYER_CONCAT, mean, max);
    return mean + max;
}

/* The same architecture with another head, where that is all that was asked for. */
static bool is_named(const struct network *net, size_t at, enum pooling pooling)
{
    const struct shape s = net->nodes[at].out;

    return network_own_head(net->architecture) != HEAD_OWN && at == end_of(net) &&
           (pooling == POOLING_MEAN || s.h * s.w == 1);
}

static enum status cut_named(const struct network *net, size_t at, size_t n_labels, size_t n_inputs,
                             const struct network **ret_net, struct error *err)
{
    const struct shape s = net->nodes[at].out;

    return network_new(&(struct network_spec){ .architecture = net->architecture,
                                               .image_size = net->image_size,
                                               .n_labels = n_labels,
                                               .n_inputs = n_inputs,
                                               .head = s.h * s.w == 1 ? net->head : HEAD_GAP,
                                               .channels = net->channels,
                                               .by_channel = net->nodes[0].out.c > 1 },
                       ret_net, err);
}

static enum status refuse_layer(const struct network *net, const char *layer, struct error *err)
{
    char layers[NAMES_SHOWN];

    if (strcmp(layer, CUT_END) == 0)
        return error_set(err, ST_INVALID, "the model's head reads the picture itself: no layer is before it");
    list_layers(net, 1, layers, sizeof layers);
    return error_set(err, ST_INVALID, "the model has no layer '%.60s': it has \"" CUT_END "\" and %s", layer,
                     layers);
}

enum status network_cut(const struct network *net, const struct cut *cut, size_t n_labels, size_t n_inputs,
                        const struct network **ret_net, struct error *err)
{
    struct graph g;
    bool *needed;
    size_t at, *place;

    if (!network_sees(net))
        return error_set(err, ST_INVALID, "the model sees no picture, and so has no layer");
    at = strcmp(cut->layer, CUT_END) == 0 ? end_of(net) : layer_find(net, cut->layer);
    if (at == 0)
        return refuse_layer(net, cut->layer, err);
    if (is_named(net, at, cut->pooling))
        return cut_named(net, at, n_labels, n_inputs, ret_net, err);
    needed = calloc(net->n_nodes, sizeof *needed);
    place = calloc(net->n_nodes, sizeof *place);
    if (!needed || !place) {
        free(needed);
        free(place);
        return error_nomem(err);
    }
    mark(net, at, needed);
    graph_begin(&g, GRAPH_ARCHITECTURE, net->image_size, net->nodes[0].out.c, n_labels, err);
    if (g.st == ST_OK) {
        at = copy_nodes(&g, net, at, needed, place);
        at = graph_apply(
            &g, &LAYER_FLATTEN,
            pool(&g, at, g.st == ST_OK ? g.net->nodes[at].out : (struct shape){ 1, 1, 1 }, cut->pooling));
        graph_dense(&g, at, "head", n_labels);
    }
    free(needed);
    free(place);
    return graph_finish(&g, n_inputs, ret_net);
}

/* ---- its values ---- */

static bool is_heads(const struct network *net, const struct tensor *t)
{
    return !t->state && t->offset >= net->head_weights;
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

void network_take(const struct network *net, float *values, const struct network *from,
                  const float *from_values)
{
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i], *f = network_tensor(from, t->name);

        if (!is_heads(net, t) && f && same_shape(t, f))
            memcpy(values + t->offset, from_values + f->offset, t->count * sizeof *values);
    }
}
