/* model/onnx/build.c - the walk over a graph's nodes, see reader.h. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

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

        if (i > 0 && v && v->uses > 0 && !(o && o->many))
            reader_refuse(r, "its result %zu is used", i);
    }
    if (node->n_output == 0 || (node->output[0][0] == '\0' && !(o && o->many)))
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
    if (!needed) {
        reader_nomem(r);
        return NULL;
    }
    if (!v)
        reader_refuse(r, "the graph's output '%.60s' is made by no node", output);
    if (r->st == ST_OK) {
        values_count(r, v, needed);
        inputs_put(r, inputs, n_inputs);
        nodes_read(r, needed);
    }
    free(needed);
    return r->st == ST_OK ? v : NULL;
}
