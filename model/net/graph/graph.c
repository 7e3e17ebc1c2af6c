/* model/net/graph/graph.c - see graph.h. */
#include "graph.h"

#include "cxrd/labels.h"
#include "network_make.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_RESULT = 1 << 28, /* floats that a node gives of a picture: 1 GiB */
    FIRST_ROOM = 32,
};

/* Products of a picture: VGG-16 at 1,024 pixels has 3.2e11. A model that is put on the server is tried, which must not take minutes. */
#define MAX_PRODUCTS 4e11

void graph_refuse(struct graph *g, const char *format, ...)
{
    char text[200];
    va_list args;

    if (g->st != ST_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    g->st = error_set(g->err, ST_INVALID, "%s", text);
}

void graph_begin(struct graph *g, const char *architecture, size_t image_size, size_t channels,
                 size_t n_labels, struct error *err)
{
    const struct node image = { .ops = &LAYER_IMAGE, .out = { channels, image_size, image_size } };

    assert(image_size <= LAYER_MAX_SIDE && n_labels >= 1 && n_labels <= MAX_LABELS);
    assert(channels == 1 || channels == MAX_CHANNELS);
    *g = (struct graph){ .net = network_empty(architecture, image_size), .err = err };
    if (!g->net) {
        g->st = error_nomem(err);
        return;
    }
    g->net->n_labels = n_labels;
    g->net->channels = channels;
    if (image_size > 0)
        graph_add(g, &image, NULL);
}

const char *graph_name(struct graph *g, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(g->name, sizeof g->name, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof g->name)
        graph_refuse(g, "the name '%.40s...' is too long", g->name);
    return g->name;
}

/* Room for one more in an array of `n`, which doubles. False: no memory, and *array is as it was. */
static bool grow(void **array, size_t n, size_t *room, size_t size)
{
    const size_t wanted = *room ? 2 * *room : FIRST_ROOM;
    void *more;

    if (n < *room)
        return true;
    more = reallocarray(*array, wanted, size);
    if (!more)
        return false;
    *array = more;
    *room = wanted;
    return true;
}

static bool tensors_grow(struct graph *g)
{
    void *tensors = g->net->tensors;
    const bool ok = grow(&tensors, g->net->n_tensors, &g->room_tensors, sizeof *g->net->tensors);

    g->net->tensors = tensors;
    return ok;
}

static bool nodes_grow(struct graph *g)
{
    void *nodes = g->net->nodes;
    const bool ok = grow(&nodes, g->net->n_nodes, &g->room_nodes, sizeof *g->net->nodes);

    g->net->nodes = nodes;
    return ok;
}

static void tensor_add(struct graph *g, const char *name, const struct described *d)
{
    struct network *net = g->net;
    struct tensor t = d->tensor;
    const int n = snprintf(t.name, sizeof t.name, "%s.%s", name, d->suffix);

    if (n < 0 || (size_t)n >= sizeof t.name)
        graph_refuse(g, "the name '%.40s...' is too long", name);
    for (const char *c = t.name; *c; c++)
        if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
            graph_refuse(g, "node %zu: its name has a character that no name may have", net->n_nodes);
    if (network_tensor(net, t.name))
        graph_refuse(g, "there are two tensors of the name '%s'", t.name);
    if (net->n_tensors == NETWORK_MAX_TENSORS)
        graph_refuse(g, "the network has more than %d tensors", NETWORK_MAX_TENSORS);
    t.count = 1;
    for (size_t i = 0; i < t.rank; i++)
        t.count *= t.dims[i]; /* of sizes within layer.h's limits: 56 bits at most */
    if (t.count > NETWORK_MAX_VALUES - net->n_params - net->n_state)
        graph_refuse(g, "the tensor '%s' makes the network larger than %d values", t.name,
                     NETWORK_MAX_VALUES);
    if (g->st == ST_OK && !tensors_grow(g))
        g->st = error_nomem(g->err);
    if (g->st != ST_OK)
        return;
    t.offset = t.state ? net->n_state : net->n_params; /* the state moves behind the parameters at the end */
    *(t.state ? &net->n_state : &net->n_params) += t.count;
    net->tensors[net->n_tensors++] = t;
}

/* A node's cost, as its kernel does it: groups are written out. */
static double products_of(const struct node *l)
{
    const double out = (double)shape_size(l->out);

    if (l->ops == &LAYER_DENSE)
        return out * (double)shape_size(l->in[0]);
    if (!(l->ops->takes & TAKES_WINDOW))
        return out;
    if (l->ops != &LAYER_CONV || l->groups == l->in[0].c)
        return out * (double)(l->window.h * l->window.w);
    return out * (double)(l->window.h * l->window.w) * (double)l->in[0].c;
}

/* Its shape, and its tensors. */
static void work_out(struct graph *g, struct node *l, const char *name)
{
    struct described described[LAYER_MAX_TENSORS];
    size_t n = 0;
    const char *wrong = NULL;

    for (size_t i = 0; i < l->ops->n_from; i++) {
        assert(l->from[i] < g->net->n_nodes);
        l->in[i] = g->net->nodes[l->from[i]].out;
    }
    if (l->ops->n_from > 0)
        wrong = l->ops->shape(l, described, &n);
    if (!wrong && shape_size(l->out) > MAX_RESULT)
        wrong = "the result is too large";
    if (!wrong && (g->products += products_of(l)) > MAX_PRODUCTS)
        wrong = "a picture is too much work for the network";
    if (wrong)
        graph_refuse(g, "node %zu (%s%s%s): %s", g->net->n_nodes, l->ops->kind, name ? " " : "",
                     name ? name : "", wrong);
    l->params = g->net->n_params;
    l->state = g->net->n_state;
    for (size_t i = 0; i < n && g->st == ST_OK; i++)
        tensor_add(g, name, &described[i]);
    l->n_params = g->net->n_params - l->params;
    l->n_state = g->net->n_state - l->state;
}

/* The fields that the node's kind takes, the rest wiped: nodes that do the same are alike. */
static struct node taken(const struct node *node)
{
    const unsigned takes = node->ops->takes;
    struct node l = { .ops = node->ops, .out = node->out };

    memcpy(l.from, node->from, node->ops->n_from * sizeof l.from[0]);
    if (takes & TAKES_CHANNELS)
        l.channels = node->channels;
    if (takes & TAKES_WINDOW)
        l.window = node->window;
    if (!(takes & TAKES_COUNT))
        l.window.count_include_pad = false;
    if (takes & TAKES_GROUPS)
        l.groups = node->groups ? node->groups : 1;
    if (takes & TAKES_BIAS)
        l.bias = node->bias;
    if (takes & TAKES_EPSILON)
        l.epsilon = node->epsilon;
    if (takes & TAKES_BOUNDS) {
        l.low = node->low;
        l.high = node->high;
    }
    if (takes & TAKES_SLOPE)
        l.slope = node->slope;
    if (takes & TAKES_FIRST)
        l.first = node->first;
    return l;
}

size_t graph_add(struct graph *g, const struct node *node, const char *name)
{
    struct node l = taken(node);

    if (g->st != ST_OK)
        return 0;
    if (g->net->n_nodes == NETWORK_MAX_NODES)
        graph_refuse(g, "the network has more than %d nodes", NETWORK_MAX_NODES);
    else
        work_out(g, &l, name);
    if (g->st == ST_OK && !nodes_grow(g))
        g->st = error_nomem(g->err);
    if (g->st != ST_OK)
        return 0;
    g->net->nodes[g->net->n_nodes] = l;
    return g->net->n_nodes++;
}

size_t graph_conv(struct graph *g, size_t from, const char *name, size_t channels, size_t kernel,
                  size_t stride, size_t groups)
{
    return graph_add(g,
                     &(struct node){ .ops = &LAYER_CONV,
                                     .from = { from },
                                     .channels = channels,
                                     .window = WINDOW(kernel, kernel, stride, kernel / 2, kernel / 2),
                                     .groups = groups },
                     name);
}

size_t graph_norm(struct graph *g, size_t from, const char *name)
{
    return graph_add(g, &(struct node){ .ops = &LAYER_NORM, .from = { from }, .epsilon = 1e-5 }, name);
}

size_t graph_dense(struct graph *g, size_t from, const char *name, size_t channels)
{
    return graph_add(
        g, &(struct node){ .ops = &LAYER_DENSE, .from = { from }, .channels = channels, .bias = true }, name);
}

size_t graph_pool(struct graph *g, const struct layer_ops *ops, size_t from, size_t side, size_t stride,
                  size_t pad)
{
    return graph_add(
        g, &(struct node){ .ops = ops, .from = { from }, .window = WINDOW(side, side, stride, pad, pad) },
        NULL);
}

size_t graph_apply(struct graph *g, const struct layer_ops *ops, size_t from)
{
    return graph_add(g, &(struct node){ .ops = ops, .from = { from } }, NULL);
}

size_t graph_join(struct graph *g, const struct layer_ops *ops, size_t a, size_t b)
{
    return graph_add(g, &(struct node){ .ops = ops, .from = { a, b } }, NULL);
}

/* ---- the end of it ---- */

static void head_check(struct graph *g)
{
    const struct node *last = &g->net->nodes[g->net->n_nodes - 1];

    if (last->ops != &LAYER_DENSE || last->channels != g->net->n_labels || !last->bias)
        graph_refuse(g, "the last node must be a dense layer with a bias that gives %zu logits",
                     g->net->n_labels);
}

static void inputs_add(struct graph *g, size_t n)
{
    const struct described inputs = { "weight", { .rank = 2, .dims = { g->net->n_labels, n } } };

    assert(n <= NETWORK_MAX_INPUTS);
    g->net->n_inputs = n;
    g->net->head_inputs = g->net->n_params;
    if (n > 0)
        tensor_add(g, "head.inputs", &inputs);
}

/* The last node; a bias alone in a network without nodes. */
static void head_add(struct graph *g)
{
    struct network *net = g->net;
    const struct described bias = { "bias", { .rank = 1, .dims = { net->n_labels } } };

    if (net->n_nodes == 0) {
        tensor_add(g, "head", &bias);
        return;
    }
    head_check(g);
    net->head_weights = net->nodes[net->n_nodes - 1].params;
    net->head_bias = net->head_weights + net->nodes[net->n_nodes - 1].n_params - net->n_labels;
}

static void state_behind(struct network *net)
{
    for (size_t i = 0; i < net->n_tensors; i++)
        net->tensors[i].offset += net->tensors[i].state ? net->n_params : 0;
    for (size_t i = 0; i < net->n_nodes; i++)
        net->nodes[i].state += net->n_params;
}

enum status graph_finish(struct graph *g, size_t n_inputs, const struct network **ret_net)
{
    if (g->st == ST_OK)
        head_add(g);
    if (g->st == ST_OK)
        inputs_add(g, n_inputs);
    if (g->st == ST_OK) {
        state_behind(g->net);
        *ret_net = g->net;
        g->net = NULL;
    }
    network_unref(g->net);
    g->net = NULL;
    return g->st;
}
