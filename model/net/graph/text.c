/* model/net/graph/text.c - a network as text: network_text() of cxrd/network.h, and graph_read(), which writes the same network by
 * the calls that every author has. The form is in docs/weights.md. */
#include "cxrd/json.h"
#include "graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, IMAGE = 0 };

/* ---- writing ---- */

void graph_node_name(const struct network *net, const struct node *l, char ret_name[TENSOR_NAME_BYTES])
{
    const size_t at = l->n_params > 0 ? l->params : l->state;

    ret_name[0] = '\0';
    for (size_t i = 0; i < net->n_tensors && l->n_params + l->n_state > 0; i++)
        if (net->tensors[i].offset == at) {
            snprintf(ret_name, TENSOR_NAME_BYTES, "%s", net->tensors[i].name);
            *strrchr(ret_name, '.') = '\0';
            return;
        }
}

static json_t *whole_numbers(const size_t *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    return list;
}

static void put_window(json_t *object, const struct window *w)
{
    json_object_set_new(object, "kernel", whole_numbers((size_t[]){ w->h, w->w }, 2));
    json_object_set_new(object, "stride", whole_numbers((size_t[]){ w->stride_h, w->stride_w }, 2));
    json_object_set_new(object, "pad", whole_numbers((size_t[]){ w->top, w->left, w->bottom, w->right }, 4));
    json_object_set_new(object, "dilation", whole_numbers((size_t[]){ w->dilation_h, w->dilation_w }, 2));
}

static json_t *node_json(const struct network *net, const struct node *l)
{
    const unsigned takes = l->ops->takes;
    json_t *object =
        json_pack("{s:s,s:o}", "op", l->ops->kind, "from", whole_numbers(l->from, l->ops->n_from));
    char name[TENSOR_NAME_BYTES];

    graph_node_name(net, l, name);
    if (takes & TAKES_NAME)
        json_object_set_new(object, "name", json_string(name));
    if (takes & TAKES_CHANNELS)
        json_object_set_new(object, "channels", json_integer((json_int_t)l->channels));
    if (takes & TAKES_WINDOW)
        put_window(object, &l->window);
    if (takes & TAKES_COUNT)
        json_object_set_new(object, "count_include_pad", json_boolean(l->window.count_include_pad));
    if (takes & TAKES_GROUPS)
        json_object_set_new(object, "groups", json_integer((json_int_t)(l->groups ? l->groups : 1)));
    if (takes & TAKES_BIAS)
        json_object_set_new(object, "bias", json_boolean(l->bias));
    if (takes & TAKES_EPSILON)
        json_object_set_new(object, "epsilon", json_real(l->epsilon));
    if (takes & TAKES_BOUNDS) {
        json_object_set_new(object, "min", json_real(l->low));
        json_object_set_new(object, "max", json_real(l->high));
    }
    if (takes & TAKES_SLOPE)
        json_object_set_new(object, "slope", json_real(l->slope));
    if (takes & TAKES_FIRST)
        json_object_set_new(object, "first", json_integer((json_int_t)l->first));
    return object;
}

char *network_text(const struct network *net)
{
    json_t *nodes, *all;
    char *text;

    json_watch();
    nodes = json_array();
    for (size_t i = 1; i < net->n_nodes; i++)
        json_array_append_new(nodes, node_json(net, &net->nodes[i]));
    all = json_pack("{s:i,s:I,s:o}", "version", VERSION, "channels", (json_int_t)net->nodes[IMAGE].out.c,
                    "nodes", nodes);
    text = json_built(all, JSON_COMPACT);
    json_decref(all);
    return text;
}

/* ---- reading: a stranger's text ---- */

/* A node while it is read. */
struct reading {
    struct graph *g;
    const json_t *object;
    size_t index; /* of the network's nodes */
    size_t known; /* members that were asked for and are there */
};

static const json_t *member(struct reading *r, const char *key)
{
    const json_t *value = json_object_get(r->object, key);

    r->known += value != NULL;
    return value;
}

static void refuse(struct reading *r, const char *key, const char *wanted)
{
    graph_refuse(r->g, "node %zu of the graph: '%s' must be %s", r->index, key, wanted);
}

enum { MOST = 1 << 20 /* beyond every limit of a node's numbers, and no sum of a few overflows */ };

static bool is_whole(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0 && json_integer_value(value) <= MOST;
}

/* n whole numbers, as they are where the member is missing and need not be there. */
static void whole_of(struct reading *r, const char *key, bool needed, size_t n, size_t *ret)
{
    const json_t *list = member(r, key);
    bool ok = json_is_array(list) && json_array_size(list) == n;

    if (!list && !needed)
        return;
    for (size_t i = 0; i < n && ok; i++) {
        ok = is_whole(json_array_get(list, i));
        if (ok)
            ret[i] = (size_t)json_integer_value(json_array_get(list, i));
    }
    if (!ok)
        refuse(r, key,
               n == 1   ? "a list of one whole number"
               : n == 2 ? "a list of two whole numbers"
                        : "a list of four whole numbers");
}

static void size_of(struct reading *r, const char *key, size_t *ret)
{
    const json_t *value = member(r, key);

    if (is_whole(value))
        *ret = (size_t)json_integer_value(value);
    else
        refuse(r, key, "a whole number");
}

static void flag_of(struct reading *r, const char *key, bool *ret)
{
    const json_t *value = member(r, key);

    if (value && !json_is_boolean(value))
        refuse(r, key, "true or false");
    *ret = json_is_true(value);
}

static void number_of(struct reading *r, const char *key, double *ret)
{
    const json_t *value = member(r, key);

    if (json_is_number(value) && fabs(json_number_value(value)) <= 1e30)
        *ret = json_number_value(value);
    else
        refuse(r, key, "a number");
}

static void name_read(struct reading *r, char ret_name[TENSOR_NAME_BYTES])
{
    const json_t *value = member(r, "name");
    const size_t n = json_is_string(value) ? json_string_length(value) : 0;

    ret_name[0] = '\0';
    if (n == 0 || n >= TENSOR_NAME_BYTES || strlen(json_string_value(value)) != n)
        refuse(r, "name", "a name of at most 79 characters");
    else
        snprintf(ret_name, TENSOR_NAME_BYTES, "%s", json_string_value(value));
}

static void window_read(struct reading *r, struct window *ret)
{
    size_t kernel[2] = { 0, 0 }, stride[2] = { 1, 1 }, pad[4] = { 0, 0, 0, 0 }, dilation[2] = { 1, 1 };

    whole_of(r, "kernel", true, 2, kernel);
    whole_of(r, "stride", false, 2, stride);
    whole_of(r, "pad", false, 4, pad);
    whole_of(r, "dilation", false, 2, dilation);
    *ret = (struct window){ .h = kernel[0],
                            .w = kernel[1],
                            .stride_h = stride[0],
                            .stride_w = stride[1],
                            .top = pad[0],
                            .left = pad[1],
                            .bottom = pad[2],
                            .right = pad[3],
                            .dilation_h = dilation[0],
                            .dilation_w = dilation[1] };
}

/* The fields that the kind takes. */
static void choices_read(struct reading *r, struct node *l)
{
    const unsigned takes = l->ops->takes;

    if (takes & TAKES_CHANNELS)
        size_of(r, "channels", &l->channels);
    if (takes & TAKES_WINDOW)
        window_read(r, &l->window);
    if (takes & TAKES_COUNT)
        flag_of(r, "count_include_pad", &l->window.count_include_pad);
    if (takes & TAKES_GROUPS && json_object_get(r->object, "groups"))
        size_of(r, "groups", &l->groups);
    if (takes & TAKES_BIAS)
        flag_of(r, "bias", &l->bias);
    if (takes & TAKES_EPSILON)
        number_of(r, "epsilon", &l->epsilon);
    if (takes & TAKES_BOUNDS) {
        number_of(r, "min", &l->low);
        number_of(r, "max", &l->high);
    }
    if (takes & TAKES_SLOPE)
        number_of(r, "slope", &l->slope);
    if (takes & TAKES_FIRST)
        size_of(r, "first", &l->first);
}

static const struct layer_ops *kind_of(struct reading *r)
{
    const char *op = json_string_value(member(r, "op"));

    for (size_t i = 0; i < N_LAYER_KINDS && op; i++)
        if (strcmp(op, LAYER_KINDS[i]->kind) == 0)
            return LAYER_KINDS[i];
    graph_refuse(r->g, "node %zu of the graph: the op '%.40s' is not known here", r->index, op ? op : "");
    return NULL;
}

/* Earlier nodes. */
static void from_read(struct reading *r, struct node *l)
{
    whole_of(r, "from", true, l->ops->n_from, l->from);
    for (size_t i = 0; i < l->ops->n_from; i++)
        if (l->from[i] >= r->index)
            refuse(r, "from", "of earlier nodes");
}

static void node_read(struct graph *g, const json_t *object)
{
    struct reading r = { .g = g, .object = object, .index = g->net->n_nodes };
    struct node l = { .ops = NULL };
    char name[TENSOR_NAME_BYTES];

    if (!json_is_object(object)) {
        graph_refuse(g, "node %zu of the graph is not an object", r.index);
        return;
    }
    l.ops = kind_of(&r);
    if (!l.ops)
        return;
    from_read(&r, &l);
    if (l.ops->takes & TAKES_NAME)
        name_read(&r, name);
    choices_read(&r, &l);
    if (g->st == ST_OK && r.known != json_object_size(object))
        graph_refuse(g, "node %zu of the graph (%s) has a member that its op does not take", r.index,
                     l.ops->kind);
    graph_add(g, &l, l.ops->takes & TAKES_NAME ? name : NULL);
}

static enum status text_read(const char *text, json_t **ret, struct error *err)
{
    json_error_t why;
    enum status st = ST_LIMIT;
    const size_t n = strnlen(text, GRAPH_MAX_TEXT + 1);

    if (n <= GRAPH_MAX_TEXT)
        st = json_read(text, n, JSON_REJECT_DUPLICATES, ret, &why);
    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st == ST_LIMIT)
        return error_set(err, ST_INVALID, "the graph's text has more than %d bytes", GRAPH_MAX_TEXT);
    return st == ST_OK ? ST_OK : error_set(err, ST_INVALID, "the graph is no JSON: %.100s", why.text);
}

/* The members around the nodes; returns the nodes. */
static const json_t *frame_read(const json_t *all, size_t *ret_channels, struct error *err)
{
    const json_t *version = json_object_get(all, "version"), *channels = json_object_get(all, "channels");
    const json_t *nodes = json_object_get(all, "nodes");

    *ret_channels = is_whole(channels) ? (size_t)json_integer_value(channels) : 0;
    if (!json_is_integer(version) || json_integer_value(version) != VERSION)
        error_set(err, ST_INVALID, "the graph's 'version' is not %d", VERSION);
    else if (*ret_channels != 1 && *ret_channels != MAX_CHANNELS)
        error_set(err, ST_INVALID, "the graph's 'channels' must be 1 or %d", MAX_CHANNELS);
    else if (!json_is_array(nodes) || json_object_size(all) != 3)
        error_set(err, ST_INVALID,
                  "the graph must have 'version', 'channels' and 'nodes', which is a list, and nothing else");
    else
        return nodes;
    return NULL;
}

enum status graph_read(const struct network_spec *spec, const struct network **ret_net, struct error *err)
{
    json_t *all = NULL, *object;
    const json_t *nodes;
    struct graph g;
    size_t channels, i;
    enum status st = text_read(spec->graph, &all, err);

    if (st != ST_OK)
        return st;
    nodes = frame_read(all, &channels, err);
    st = ST_INVALID;
    if (nodes) {
        graph_begin(&g, GRAPH_ARCHITECTURE, spec->image_size, channels, spec->n_labels, err);
        json_array_foreach (nodes, i, object)
            if (g.st == ST_OK)
                node_read(&g, object);
        st = graph_finish(&g, spec->n_inputs, ret_net);
    }
    json_decref(all);
    return st;
}
