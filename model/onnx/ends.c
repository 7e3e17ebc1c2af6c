/* model/onnx/ends.c - see ends.h. */
#include "ends.h"

#include <string.h>

/* ---- the picture ---- */

/* An axis: its length, or 0 where the file leaves it open. */
static size_t axis_length(const Onnx__TensorShapeProto *shape, size_t i)
{
    const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
    const bool told =
        d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && d->dim_value > 0;

    return told && d->dim_value <= ONNX_MAX_BYTES ? (size_t)d->dim_value : 0;
}

static bool is_colours(size_t n) { return n == 1 || n == 3; }

/* Whether a value can be a picture, of four axes of which one is of 1 or 3 channels and two are equal. */
static bool picture_of(const Onnx__ValueInfoProto *v, struct picture *ret)
{
    const Onnx__TypeProto__Tensor *t;
    size_t n[4];

    if (!v->name || !v->type || v->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return false;
    t = v->type->tensor_type;
    if (t->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT || !t->shape || t->shape->n_dim != 4)
        return false;
    for (size_t i = 0; i < 4; i++)
        n[i] = axis_length(t->shape, i);
    ret->name = v->name;
    ret->batch = n[0] ? n[0] : 1;
    ret->channels_last = !(is_colours(n[1]) && n[2] == n[3]);
    ret->channels = n[ret->channels_last ? 3 : 1];
    ret->size = n[2];
    return is_colours(ret->channels) && (!ret->channels_last || n[1] == n[2]);
}

static bool is_initialiser(const Onnx__GraphProto *graph, const char *name)
{
    for (size_t i = 0; i < graph->n_initializer; i++)
        if (graph->initializer[i]->name && strcmp(graph->initializer[i]->name, name) == 0)
            return true;
    return false;
}

enum status onnx_picture(const Onnx__GraphProto *graph, struct picture *ret, struct error *err)
{
    struct picture p;
    size_t n = 0;

    for (size_t i = 0; i < graph->n_input && n < 2; i++)
        if (picture_of(graph->input[i], &p) && !is_initialiser(graph, p.name)) {
            *ret = p;
            n++;
        }
    if (n == 1)
        return ST_OK;
    return error_set(
        err, ST_FORMAT,
        n == 0 ? "no input of the graph is a square picture: float32, [n, 1 or 3, S, S] or [n, S, S, 1 or 3]"
               : "more than one input of the graph is a picture");
}

/* ---- the numbers ---- */

static const Onnx__NodeProto *maker_of(const Onnx__GraphProto *graph, const char *value)
{
    for (size_t i = 0; i < graph->n_node; i++)
        if (graph->node[i]->n_output > 0 && strcmp(graph->node[i]->output[0], value) == 0)
            return graph->node[i];
    return NULL;
}

static bool is_op(const Onnx__NodeProto *node, const char *op)
{
    return node && node->op_type && strcmp(node->op_type, op) == 0 && node->n_input > 0;
}

/* Whether a node gives the numbers that it reads, in their order: as it ends, a graph's shape says nothing of its findings. */
static bool keeps_numbers(const Onnx__NodeProto *node)
{
    static const char *const OPS[] = { "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze" };

    for (size_t i = 0; i < sizeof OPS / sizeof OPS[0]; i++)
        if (is_op(node, OPS[i]))
            return true;
    return false;
}

const char *onnx_output(const Onnx__GraphProto *graph, bool *ret_sigmoid)
{
    enum { MOST = 16 }; /* names for the same at the end of a graph */
    const char *name = NULL;
    const Onnx__NodeProto *node;

    *ret_sigmoid = false;
    for (size_t i = graph->n_output; i-- > 0;)
        if (graph->output[i]->name && (i == 0 || strcmp(graph->output[i]->name, "logits") == 0)) {
            name = graph->output[i]->name;
            if (strcmp(name, "logits") == 0)
                break;
        }
    for (size_t i = 0; i < MOST && name; i++) {
        node = maker_of(graph, name);
        if (!keeps_numbers(node) && !(is_op(node, "Sigmoid") && !*ret_sigmoid))
            break;
        *ret_sigmoid |= is_op(node, "Sigmoid");
        name = node->input[0];
    }
    return name;
}

/* ---- the head ---- */

/* Add the last node: rows and biases are those of the findings. */
static void dense_add(struct reader *r, size_t from, const char *name, size_t each, const float *weights,
                      const float *bias, const struct outputs *o)
{
    const size_t n = o->labels.n;
    float *all = reader_alloc(r, n * (each + 1), sizeof *all);

    for (size_t i = 0; i < n && all; i++) {
        const size_t row = o->from[i];

        memcpy(all + i * each, weights + row * each, each * sizeof *all);
        all[n * each + i] = bias ? bias[row] : 0;
    }
    reader_add(r, &(struct node){ .ops = &LAYER_DENSE, .from = { from }, .channels = n, .bias = true }, name,
               &(struct fill){ .params = { { all, n * each }, { all ? all + n * each : NULL, n } } });
}

/* Every number is a logit by itself: a matrix with ones on its diagonal. */
static void numbers_add(struct reader *r, size_t from, size_t n, const struct outputs *o)
{
    float *ones = reader_alloc(r, n * n, sizeof *ones);

    for (size_t i = 0; i < n * n && ones; i++)
        ones[i] = i % (n + 1) == 0;
    if (ones)
        dense_add(r, from, NULL, n, ones, NULL, o);
}

static void zeros_add(struct reader *r, size_t from, size_t features, size_t n)
{
    reader_add(r, &(struct node){ .ops = &LAYER_DENSE, .from = { from }, .channels = n, .bias = true }, NULL,
               &(struct fill){ .params = { { NULL, n * features }, { NULL, n } } });
}

static bool is_dense(const struct value *v)
{
    return v->lazy.kind == LAZY_LINEAR && v->lazy.linear.ops == &LAYER_DENSE;
}

size_t onnx_outputs(struct reader *r, struct value *v)
{
    size_t n;

    if (is_dense(v))
        return v->lazy.linear.channels;
    settle(r, v);
    n = shape_size(view_shape(r, &v->view));
    return n <= MAX_LABELS && !v->view.channels_last ? n : 0;
}

bool onnx_is_of_sigmoids(const struct reader *r, const struct value *v)
{
    static const struct layer_ops *const THROUGH[] = {
        &LAYER_CONCAT, &LAYER_ADD,      &LAYER_SCALE,     &LAYER_FLATTEN,    &LAYER_SLICE,
        &LAYER_CLIP,   &LAYER_MAX_POOL, &LAYER_MEAN_POOL, &LAYER_GLOBAL_POOL
    };
    const struct node *node = &r->g->net->nodes[v->view.node];
    bool through = !is_dense(v);

    while (through) {
        if (node->ops == &LAYER_SIGMOID || node->ops == &LAYER_HARD_SIGMOID ||
            (node->ops == &LAYER_CLIP && node->low == 0 && node->high == 1)) /* a hard one of another slope */
            return true;
        through = false;
        for (size_t i = 0; i < sizeof THROUGH / sizeof THROUGH[0]; i++)
            through |= node->ops == THROUGH[i];
        node = &r->g->net->nodes[node->from[0]];
    }
    return false;
}

void onnx_head_add(struct reader *r, struct value *v, const struct outputs *o)
{
    const struct lazy *l = &v->lazy;

    if (is_dense(v) && !o->fresh) {
        dense_add(r, v->view.node, l->name, l->weights_a_result, l->weights, l->bias, o);
        return;
    }
    if (is_dense(v))
        v->lazy = (struct lazy){ 0 }; /* so many classes are nobody's findings: what it reads is worth more */
    settle(r, v);
    const size_t n = shape_size(view_shape(r, &v->view));

    if (o->fresh)
        zeros_add(r, v->view.node, n, o->labels.n);
    else
        numbers_add(r, v->view.node, n, o);
}
