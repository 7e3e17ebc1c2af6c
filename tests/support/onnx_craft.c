/* tests/support/onnx_craft.c - see onnx_craft.h. */
#include "onnx_craft.h"

#include "cxrd/rng.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MANY_BYTES = 64 << 20 };

void *craft_alloc(struct craft *c, size_t n)
{
    cr_assert_lt(c->n_blocks, sizeof c->blocks / sizeof c->blocks[0]);
    c->blocks[c->n_blocks] = calloc(1, n ? n : 1);
    cr_assert_not_null(c->blocks[c->n_blocks]);
    return c->blocks[c->n_blocks++];
}

static char *text_copy(struct craft *c, const char *text, size_t n)
{
    char *s = craft_alloc(c, n + 1);

    memcpy(s, text, n);
    return s;
}

static Onnx__ValueInfoProto *value_info(struct craft *c, const char *name, size_t rank, const int64_t dims[])
{
    Onnx__ValueInfoProto *v = craft_alloc(c, sizeof *v);
    Onnx__TypeProto *type = craft_alloc(c, sizeof *type);
    Onnx__TypeProto__Tensor *t = craft_alloc(c, sizeof *t);
    Onnx__TensorShapeProto *shape = craft_alloc(c, sizeof *shape);

    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(shape);
    v->name = text_copy(c, name, strlen(name));
    v->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    t->has_elem_type = 1;
    t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->shape = shape;
    shape->n_dim = rank;
    shape->dim = craft_alloc(c, rank * sizeof(void *));
    for (size_t i = 0; i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *d = craft_alloc(c, sizeof *d);

        onnx__tensor_shape_proto__dimension__init(d);
        d->value_case = dims[i] ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                                : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        if (dims[i])
            d->dim_value = dims[i];
        else
            d->dim_param = text_copy(c, "n", 1);
        shape->dim[i] = d;
    }
    return v;
}

void craft_begin(struct craft *c, size_t rank, const int64_t dims[])
{
    memset(c, 0, sizeof *c);
    onnx__model_proto__init(&c->model);
    onnx__graph_proto__init(&c->graph);
    onnx__operator_set_id_proto__init(&c->opset);
    c->model.has_ir_version = 1;
    c->model.ir_version = 7;
    c->model.graph = &c->graph;
    c->model.n_opset_import = 1;
    c->model.opset_import = c->opsets;
    c->opsets[0] = &c->opset;
    c->opset.has_version = 1;
    c->opset.version = 13;
    c->model.metadata_props = c->properties;
    c->graph.node = c->nodes;
    c->graph.initializer = c->tensors;
    c->graph.input = c->inputs;
    c->graph.output = c->outputs;
    c->inputs[c->graph.n_input++] = value_info(c, "image", rank, dims);
    c->outputs[c->graph.n_output++] = value_info(c, "out", 0, NULL);
}

void craft_release(struct craft *c)
{
    for (size_t i = 0; i < c->n_blocks; i++)
        free(c->blocks[i]);
    c->n_blocks = 0;
}

static Onnx__TensorProto *tensor_add(struct craft *c, const char *name, int32_t type, size_t rank,
                                     const int64_t dims[], size_t size, size_t *ret_count)
{
    Onnx__TensorProto *t = craft_alloc(c, sizeof *t);

    onnx__tensor_proto__init(t);
    t->name = text_copy(c, name, strlen(name));
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = rank;
    t->dims = craft_alloc(c, rank * sizeof *dims);
    *ret_count = 1;
    for (size_t i = 0; i < rank; i++) {
        t->dims[i] = dims[i];
        *ret_count *= (size_t)dims[i];
    }
    t->has_raw_data = 1;
    t->raw_data.len = *ret_count * size;
    t->raw_data.data = craft_alloc(c, t->raw_data.len);
    cr_assert_lt(c->graph.n_initializer, CRAFT_MAX);
    c->tensors[c->graph.n_initializer++] = t;
    return t;
}

Onnx__TensorProto *craft_floats(struct craft *c, const char *name, size_t rank, const int64_t dims[],
                                const float values[])
{
    size_t n;
    Onnx__TensorProto *t =
        tensor_add(c, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dims, sizeof *values, &n);

    memcpy(t->raw_data.data, values, n * sizeof *values);
    return t;
}

Onnx__TensorProto *craft_int64s(struct craft *c, const char *name, size_t rank, const int64_t dims[],
                                const int64_t values[])
{
    size_t n;
    Onnx__TensorProto *t =
        tensor_add(c, name, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, rank, dims, sizeof *values, &n);

    memcpy(t->raw_data.data, values, n * sizeof *values);
    return t;
}

Onnx__TensorProto *craft_weights(struct craft *c, const char *name, size_t rank, const int64_t dims[])
{
    size_t n;
    Onnx__TensorProto *t =
        tensor_add(c, name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, rank, dims, sizeof(float), &n);
    uint64_t seed = 0;
    struct rng rng;

    for (const char *s = name; *s; s++)
        seed = seed * 31 + (uint64_t)*s;
    rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        const float v = rng_uniform(&rng, -1, 1);

        memcpy(t->raw_data.data + i * sizeof v, &v, sizeof v);
    }
    return t;
}

/* Append the names between blanks. */
static void names_add(struct craft *c, const char *names, size_t *n_names, char **ret)
{
    for (const char *at = names; *at; at += strcspn(at, " "), at += strspn(at, " "))
        ret[(*n_names)++] = text_copy(c, at, *at == '-' ? 0 : strcspn(at, " "));
}

Onnx__NodeProto *craft_node(struct craft *c, const char *op, const char *inputs, const char *outputs)
{
    Onnx__NodeProto *node = craft_alloc(c, sizeof *node);

    onnx__node_proto__init(node);
    node->op_type = text_copy(c, op, strlen(op));
    node->name = text_copy(c, outputs, strcspn(outputs, " "));
    node->input = craft_alloc(c, CRAFT_MAX * sizeof(char *));
    node->output = craft_alloc(c, CRAFT_MAX * sizeof(char *));
    node->attribute = craft_alloc(c, CRAFT_MAX * sizeof(void *));
    names_add(c, inputs, &node->n_input, node->input);
    names_add(c, outputs, &node->n_output, node->output);
    cr_assert_lt(c->graph.n_node, CRAFT_MAX);
    c->nodes[c->graph.n_node++] = node;
    return node;
}

static Onnx__AttributeProto *attribute_add(struct craft *c, Onnx__NodeProto *node, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = craft_alloc(c, sizeof *a);

    onnx__attribute_proto__init(a);
    a->name = text_copy(c, name, strlen(name));
    a->has_type = 1;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

Onnx__AttributeProto *craft_int(struct craft *c, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = attribute_add(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);

    a->has_i = 1;
    a->i = value;
    return a;
}

Onnx__AttributeProto *craft_float(struct craft *c, Onnx__NodeProto *node, const char *name, float value)
{
    Onnx__AttributeProto *a = attribute_add(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);

    a->has_f = 1;
    a->f = value;
    return a;
}

Onnx__AttributeProto *craft_ints(struct craft *c, Onnx__NodeProto *node, const char *name, size_t n,
                                 const int64_t values[])
{
    Onnx__AttributeProto *a = attribute_add(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);

    a->n_ints = n;
    a->ints = craft_alloc(c, n * sizeof *values);
    memcpy(a->ints, values, n * sizeof *values);
    return a;
}

Onnx__AttributeProto *craft_text(struct craft *c, Onnx__NodeProto *node, const char *name, const char *value)
{
    Onnx__AttributeProto *a = attribute_add(c, node, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);

    a->has_s = 1;
    a->s.len = strlen(value);
    a->s.data = (uint8_t *)text_copy(c, value, strlen(value));
    return a;
}

void craft_property(struct craft *c, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *p = craft_alloc(c, sizeof *p);

    onnx__string_string_entry_proto__init(p);
    p->key = text_copy(c, key, strlen(key));
    p->value = text_copy(c, value, strlen(value));
    c->properties[c->model.n_metadata_props++] = p;
}

struct buf craft_file(const struct craft *c)
{
    struct buf b = BUF_INIT(MANY_BYTES);
    const size_t n = onnx__model_proto__get_packed_size(&c->model);
    uint8_t *bytes = malloc(n);

    cr_assert_not_null(bytes);
    onnx__model_proto__pack(&c->model, bytes);
    buf_put(&b, bytes, n);
    cr_assert_eq(buf_status(&b), ST_OK);
    free(bytes);
    return b;
}
