/* tests/support/onnx_case.c - see onnx_case.h. */
#include "onnx_case.h"

#include "cxrd/file.h"
#include "model/onnx/reader.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8, MANY_BYTES = 64 << 20 };

struct onnx_case {
    Onnx__ModelProto *file;
    Onnx__TensorProto *in[MOST], *out;
    size_t n_in;
    Onnx__TensorProto *initialisers[MOST + 64]; /* those of the file, and the inputs that are constant */
};

static Onnx__TensorProto *tensor_load(const char *folder, const char *which, size_t i)
{
    struct file_bytes file = FILE_BYTES_INIT;
    Onnx__TensorProto *t = NULL;
    struct error err;
    char path[512];

    snprintf(path, sizeof path, "%s/test_data_set_0/%s_%zu.pb", folder, which, i);
    if (file_read(path, MANY_BYTES, &file, &err) == ST_OK)
        t = onnx__tensor_proto__unpack(NULL, file.size, (const uint8_t *)file.data);
    file_bytes_release(&file);
    return t;
}

static void case_release(struct onnx_case *c)
{
    for (size_t i = 0; i < c->n_in; i++)
        onnx__tensor_proto__free_unpacked(c->in[i], NULL);
    if (c->out)
        onnx__tensor_proto__free_unpacked(c->out, NULL);
    onnx_free(c->file);
}

static bool case_load(const char *folder, struct onnx_case *ret)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct error err;
    char path[512];

    *ret = (struct onnx_case){ 0 };
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (file_read(path, MANY_BYTES, &file, &err) != ST_OK ||
        onnx_unpack(file.data, file.size, &ret->file, &err) != ST_OK) {
        file_bytes_release(&file);
        return false;
    }
    file_bytes_release(&file);
    while (ret->n_in < MOST && (ret->in[ret->n_in] = tensor_load(folder, "input", ret->n_in)))
        ret->n_in++;
    ret->out = tensor_load(folder, "output", 0);
    return ret->out != NULL && ret->file->graph && ret->file->graph->n_initializer < 64;
}

bool onnx_case_concerns(const char *folder)
{
    struct onnx_case c;
    bool all = case_load(folder, &c);

    for (size_t i = 0; all && i < c.file->graph->n_node; i++) {
        const char *op = c.file->graph->node[i]->op_type;

        all = op && operator_find(op) && strstr(op, "Softmax") == NULL;
    }
    case_release(&c);
    return all;
}

/* ---- roles ---- */

static bool is_picture(enum onnx_roles roles, size_t i)
{
    return roles == ONNX_ALL_ARE_PICTURES || (roles == ONNX_FIRST_IS_PICTURE && i == 0) ||
           (roles == ONNX_SECOND_IS_PICTURE && i == 1);
}

/* Inputs of a graph that no initialiser stands for, in order, as the files of the data set are numbered. */
static const char *open_input(const Onnx__GraphProto *graph, size_t k)
{
    for (size_t i = 0; i < graph->n_input; i++) {
        bool there = false;

        for (size_t j = 0; j < graph->n_initializer; j++)
            there |= strcmp(graph->initializer[j]->name, graph->input[i]->name) == 0;
        if (!there && k-- == 0)
            return graph->input[i]->name;
    }
    return NULL;
}

static struct shape shape_of(const Onnx__TensorProto *t)
{
    size_t n[3] = { 1, 1, 1 };

    for (size_t i = 1; i < t->n_dims; i++)
        n[i - 1] = (size_t)t->dims[i];
    return (struct shape){ n[0], n[1], n[2] };
}

/* Nodes for the pictures, initialisers of the others. Returns how many pictures; -1: these roles do not fit. */
static int roles_give(struct onnx_case *c, enum onnx_roles roles, struct reader *r,
                      struct onnx_input inputs[MOST])
{
    Onnx__GraphProto *graph = c->file->graph;
    size_t n = graph->n_initializer;
    int pictures = 0;

    for (size_t i = 0; i < n; i++)
        c->initialisers[i] = graph->initializer[i];
    for (size_t i = 0; i < c->n_in; i++) {
        Onnx__TensorProto *t = c->in[i];
        struct dims d = { .rank = t->n_dims };

        free(t->name);
        t->name = strdup(open_input(graph, i));
        if (!is_picture(roles, i)) {
            c->initialisers[n++] = t;
            continue;
        }
        if (t->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || t->n_dims < 2 || t->n_dims > 4)
            return -1;
        for (size_t k = 0; k < t->n_dims; k++)
            d.at[k] = (size_t)t->dims[k];
        if (pictures > 0 && d.at[0] != r->batch)
            return -1;
        r->batch = d.at[0];
        inputs[pictures++] = (struct onnx_input){
            t->name,
            view_of(r, graph_add(r->g, &(struct node){ .ops = &LAYER_IMAGE, .out = shape_of(t) }, NULL), d,
                    false)
        };
    }
    free(graph->initializer);
    graph->initializer = malloc((n + 1) * sizeof *graph->initializer);
    memcpy(graph->initializer, c->initialisers, n * sizeof *graph->initializer);
    graph->n_initializer = n;
    return pictures;
}

/* The initialisers that are inputs too are freed as such. */
static void roles_take(struct onnx_case *c)
{
    Onnx__GraphProto *graph = c->file->graph;
    size_t n = 0;

    for (size_t i = 0; i < graph->n_initializer; i++) {
        bool borrowed = false;

        for (size_t k = 0; k < c->n_in; k++)
            borrowed |= graph->initializer[i] == c->in[k];
        if (!borrowed)
            graph->initializer[n++] = graph->initializer[i];
    }
    graph->n_initializer = n;
}

/* ---- running ---- */

static double difference(struct reader *r, const struct constant *want, size_t i, double got)
{
    const double must = want->floats ? (double)want->floats[i] : (double)want->integers[i];

    (void)r;
    return must == got ? 0 : fabs(must - got) / (1 + fabs(must));
}

static double constant_off(struct reader *r, const struct constant *got, const struct constant *want)
{
    double off = 0;

    if (!dims_equal(&got->dims, &want->dims))
        return INFINITY;
    for (size_t i = 0; i < want->count; i++)
        off = fmax(off,
                   difference(r, want, i, got->floats ? (double)got->floats[i] : (double)got->integers[i]));
    return off;
}

/* Where number i of a tensor of ONNX's lies in a sample of a node. */
static size_t place_in_sample(const struct view *v, struct shape s, size_t i)
{
    return v->channels_last ? i % s.c * (s.h * s.w) + i / s.c : i;
}

/* All nodes in their order, plain loops. Returns that of the view. */
static float *nodes_run(const struct onnx_case *c, struct reader *r, const struct network *net,
                        const float *values, size_t node, const struct onnx_input *inputs, size_t n_inputs)
{
    float **y = calloc(net->n_nodes, sizeof *y), *result;

    for (size_t i = 0; i < net->n_nodes - 1; i++) {
        const struct node *l = &net->nodes[i];
        const float *x[NODE_MAX_INPUTS] = { 0 };
        struct constant in;

        y[i] = calloc(r->batch * shape_size(l->out), sizeof *y[i]);
        for (size_t k = 0; k < n_inputs; k++)
            for (size_t j = 0; j < c->n_in; j++)
                if (inputs[k].view.node == i && l->ops == &LAYER_IMAGE &&
                    strcmp(c->in[j]->name, inputs[k].name) == 0) {
                    constant_read(r, c->in[j], &in);
                    memcpy(y[i], in.floats, in.count * sizeof *y[i]);
                }
        for (size_t k = 0; k < l->ops->n_from; k++)
            x[k] = y[l->from[k]];
        if (l->ops->n_from > 0)
            l->ops->forward(l, r->batch, values + l->params, values + l->state, x, y[i], NULL);
    }
    result = y[node];
    for (size_t i = 0; i < net->n_nodes; i++)
        if (i != node)
            free(y[i]);
    free(y);
    return result;
}

static double activation_off(const struct onnx_case *c, struct reader *r, const struct view *v,
                             const struct constant *want, const struct onnx_input *inputs, size_t n_inputs)
{
    const struct shape s = view_shape(r, v);
    const struct network *net = NULL;
    float *values, *y;
    double off = 0;

    reader_add(r, &(struct node){ .ops = &LAYER_DENSE, .from = { v->node }, .channels = 1, .bias = true },
               NULL, &(struct fill){ .params = { { NULL, shape_size(s) }, { NULL, 1 } } });
    if (r->st != ST_OK || graph_finish(r->g, 0, &net) != ST_OK)
        return NAN;
    values = calloc(net->n_params + net->n_state, sizeof *values);
    reader_fill(r, net, values);
    y = nodes_run(c, r, net, values, v->node, inputs, n_inputs);
    if (!dims_equal(&v->dims, &want->dims))
        off = INFINITY;
    for (size_t i = 0; i < want->count && isfinite(off); i++) {
        const size_t size = shape_size(s);

        off = fmax(off, difference(r, want, i, (double)y[i / size * size + place_in_sample(v, s, i % size)]));
    }
    network_unref(net);
    free(values);
    free(y);
    return off;
}

struct onnx_result onnx_case_run(const char *folder, enum onnx_roles roles)
{
    struct onnx_result result = { 0 };
    struct error err = { 0 };
    struct onnx_input inputs[MOST];
    struct onnx_case c;
    struct graph g = { 0 };
    struct reader r = {
        .err = &err, .batch = 1, .opset = 13, .bytes_left = MANY_BYTES, .g = &g, .image = SIZE_MAX
    };
    struct constant want;
    struct value *v;
    int n;

    if (!case_load(folder, &c))
        return result;
    graph_begin(&g, GRAPH_ARCHITECTURE, 0, 1, 1, &err);
    r.fills = calloc(NETWORK_MAX_NODES, sizeof *r.fills);
    r.graph = c.file->graph;
    n = roles_give(&c, roles, &r, inputs);
    result.fits = n > 0 || (n == 0 && roles == ONNX_ALL_ARE_CONSTANT);
    if (result.fits) {
        v = reader_build(&r, inputs, (size_t)n, c.file->graph->output[0]->name);
        if (v && v->kind == VALUE_ACTIVATION)
            settle(&r, v);
        result.st = r.st;
        snprintf(result.text, sizeof result.text, "%s", err.text);
        if (r.st == ST_OK) {
            constant_read(&r, c.out, &want);
            result.off = v->kind == VALUE_CONSTANT
                             ? constant_off(&r, &v->constant, &want)
                             : activation_off(&c, &r, &v->view, &want, inputs, (size_t)n);
            cr_assert_eq(r.st, ST_OK, "%s", err.text);
        }
    }
    roles_take(&c);
    if (g.net) {
        g.st = ST_INVALID;
        (void)!graph_finish(&g, 0, &(const struct network *){ 0 });
    }
    reader_release(&r);
    case_release(&c);
    return result;
}
