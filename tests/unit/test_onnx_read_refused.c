/* tests/unit/test_onnx_read_refused.c - ONNX files with something wrong in them: it is said by node and operator, and no bytes cost time or
 * memory out of proportion. */
#include "guard.h"
#include "leaks.h"
#include "onnx_network.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- what is refused ---- */

TEST_WITHOUT_LEAKS(onnx_read, what_is_not_read_is_named_by_node_and_operator)
{
    static const struct {
        const char *op, *inputs, *word;
    } CASES[] = {
        { "Erf", "conv", "node 'x' (Erf): this operator is not read" },
        { "Softmax", "conv", "node 'x' (Softmax): its results exclude each other" },
        { "Mul", "conv image", "node 'x' (Mul): it multiplies activations of different shapes" },
        { "Relu", "later", "node 'x' (Relu): its input 'later' is made by no node before it" },
        { "Relu", "x", "made by no node before it" },
        { "Relu", "", "it has 0 inputs" },
        { "Relu", "conv conv", "it has 2 inputs" },
        { "Add", "conv -", "its input 1 is left out" },
        { "Add", "conv five", "neither one number nor one for each of 4 channels" },
        { "Add", "conv whole", "not of floating-point numbers" },
        { "Conv", "conv conv", "its weights must be a constant" },
        { "Conv", "conv five", "not [results, channels, rows, columns]" },
        { "Conv", "conv three_by_three", "do not fit 4 channels" },
        { "Gemm", "conv matrix", "something else than a row of numbers" },
        { "BatchNormalization", "conv five five five five", "has 5 numbers for 4 channels" },
        { "Reshape", "conv whole", "not as many places" },
        { "Gather", "conv whole", "of constants alone" },
        { "MaxPool", "conv", "no kernel_shape" },
        { "ReduceMean", "conv many", "its axes has 17 numbers, more than 16" },
        { "Squeeze", "conv many", "its axes has 17 numbers, more than 16" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct craft c;

        begin(&c);
        body(&c);
        craft_weights(&c, "five", DIMS(5));
        craft_weights(&c, "matrix", DIMS(4, 4));
        craft_weights(&c, "three_by_three", DIMS(4, 3, 3, 3));
        craft_int64s(&c, "whole", DIMS(4), (const int64_t[]){ 1, 2, 3, 4 });
        craft_int64s(&c, "many", DIMS(17), (const int64_t[17]){ 2 });
        craft_node(&c, CASES[i].op, CASES[i].inputs, "x");
        craft_node(&c, "Relu", "conv", "later");
        head(&c, "x");
        check_refused(&c, CASES[i].word);
    }
}

/* The processor's time to read a graph that joins a column of numbers with empty columns. */
static double seconds_of_joining(size_t n_empty)
{
    enum { ROWS = 400 * 1000, MOST = CRAFT_MAX };
    char inputs[sizeof "numbers" + MOST * sizeof "empty"] = "numbers";
    struct timespec begin_at, end_at;
    struct craft c;

    for (size_t i = 0, at = strlen(inputs); i < n_empty; i++)
        at += (size_t)snprintf(inputs + at, sizeof inputs - at, " empty");
    begin(&c);
    craft_int64s(&c, "column", DIMS(2), (const int64_t[]){ ROWS, 1 });
    craft_int64s(&c, "no_column", DIMS(2), (const int64_t[]){ ROWS, 0 });
    craft_node(&c, "ConstantOfShape", "column", "numbers");
    craft_node(&c, "ConstantOfShape", "no_column", "empty");
    craft_int(&c, craft_node(&c, "Concat", inputs, "joined"), "axis", 1);
    craft_node(&c, "Reshape", "image joined", "shaped");
    craft_node(&c, "Relu", "shaped", "out");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin_at);
    check_refused(&c, "its shape must be a constant list of integers");
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end_at);
    return (double)(end_at.tv_sec - begin_at.tv_sec) + 1e-9 * (double)(end_at.tv_nsec - begin_at.tv_nsec);
}

/* A small file must not keep a server at work for minutes. */
Test(onnx_read, empty_constants_are_joined_at_no_cost)
{
    const double none = seconds_of_joining(0), many = seconds_of_joining(CRAFT_MAX - 1);

    cr_expect_lt(many, 8 * none, "%g s, and %g s without them", many, none);
}

static void dims_negative(struct craft *c) { c->tensors[0]->dims[0] = -4; }
static void dims_overflow(struct craft *c)
{
    for (size_t i = 0; i < 4; i++)
        c->tensors[0]->dims[i] = (int64_t)1 << 40;
}
static void dims_more_than_data(struct craft *c) { c->tensors[0]->dims[0] = 400; }
static void data_half(struct craft *c) { c->tensors[0]->raw_data.len /= 2; }
static void data_odd(struct craft *c) { c->tensors[0]->raw_data.len -= 1; }
static void data_twice(struct craft *c)
{
    c->tensors[0]->n_float_data = 36;
    c->tensors[0]->float_data = craft_alloc(c, 36 * sizeof(float));
}
static void data_external(struct craft *c)
{
    c->tensors[0]->has_data_location = 1;
    c->tensors[0]->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}
static void data_of_text(struct craft *c)
{
    c->tensors[0]->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__STRING;
}
static void name_twice(struct craft *c) { c->tensors[1]->name = c->tensors[0]->name; }
static void name_empty(struct craft *c) { c->tensors[1]->name[0] = '\0'; }
static void result_twice(struct craft *c) { c->nodes[1]->output[0] = c->nodes[0]->output[0]; }
static void circle(struct craft *c) { c->nodes[0]->input[0] = c->nodes[1]->output[0]; }
static void wrong_order(struct craft *c)
{
    Onnx__NodeProto *first = c->nodes[0];

    c->nodes[0] = c->nodes[1];
    c->nodes[1] = first;
}
static void other_domain(struct craft *c) { c->nodes[1]->domain = (char *)"com.example"; }
static void no_operator(struct craft *c) { c->nodes[1]->op_type = NULL; }
static void subgraph(struct craft *c)
{
    Onnx__AttributeProto *a = craft_int(c, c->nodes[1], "body", 1);
    Onnx__GraphProto *g = craft_alloc(c, sizeof *g);

    onnx__graph_proto__init(g);
    a->g = g;
}
static void attribute_unknown(struct craft *c) { craft_int(c, c->nodes[1], "surprise", 1); }
static void attribute_twice(struct craft *c) { craft_ints(c, c->nodes[0], "strides", DIMS(2, 2)); }
static void attribute_type(struct craft *c) { craft_int(c, c->nodes[0], "pads", 1); }
static void stride_zero(struct craft *c) { c->nodes[0]->attribute[0]->ints[0] = 0; }
static void stride_huge(struct craft *c) { c->nodes[0]->attribute[0]->ints[0] = INT64_MAX; }
static void pads_negative(struct craft *c) { craft_ints(c, c->nodes[0], "pads", DIMS(0, 0, -1, 0)); }
static void pads_huge(struct craft *c) { craft_ints(c, c->nodes[0], "pads", DIMS(0, 0, 1 << 30, 0)); }
static void groups_zero(struct craft *c) { craft_int(c, c->nodes[0], "group", 0); }
static void groups_negative(struct craft *c) { craft_int(c, c->nodes[0], "group", INT64_MIN); }
static void opset_new(struct craft *c) { c->opset.version = 99; }
static void opset_none(struct craft *c) { c->model.n_opset_import = 0; }
static void no_graph(struct craft *c) { c->model.graph = NULL; }
static void no_output(struct craft *c) { c->graph.n_output = 0; }
static void output_unknown(struct craft *c) { c->outputs[0]->name = (char *)"nowhere"; }
static void output_is_constant(struct craft *c) { c->outputs[0]->name = c->tensors[0]->name; }
static void no_input(struct craft *c) { c->graph.n_input = 0; }
static void two_inputs(struct craft *c)
{
    c->inputs[1] = c->inputs[0];
    c->graph.n_input = 2;
}
static void input_not_square(struct craft *c)
{
    c->inputs[0]->type->tensor_type->shape->dim[3]->dim_value = 65;
}
static void input_small(struct craft *c)
{
    for (size_t i = 2; i < 4; i++)
        c->inputs[0]->type->tensor_type->shape->dim[i]->dim_value = 32;
}
static void weights_infinite(struct craft *c) { memset(c->tensors[0]->raw_data.data, 0xff, 4); }

TEST_WITHOUT_LEAKS(onnx_read, what_no_exporter_writes_is_refused)
{
    static const struct {
        void (*spoil)(struct craft *c);
        const char *word;
    } CASES[] = {
        { dims_negative, "a shape that no tensor" },
        { dims_overflow, "a shape that no tensor" },
        { dims_more_than_data, "its shape asks for 3600" },
        { data_half, "has 18 numbers" },
        { data_odd, "its shape asks for 36" },
        { data_twice, "its shape asks for 36" },
        { data_external, "lie in another file" },
        { data_of_text, "is of type 8" },
        { name_twice, "two values of the graph have the name 'c1.weight'" },
        { name_empty, "has no name" },
        { result_twice, "two values of the graph have the name 'conv'" },
        { circle, "made by no node before it" },
        { wrong_order, "made by no node before it" },
        { other_domain, "operators of the domain 'com.example'" },
        { no_operator, "this operator is not read" },
        { subgraph, "control flow" },
        { attribute_unknown, "its attribute 'surprise' is not known" },
        { attribute_twice, "is there twice" },
        { attribute_type, "is of another type" },
        { stride_zero, "its strides has 0" },
        { stride_huge, "its strides has 9223372036854775807" },
        { pads_negative, "its pads has -1" },
        { pads_huge, "its pads has 1073741824" },
        { groups_zero, "0 groups" },
        { groups_negative, "groups" },
        { opset_new, "operator set 99" },
        { opset_none, "operator set 0" },
        { no_graph, "has no graph" },
        { no_output, "has no output" },
        { output_unknown, "'nowhere' is made by no node" },
        { output_is_constant, "does not depend on its input" },
        { no_input, "no input of the graph is a square picture" },
        { two_inputs, "more than one input" },
        { input_not_square, "no input of the graph is a square picture" },
        { input_small, "32 pixels a side" },
    };
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    struct craft c;

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        plain(&c);
        CASES[i].spoil(&c);
        check_refused(&c, CASES[i].word);
    }
    plain(&c);
    weights_infinite(&c);
    check_refusal("NaN", craft_read(&c, &ONNX_OPTIONS, &m, report, &err), ST_NUMERIC, &err, "c1.weight");
    json_decref(report);
    craft_release(&c);
}

TEST_WITHOUT_LEAKS(onnx_read, what_the_file_does_not_say_must_be_told)
{
    static const struct {
        struct import_options o;
        const char *word;
    } CASES[] = {
        { { .scaling = "0..1" }, "'labels' must" },
        { { .labels = "Mass,Nodule,Edema" }, "'scaling' must" },
        { { .labels = "Mass,Nodule,Edema", .scaling = "0..2" }, "'scaling' must be 0..255" },
        { { .labels = "Mass,Nodule,Edema", .scaling = "0..1", .image_size = 128 }, "'image_size' is 128" },
        { { .labels = "Mass,Nodule,Edema", .scaling = "0..1", .resize = "bilinear" },
          "'resize' must be nearest" },
        { { .labels = ",,", .scaling = "0..1" }, "none of the outputs" },
        { { .labels = "Mass,Nodule", .scaling = "0..1" }, "the file has 3 outputs" },
        { { .labels = "Mass,Nodule,Edema", .scaling = "imagenet" }, "three channels" },
        { { .labels = "Mass,Nodule,Edema", .scaling = "0..1", .architecture = "resnet18" },
          "'architecture' is" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct model *m = NULL;
        struct error err = { 0 };
        json_t *report = json_object();
        struct craft c;

        plain(&c);
        check_refusal(CASES[i].word, craft_read(&c, &CASES[i].o, &m, report, &err), ST_INVALID, &err,
                      CASES[i].word);
        json_decref(report);
        craft_release(&c);
    }
}

/* ---- bytes ---- */

static void bytes_refused(const void *bytes, size_t n, enum status expected, const char *word)
{
    struct guarded g = guarded_copy(bytes, n);
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();

    check_refusal(word, onnx_read(g.bytes, n, &ONNX_OPTIONS, &m, report, &err), expected, &err, word);
    json_decref(report);
    guarded_release(&g);
}

TEST_WITHOUT_LEAKS(onnx_read, a_file_that_ends_early_or_goes_on_is_refused)
{
    struct craft c;
    struct buf file;

    plain(&c);
    file = craft_file(&c);
    for (size_t n = 0; n < file.len; n += n < 64 ? 1 : 7) {
        struct guarded g = guarded_copy(file.data, n);
        struct model *m = NULL;
        struct error err = { 0 };
        json_t *report = json_object();
        const enum status st = onnx_read(g.bytes, n, &ONNX_OPTIONS, &m, report, &err);

        cr_expect(st != ST_OK || n > file.len - 8, "%zu of %zu bytes", n,
                  file.len); /* the opset stands last */
        model_unref(m);
        json_decref(report);
        guarded_release(&g);
    }
    buf_put(&file, "\xff\xff\xff", 3);
    bytes_refused(file.data, file.len, ST_FORMAT, "is not understood");
    buf_release(&file);
    craft_release(&c);
}

/* Put a message's key and length before what `*at` has, which lies at the end of a memory. */
static void wrap(uint8_t **at, size_t *n, uint8_t key)
{
    uint8_t head[12], *h = head;
    size_t length = *n;

    *h++ = key;
    for (; length >= 128; length >>= 7)
        *h++ = (uint8_t)(length | 128);
    *h++ = (uint8_t)length;
    *at -= h - head;
    memcpy(*at, head, (size_t)(h - head));
    *n += (size_t)(h - head);
}

/* A list of lists of lists, 3 or 4 bytes each: what recurses over them would run out of stack. */
TEST_WITHOUT_LEAKS(onnx_read, messages_do_not_lie_deep_in_each_other)
{
    enum { DEPTH = 200000, ROOM = 5 * DEPTH };
    uint8_t *bytes = malloc(ROOM), *at = bytes + ROOM;
    size_t n = 0;

    cr_assert_not_null(bytes);
    for (size_t i = 0; i < DEPTH; i++)
        wrap(&at, &n, i % 2 ? 0x22 : 0x0a); /* TypeProto.sequence_type, Sequence.elem_type */
    wrap(&at, &n, 0x12);                    /* ValueInfoProto.type */
    wrap(&at, &n, 0x5a);                    /* GraphProto.input */
    wrap(&at, &n, 0x3a);                    /* ModelProto.graph */
    bytes_refused(at, n, ST_FORMAT, "deep in each other");
    free(bytes);
}

/* A node of two bytes becomes a struct of a hundred: a file of nothing else is over before it has its memory. */
TEST_WITHOUT_LEAKS(onnx_read, a_file_does_not_get_much_more_memory_than_it_has_bytes)
{
    enum { NODES = 900000 };
    uint8_t *bytes = malloc(16 + 2 * NODES), *at = bytes;
    const size_t n = 2 * NODES;

    *at++ = 0x3a; /* graph */
    for (size_t length = n; length > 0; length >>= 7)
        *at++ = (uint8_t)(length >= 128 ? length | 128 : length);
    for (size_t i = 0; i < NODES; i++) {
        *at++ = 0x0a;
        *at++ = 0;
    }
    bytes_refused(bytes, (size_t)(at - bytes), ST_LIMIT, "far more memory");
    free(bytes);
}

TEST_WITHOUT_LEAKS(onnx_read, a_field_that_is_there_twice_is_not_merged)
{
    static const char TWICE[] = "\x3a\x00\x3a\x00";

    bytes_refused(TWICE, 4, ST_FORMAT, "is there twice");
}

TEST_WITHOUT_LEAKS(onnx_read, constants_do_not_grow_beyond_the_file)
{
    struct craft c;

    begin(&c);
    body(&c);
    craft_int64s(&c, "shape", DIMS(2), (const int64_t[]){ 10000, 10000 });
    craft_node(&c, "ConstantOfShape", "shape", "many");
    craft_node(&c, "Add", "conv many", "x");
    head(&c, "x");
    check_refused(&c, "larger than all of the file");
}

/* Each alone is a number, both together are too large for one. */
TEST_WITHOUT_LEAKS(onnx_read, a_scaling_that_makes_no_numbers_is_refused)
{
    static const float LARGE[] = { 1e38f }, SMALL[] = { 1e-38f };

    for (int small = 0; small < 2; small++) {
        struct craft c;

        begin(&c);
        craft_floats(&c, "factor", 0, NULL, small ? SMALL : LARGE);
        craft_node(&c, "Mul", "image factor", "once");
        craft_node(&c, "Mul", "once factor", "twice");
        craft_weights(&c, "c1.weight", DIMS(4, 1, 3, 3));
        conv(&c, "twice c1.weight", "conv");
        head(&c, "conv");
        check_refused(&c, "makes no numbers of grey values");
    }
}

/* Looking for one among the others would take for ever. */
TEST_WITHOUT_LEAKS(onnx_read, there_are_not_too_many_inputs)
{
    enum { INPUTS = 20000 };
    Onnx__ValueInfoProto **inputs = calloc(INPUTS, sizeof *inputs);
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    struct craft c;

    plain(&c);
    for (size_t i = 0; i < INPUTS; i++)
        inputs[i] = c.inputs[0];
    c.graph.input = inputs;
    c.graph.n_input = INPUTS;
    check_refusal("many", craft_read(&c, &ONNX_OPTIONS, &m, report, &err), ST_LIMIT, &err,
                  "inputs or constants");
    json_decref(report);
    free(inputs);
    craft_release(&c);
}
