/* model/onnx/writer.c - see writer.h. */
#include "writer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer_block {
    struct writer_block *next;
    _Alignas(max_align_t) char bytes[];
};

enum { FIRST_ROOM = 64, MAX_ENDS = 2, MAX_ATTRIBUTES = 8, BATCH = 0 };

void writer_init(struct writer *w, const char *name)
{
    *w = (struct writer){ .graph = ONNX__GRAPH_PROTO__INIT };
    w->graph.name = (char *)name; /* which packing only reads, as all that is cast below */
}

void writer_release(struct writer *w)
{
    while (w->blocks) {
        struct writer_block *next = w->blocks->next;

        free(w->blocks);
        w->blocks = next;
    }
    free(w->graph.node);
    free(w->graph.initializer);
    *w = (struct writer){ 0 };
}

enum status writer_status(const struct writer *w) { return w->failed ? ST_NOMEM : ST_OK; }

void *writer_alloc(struct writer *w, size_t n)
{
    struct writer_block *b = w->failed ? NULL : calloc(1, sizeof *b + n);

    if (!b) {
        w->failed = true;
        return NULL;
    }
    b->next = w->blocks;
    w->blocks = b;
    return b->bytes;
}

const char *writer_name(struct writer *w, const char *format, ...)
{
    va_list args;
    char *text;
    int n;

    va_start(args, format);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    text = writer_alloc(w, (size_t)n + 1);
    if (!text)
        return "";
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

/* Add a message to a list of `n`, which doubles. */
static void list_add(struct writer *w, void ***list, size_t *n, size_t *room, void *message)
{
    if (w->failed)
        return;
    if (*n == *room) {
        const size_t wanted = *room ? 2 * *room : FIRST_ROOM;
        void **more = reallocarray(*list, wanted, sizeof *more);

        if (!more) {
            w->failed = true;
            return;
        }
        *list = more;
        *room = wanted;
    }
    (*list)[(*n)++] = message;
}

/* ---- nodes ---- */

const char *writer_node(struct writer *w, const char *op, const char *output, size_t n,
                        const char *const inputs[])
{
    Onnx__NodeProto *node = writer_alloc(w, sizeof *node);
    char **ends = writer_alloc(w, (n + 1) * sizeof *ends);
    Onnx__AttributeProto **attributes = writer_alloc(w, MAX_ATTRIBUTES * sizeof(Onnx__AttributeProto *));
    void **nodes = (void **)w->graph.node;

    if (w->failed)
        return output;
    *node = (Onnx__NodeProto)ONNX__NODE_PROTO__INIT;
    for (size_t i = 0; i < n; i++)
        ends[i] = (char *)inputs[i];
    ends[n] = (char *)output;
    node->op_type = (char *)op;
    node->name = (char *)output;
    node->n_input = n;
    node->input = ends;
    node->n_output = 1;
    node->output = ends + n;
    node->attribute = attributes;
    list_add(w, &nodes, &w->graph.n_node, &w->room_nodes, node);
    w->graph.node = (Onnx__NodeProto **)nodes;
    return output;
}

/* A new attribute of the latest node; NULL without memory. */
static Onnx__AttributeProto *attribute_add(struct writer *w, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = writer_alloc(w, sizeof *a);
    Onnx__NodeProto *node;

    if (!a)
        return NULL;
    node = w->graph.node[w->graph.n_node - 1];
    assert(node->n_attribute < MAX_ATTRIBUTES);
    *a = (Onnx__AttributeProto)ONNX__ATTRIBUTE_PROTO__INIT;
    a->name = (char *)name;
    a->has_type = true;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void writer_int(struct writer *w, const char *attribute, int64_t value)
{
    Onnx__AttributeProto *a = attribute_add(w, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    if (a) {
        a->has_i = true;
        a->i = value;
    }
}

void writer_float(struct writer *w, const char *attribute, float value)
{
    Onnx__AttributeProto *a = attribute_add(w, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    if (a) {
        a->has_f = true;
        a->f = value;
    }
}

void writer_ints(struct writer *w, const char *attribute, size_t n, const int64_t values[])
{
    Onnx__AttributeProto *a = attribute_add(w, attribute, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *ints = writer_alloc(w, n * sizeof *ints);

    if (a && ints) {
        memcpy(ints, values, n * sizeof *ints);
        a->n_ints = n;
        a->ints = ints;
    }
}

/* ---- constants ---- */

static const char *constant_add(struct writer *w, const char *name, Onnx__TensorProto__DataType type,
                                const void *values, size_t bytes, size_t rank, const size_t dims[])
{
    Onnx__TensorProto *t = writer_alloc(w, sizeof *t);
    int64_t *sides = writer_alloc(w, WRITER_MAX_RANK * sizeof *sides);
    void **constants = (void **)w->graph.initializer;

    assert(rank <= WRITER_MAX_RANK);
    if (w->failed)
        return name;
    *t = (Onnx__TensorProto)ONNX__TENSOR_PROTO__INIT;
    t->name = (char *)name;
    t->n_dims = rank;
    t->dims = sides;
    for (size_t i = 0; i < rank; i++) {
        sides[i] = (int64_t)dims[i];
        bytes *= dims[i];
    }
    t->has_data_type = true;
    t->data_type = (int32_t)type;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){ bytes, (uint8_t *)values };
    list_add(w, &constants, &w->graph.n_initializer, &w->room_constants, t);
    w->graph.initializer = (Onnx__TensorProto **)constants;
    return name;
}

/* Raw data are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are written as they lie in memory");

const char *writer_floats(struct writer *w, const char *name, const float *values, size_t rank,
                          const size_t dims[])
{
    return constant_add(w, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, values, sizeof *values, rank, dims);
}

const char *writer_int64s(struct writer *w, const char *name, const int64_t *values, size_t rank,
                          const size_t dims[])
{
    return constant_add(w, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, values, sizeof *values, rank, dims);
}

const char *writer_number(struct writer *w, float value)
{
    const char *name = writer_name(w, "number_%.9g", (double)value);
    float *copy;

    for (size_t i = 0; i < w->graph.n_initializer; i++)
        if (strcmp(w->graph.initializer[i]->name, name) == 0)
            return name;
    copy = writer_alloc(w, sizeof *copy);
    if (copy)
        *copy = value;
    return writer_floats(w, name, copy, 0, NULL);
}

/* ---- ends ---- */

static Onnx__TensorShapeProto *shape_make(struct writer *w, size_t rank, const size_t dims[])
{
    Onnx__TensorShapeProto *shape = writer_alloc(w, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **list =
        writer_alloc(w, rank * sizeof(Onnx__TensorShapeProto__Dimension *));

    for (size_t i = 0; i < rank && !w->failed; i++) {
        list[i] = writer_alloc(w, sizeof *list[i]);
        if (!list[i])
            break;
        *list[i] = (Onnx__TensorShapeProto__Dimension)ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT;
        if (dims[i] == BATCH) {
            list[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            list[i]->dim_param = (char *)"n";
        } else {
            list[i]->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            list[i]->dim_value = (int64_t)dims[i];
        }
    }
    if (w->failed)
        return NULL;
    *shape = (Onnx__TensorShapeProto)ONNX__TENSOR_SHAPE_PROTO__INIT;
    shape->n_dim = rank;
    shape->dim = list;
    return shape;
}

/* Add to a list of MAX_ENDS at most. */
static void end_add(struct writer *w, Onnx__ValueInfoProto ***list, size_t *n, const char *name, size_t rank,
                    const size_t dims[], const char *doc)
{
    Onnx__ValueInfoProto *info = writer_alloc(w, sizeof *info);
    Onnx__TypeProto *type = writer_alloc(w, sizeof *type);
    Onnx__TypeProto__Tensor *tensor = writer_alloc(w, sizeof *tensor);
    Onnx__TensorShapeProto *shape = shape_make(w, rank, dims);

    if (!*list)
        *list = writer_alloc(w, MAX_ENDS * sizeof(Onnx__ValueInfoProto *));
    if (w->failed)
        return;
    assert(*n < MAX_ENDS);
    *tensor = (Onnx__TypeProto__Tensor)ONNX__TYPE_PROTO__TENSOR__INIT;
    tensor->has_elem_type = true;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    tensor->shape = shape;
    *type = (Onnx__TypeProto)ONNX__TYPE_PROTO__INIT;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    *info = (Onnx__ValueInfoProto)ONNX__VALUE_INFO_PROTO__INIT;
    info->name = (char *)name;
    info->type = type;
    info->doc_string = (char *)doc;
    (*list)[(*n)++] = info;
}

void writer_input(struct writer *w, const char *name, size_t rank, const size_t dims[], const char *doc)
{
    end_add(w, &w->graph.input, &w->graph.n_input, name, rank, dims, doc);
}

void writer_output(struct writer *w, const char *name, size_t rank, const size_t dims[], const char *doc)
{
    end_add(w, &w->graph.output, &w->graph.n_output, name, rank, dims, doc);
}
