/* model/onnx/values.c - the values of a graph by name, see reader.h. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct value *)a)->name, ((const struct value *)b)->name);
}

static size_t values_most(const Onnx__GraphProto *graph)
{
    size_t n = graph->n_initializer + graph->n_input;

    for (size_t i = 0; i < graph->n_node; i++)
        n += graph->node[i]->n_output;
    return n;
}

static void add(struct reader *r, const char *name, const Onnx__TensorProto *initialiser, bool is_input)
{
    if (!name || name[0] == '\0')
        reader_refuse(r, "a value of the graph has no name");
    else
        r->values[r->n_values++] =
            (struct value){ .name = name, .initialiser = initialiser, .is_input = is_input };
}

static void nodes_collect(struct reader *r)
{
    for (size_t i = 0; i < r->graph->n_node; i++)
        for (size_t k = 0; k < r->graph->node[i]->n_output; k++)
            if (r->graph->node[i]->output[k][0] != '\0') /* "": nobody wants this result */
                add(r, r->graph->node[i]->output[k], NULL, false);
}

/* A name is there once, but an initialiser may stand for an input of the same name, as all did before IR version 4. */
static void values_unite(struct reader *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_values; i++) {
        const struct value *v = &r->values[i];
        struct value *last = n > 0 && strcmp(r->values[n - 1].name, v->name) == 0 ? &r->values[n - 1] : NULL;

        if (!last)
            r->values[n++] = *v;
        else if (last->is_input == v->is_input || (!last->initialiser && !v->initialiser))
            reader_refuse(r, "two values of the graph have the name '%.60s'", v->name);
        else if (v->initialiser)
            *last = *v;
    }
    r->n_values = n;
}

void values_collect(struct reader *r)
{
    const Onnx__GraphProto *graph = r->graph;
    const size_t most = values_most(graph);

    if (most > ONNX_MAX_VALUES)
        reader_refuse(r, "the graph has more than %d values", ONNX_MAX_VALUES);
    if (r->st != ST_OK)
        return;
    r->values = calloc(most + 1, sizeof *r->values);
    if (!r->values) {
        reader_nomem(r);
        return;
    }
    for (size_t i = 0; i < graph->n_initializer; i++)
        add(r, graph->initializer[i]->name, graph->initializer[i], false);
    for (size_t i = 0; i < graph->n_input; i++)
        add(r, graph->input[i]->name, NULL, true);
    nodes_collect(r);
    qsort(r->values, r->n_values, sizeof *r->values, by_name);
    values_unite(r);
}

struct value *value_find(struct reader *r, const char *name)
{
    const struct value key = { .name = name };

    return bsearch(&key, r->values, r->n_values, sizeof *r->values, by_name);
}

static bool is_wanted(struct reader *r, const Onnx__NodeProto *node)
{
    for (size_t k = 0; k < node->n_output; k++) {
        const struct value *v = node->output[k][0] ? value_find(r, node->output[k]) : NULL;

        if (v && v->uses > 0)
            return true;
    }
    return false;
}

void values_count(struct reader *r, struct value *output, bool *needed)
{
    output->uses++;
    for (size_t i = r->graph->n_node; i-- > 0;) {
        const Onnx__NodeProto *node = r->graph->node[i];

        needed[i] = is_wanted(r, node);
        for (size_t k = 0; k < node->n_input && needed[i]; k++) {
            struct value *v = node->input[k][0] ? value_find(r, node->input[k]) : NULL;

            if (v)
                v->uses++;
        }
    }
}

struct value *node_input(struct reader *r, size_t i)
{
    const char *name = r->st == ST_OK && i < r->node->n_input ? r->node->input[i] : "";
    struct value *v;

    if (name[0] == '\0')
        return NULL;
    v = value_find(r, name);
    if (v && v->kind == VALUE_UNKNOWN && v->initialiser) {
        constant_read(r, v->initialiser, &v->constant);
        v->kind = VALUE_CONSTANT;
    }
    if (!v || v->kind == VALUE_UNKNOWN) {
        reader_refuse(r, "its input '%.60s' is made by no node before it", name);
        return NULL;
    }
    return r->st == ST_OK ? v : NULL;
}

struct value *node_output(struct reader *r) { return value_find(r, r->node->output[0]); }

const struct constant *input_constant(struct reader *r, size_t i)
{
    const struct value *v = node_input(r, i);

    return v && v->kind == VALUE_CONSTANT ? &v->constant : NULL;
}

const struct constant *input_weights(struct reader *r, size_t i, const char *what)
{
    const struct constant *c = input_constant(r, i);

    if (c && c->floats)
        return c;
    reader_refuse(r, "%s must be a constant of floating-point numbers", what);
    return NULL;
}

static struct value *given(struct reader *r, enum value_kind kind)
{
    struct value *v = r->st == ST_OK ? node_output(r) : NULL;

    if (v)
        v->kind = kind;
    return v;
}

void give_constant(struct reader *r, const struct constant *c)
{
    struct value *v = given(r, VALUE_CONSTANT);

    if (v)
        v->constant = *c;
}

void give_view(struct reader *r, const struct view *view) { give_view_of(r, 0, view); }

void give_view_of(struct reader *r, size_t result, const struct view *view)
{
    const char *name = r->node->output[result];
    struct value *v = r->st == ST_OK && name[0] != '\0' ? value_find(r, name) : NULL;

    if (v) {
        v->kind = VALUE_ACTIVATION;
        v->view = *view;
        v->lazy = (struct lazy){ 0 };
        r->image_alone &= view->node != r->image || v->uses == 1;
    }
}

void give_lazy(struct reader *r, const struct view *view, const struct lazy *l)
{
    struct value *v = given(r, VALUE_ACTIVATION);

    if (v) {
        v->view = *view;
        v->lazy = *l;
    }
}
