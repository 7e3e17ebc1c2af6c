/* model/onnx/build.c - the walk over a graph's nodes, see reader.h. */
#include "reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a node is called in sentences: its name, or that of what it gives. */
static const char *node_name(const Onnx__NodeProto *node)
{
    if (node->name && node->name[0])
        return node->name;
    return node->n_output > 0 ? node->output[0] : "";
}

void reader_refuse(struct reader *r, const char *format, ...)
{
    char text[240];
    va_list args;

    if (r->st != ST_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->node)
        r->st = error_set(r->err, ST_FORMAT, "node '%.60s' (%.30s): %s", node_name(r->node),
                          r->node->op_type ? r->node->op_type : "", text);
    else
        r->st = error_set(r->err, ST_FORMAT, "%s", text);
}

void reader_nomem(struct reader *r)
{
    if (r->st == ST_OK)
        r->st = error_nomem(r->err);
}

void *reader_alloc(struct reader *r, size_t n, size_t size)
{
    enum { FIRST_ROOM = 64 };
    void *p, **more;

    if (r->st == ST_OK && (n > r->bytes_left || n * size > r->bytes_left))
        reader_refuse(r, "what it makes of constants is larger than all of the file");
    if (r->st != ST_OK)
        return NULL;
    if (r->n_blocks == r->room_blocks) {
        const size_t room = r->room_blocks ? 2 * r->room_blocks : FIRST_ROOM;

        more = reallocarray(r->blocks, room, sizeof *more);
        if (!more) {
            reader_nomem(r);
            return NULL;
        }
        r->blocks = more;
        r->room_blocks = room;
    }
    p = malloc(n > 0 ? n * size : 1);
    if (!p) {
        reader_nomem(r);
        return NULL;
    }
    r->bytes_left -= n * size;
    r->blocks[r->n_blocks++] = p;
    return p;
}

/* ---- one node ---- */

/* Whether all that it reads are constants. */
static bool reads_constants(struct reader *r)
{
    for (size_t i = 0; i < r->node->n_input; i++) {
        const struct value *v = node_input(r, i);

        if (v && v->kind != VALUE_CONSTANT)
            return false;
    }
    return r->st == ST_OK;
}

static const struct operator* operator_of(struct reader *r)
{
    const Onnx__NodeProto *node = r->node;
    const struct operator* o = node->op_type ? operator_find(node->op_type) : NULL;

    if (node->domain && node->domain[0] && strcmp(node->domain, "ai.onnx") != 0)
        reader_refuse(r, "operators of the domain '%.60s' are not read", node->domain);
    else if (!o)
        reader_refuse(r, "this operator is not read");
    else if (node->n_input < o->least || node->n_input > o->most)
        reader_refuse(r, "it has %zu inputs", node->n_input);
    for (size_t i = 0; o && i < o->least && i < node->n_input; i++)
        if (node->input[i][0] == '\0')
            reader_refuse(r, "its input %zu is left out", i);
    for (size_t i = 0; i < node->n_output; i++) {
        const struct value *v = node->output[i][0] ? value_find(r, node->output[i]) : NULL;

        if (i > 0 && v && v->uses > 0)
            reader_refuse(r, "its result %zu is used", i);
    }
    if (node->n_output == 0 || node->output[0][0] == '\0')
        reader_refuse(r, "it gives no result");
    return o;
}

static void node_read(struct reader *r)
{
    const struct operator* o = operator_of(r);

    if (r->st != ST_OK)
        return;
    attributes_check(r, o->attributes);
    if (o->fold && reads_constants(r))
        o->fold(r);
    else if (o->build && !(reads_constants(r) && !o->fold))
        o->build(r);
    else if (r->st == ST_OK)
        reader_refuse(r, "this operator is read of %s alone", o->build ? "activations" : "constants");
}

/* ---- all of them ---- */

static void inputs_put(struct reader *r, const struct onnx_input *inputs, size_t n)
{
    for (size_t i = 0; i < n && r->st == ST_OK; i++) {
        struct value *v = value_find(r, inputs[i].name);

        if (!v || v->initialiser) {
            reader_refuse(r, "the input '%.60s' is not one of the graph", inputs[i].name);
            return;
        }
        v->kind = VALUE_ACTIVATION;
        v->view = inputs[i].view;
        r->image_alone &= v->view.node != r->image || v->uses == 1;
    }
}

static void nodes_read(struct reader *r, const bool *needed)
{
    for (size_t i = 0; i < r->graph->n_node && r->st == ST_OK; i++) {
        r->node = r->graph->node[i];
        if (needed[i])
            node_read(r);
    }
    r->node = NULL;
}

struct value *reader_build(struct reader *r, const struct onnx_input *inputs, size_t n_inputs,
                           const char *output)
{
    struct value *v = NULL;
    bool *needed = NULL;

    if (r->graph->n_node > ONNX_MAX_NODES)
        reader_refuse(r, "the graph has more than %d nodes", ONNX_MAX_NODES);
    values_collect(r);
    if (r->st != ST_OK)
        return NULL;
    needed = calloc(r->graph->n_node + 1, sizeof *needed);
    v = value_find(r, output);
    if (!needed)
        reader_nomem(r);
    else if (!v)
        reader_refuse(r, "the graph's output '%.60s' is made by no node", output);
    if (r->st == ST_OK) {
        values_count(r, v, needed);
        inputs_put(r, inputs, n_inputs);
        nodes_read(r, needed);
    }
    free(needed);
    return r->st == ST_OK ? v : NULL;
}

void reader_release(struct reader *r)
{
    for (size_t i = 0; i < r->n_blocks; i++)
        free(r->blocks[i]);
    free(r->blocks);
    free(r->values);
    free(r->fills);
}

static void sources_put(const struct source s[2], float *ret)
{
    for (size_t k = 0; k < 2; k++) {
        if (s[k].data && s[k].n > 0)
            memcpy(ret, s[k].data, s[k].n * sizeof *ret);
        else
            memset(ret, 0, s[k].n * sizeof *ret);
        ret += s[k].n;
    }
}

void reader_fill(const struct reader *r, const struct network *net, float *ret_values)
{
    for (size_t i = 0; i < net->n_nodes; i++) {
        sources_put(r->fills[i].params, ret_values + net->nodes[i].params);
        sources_put(r->fills[i].state, ret_values + net->nodes[i].state);
    }
}
