/* bench/onnx.c - see onnx.h. Protocol buffers by hand: a field is its number and type, then a varint, four bytes, or a length
 * and so many bytes. Field numbers: onnx.proto3 of ONNX. */
#include "onnx.h"

#include "cxrd/labels.h"
#include "model/net/layer.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, BYTES = 2, FIXED32 = 5, LIMIT = 512 << 20 };
enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 }; /* AttributeProto.AttributeType */

static void varint(struct buf *b, uint64_t v)
{
    uint8_t byte;

    for (; v >= 128; v >>= 7) {
        byte = (uint8_t)(v | 128);
        buf_put(b, &byte, 1);
    }
    byte = (uint8_t)v;
    buf_put(b, &byte, 1);
}

static void key(struct buf *b, unsigned field, unsigned type) { varint(b, field << 3 | type); }

static void number(struct buf *b, unsigned field, uint64_t v)
{
    key(b, field, VARINT);
    varint(b, v);
}

static void bytes(struct buf *b, unsigned field, const void *p, size_t n)
{
    key(b, field, BYTES);
    varint(b, n);
    buf_put(b, p, n);
}

static void text(struct buf *b, unsigned field, const char *s) { bytes(b, field, s, strlen(s)); }

/* A message within another; `inner` is gone. */
static void message(struct buf *b, unsigned field, struct buf *inner)
{
    assert(buf_status(inner) == ST_OK);
    bytes(b, field, inner->data, inner->len);
    buf_release(inner);
}

static void put_tensor(struct buf *graph, const char *name, const size_t *dims, size_t rank,
                       const float *data)
{
    struct buf t = BUF_INIT(LIMIT);
    size_t count = 1;

    for (size_t i = 0; i < rank; i++) {
        number(&t, 1, dims[i]);
        count *= dims[i];
    }
    number(&t, 2, 1); /* float */
    text(&t, 8, name);
    bytes(&t, 9, data, count * sizeof *data);
    message(graph, 5, &t);
}

static void ints(struct buf *node, const char *name, const size_t *values, size_t n)
{
    struct buf a = BUF_INIT(LIMIT);

    text(&a, 1, name);
    for (size_t i = 0; i < n; i++)
        number(&a, 8, values[i]);
    number(&a, 20, TYPE_INTS);
    message(node, 5, &a);
}

static void integer(struct buf *node, const char *name, size_t value)
{
    struct buf a = BUF_INIT(LIMIT);

    text(&a, 1, name);
    number(&a, 3, value);
    number(&a, 20, TYPE_INT);
    message(node, 5, &a);
}

static void real(struct buf *node, const char *name, float value)
{
    struct buf a = BUF_INIT(LIMIT);

    text(&a, 1, name);
    key(&a, 2, FIXED32);
    buf_put(&a, &value, sizeof value);
    number(&a, 20, TYPE_FLOAT);
    message(node, 5, &a);
}

static void value_info(struct buf *graph, unsigned field, const char *name, const size_t *dims, size_t rank)
{
    struct buf info = BUF_INIT(LIMIT), type = BUF_INIT(LIMIT), tensor = BUF_INIT(LIMIT),
               shape = BUF_INIT(LIMIT);

    for (size_t i = 0; i < rank; i++) {
        struct buf dim = BUF_INIT(LIMIT);

        if (i == 0)
            text(&dim, 2, "n");
        else
            number(&dim, 1, dims[i]);
        message(&shape, 1, &dim);
    }
    number(&tensor, 1, 1);
    message(&tensor, 2, &shape);
    message(&type, 1, &tensor);
    text(&info, 1, name);
    message(&info, 2, &type);
    message(graph, field, &info);
}

static const struct {
    const struct layer_ops *layer;
    const char *op;
} OPS[] = { { &LAYER_CONV, "Conv" },
            { &LAYER_NORM, "BatchNormalization" },
            { &LAYER_RELU, "Relu" },
            { &LAYER_RELU6, "Clip" },
            { &LAYER_MAX_POOL, "MaxPool" },
            { &LAYER_MEAN_POOL, "AveragePool" },
            { &LAYER_GLOBAL_POOL, "GlobalAveragePool" },
            { &LAYER_ADD, "Add" },
            { &LAYER_CONCAT, "Concat" },
            { &LAYER_REPLICATE, "Concat" },
            { &LAYER_FLATTEN, "Flatten" },
            { &LAYER_DENSE, "Gemm" } };

static const char *op_name(const struct layer_ops *layer)
{
    for (size_t i = 0; i < sizeof OPS / sizeof OPS[0]; i++)
        if (OPS[i].layer == layer)
            return OPS[i].op;
    fprintf(stderr, "bench: no ONNX for '%s'\n", layer->kind);
    exit(EXIT_FAILURE);
}

static void input(struct buf *node, size_t i)
{
    char name[32];

    snprintf(name, sizeof name, i == 0 ? "x" : "n%zu", i);
    text(node, 1, name);
}

/* A part of the block as an initializer that the node reads. */
static void parameter(struct buf *graph, struct buf *node, size_t i, size_t k, const size_t *dims,
                      size_t rank, const float *data)
{
    char name[48];

    snprintf(name, sizeof name, "n%zu.%zu", i, k);
    put_tensor(graph, name, dims, rank, data);
    text(node, 1, name);
}

static void put_window(struct buf *node, const struct window *w)
{
    ints(node, "kernel_shape", (size_t[]){ w->h, w->w }, 2);
    ints(node, "strides", (size_t[]){ w->stride_h, w->stride_w }, 2);
    ints(node, "pads", (size_t[]){ w->top, w->left, w->bottom, w->right }, 4);
}

static void put_parameters(struct buf *graph, struct buf *node, const struct node *l, size_t i,
                           const float *values)
{
    const size_t C = l->out.c, groups = l->groups > 1 ? l->groups : 1;
    const float *p = values + l->params, *state = values + l->state;

    if (l->ops == &LAYER_CONV) {
        parameter(graph, node, i, 0, (size_t[]){ C, l->in[0].c / groups, l->window.h, l->window.w }, 4, p);
        if (l->bias)
            parameter(graph, node, i, 1, &C, 1, p + l->n_params - C);
        integer(node, "group", groups);
    } else if (l->ops == &LAYER_NORM) {
        const float *const of[] = { p, p + C, state, state + C };

        for (size_t k = 0; k < 4; k++)
            parameter(graph, node, i, k, &C, 1, of[k]);
        real(node, "epsilon", (float)l->epsilon);
    } else if (l->ops == &LAYER_DENSE) {
        parameter(graph, node, i, 0, (size_t[]){ C, shape_size(l->in[0]) }, 2, p);
        parameter(graph, node, i, 1, &C, 1, p + l->n_params - C);
        integer(node, "transB", 1);
    } else if (l->ops == &LAYER_RELU6) {
        parameter(graph, node, i, 0, NULL, 0, &(float){ 0 });
        parameter(graph, node, i, 1, NULL, 0, &(float){ 6 });
    }
}

static void put_node(struct buf *graph, const struct network *net, size_t i, const float *values)
{
    const struct node *l = &net->nodes[i];
    struct buf node = BUF_INIT(LIMIT);
    char name[32] = "logits";

    for (size_t k = 0; k < l->ops->n_from; k++)
        input(&node, l->from[k]);
    for (size_t k = 1; l->ops == &LAYER_REPLICATE && k < l->out.c; k++)
        input(&node, l->from[0]);
    put_parameters(graph, &node, l, i, values);
    if (i + 1 < net->n_nodes)
        snprintf(name, sizeof name, "n%zu", i);
    text(&node, 2, name);
    text(&node, 4, op_name(l->ops));
    if (l->ops == &LAYER_CONCAT || l->ops == &LAYER_REPLICATE)
        integer(&node, "axis", 1);
    if (l->window.h > 0 && (l->ops == &LAYER_CONV || l->ops == &LAYER_MAX_POOL || l->ops == &LAYER_MEAN_POOL))
        put_window(&node, &l->window);
    message(graph, 1, &node);
}

void onnx_write(const struct network *net, const float *values, struct buf *out)
{
    struct buf graph = BUF_INIT(LIMIT), opset = BUF_INIT(LIMIT);

    for (size_t i = 1; i < net->n_nodes; i++)
        put_node(&graph, net, i, values);
    text(&graph, 2, net->architecture);
    value_info(&graph, 11, "x", (size_t[]){ 0, 1, net->image_size, net->image_size }, 4);
    value_info(&graph, 12, "logits", (size_t[]){ 0, N_NIH_LABELS }, 2);
    number(out, 1, 8); /* ir_version */
    message(out, 7, &graph);
    text(&opset, 1, "");
    number(&opset, 2, 13);
    message(out, 8, &opset);
}
