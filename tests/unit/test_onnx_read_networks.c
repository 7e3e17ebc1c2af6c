/* tests/unit/test_onnx_read_networks.c - whole networks: written as different exporters write the same one they must give the same, and what is
 * wrong with a file is said by node and operator. */
#include "cxrd/onnx.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "guard.h"
#include "leaks.h"
#include "onnx_craft.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SIZE = 64, LABELS = 3 };
#define DIMS(...) \
    (sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }

static const struct import_options OPTIONS = { .labels = "Mass,Nodule,Edema", .scaling = "0..1" };

/* ---- reading and running ---- */

static enum status craft_read(const struct craft *c, const struct import_options *o, struct model **ret,
                              json_t *report, struct error *err)
{
    struct buf file = craft_file(c);
    struct guarded g = guarded_copy(file.data, file.len);
    const enum status st = onnx_read(g.bytes, file.len, o, ret, report, err);

    guarded_release(&g);
    buf_release(&file);
    return st;
}

/* The logits of one picture, whose grey values only the seed decides. */
static void logits_of(const struct craft *c, const struct import_options *o, float *ret_logits)
{
    struct model *m = NULL;
    struct session *s = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    uint8_t grey[SIZE * SIZE];
    float *x;
    struct rng rng;

    cr_assert_eq(craft_read(c, o, &m, report, &err), ST_OK, "%s", err.text);
    x = calloc((size_t)3 * SIZE * SIZE, sizeof *x);
    rng_seed(&rng, 7, 0);
    for (size_t i = 0; i < sizeof grey; i++)
        grey[i] = (uint8_t)rng_below(&rng, 256);
    preprocess_scale(grey, sizeof grey, model_preprocess(m), x);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, ret_logits), ST_OK);
    session_free(s);
    free(x);
    model_unref(m);
    json_decref(report);
}

/* Two files of the same network. Both are gone. */
static void check_same(struct craft *a, struct craft *b)
{
    float x[LABELS], y[LABELS];

    logits_of(a, &OPTIONS, x);
    logits_of(b, &OPTIONS, y);
    for (size_t i = 0; i < LABELS; i++)
        cr_expect(fabsf(x[i] - y[i]) < 1e-4f * (1 + fabsf(x[i])), "logit %zu: %g and %g", i, (double)x[i],
                  (double)y[i]);
    cr_expect(x[0] != x[1] && fabsf(x[0]) > 1e-3f, "the logits say nothing: %g", (double)x[0]);
    craft_release(a);
    craft_release(b);
}

static void check_refused(struct craft *c, const char *word)
{
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();
    const enum status st = craft_read(c, &OPTIONS, &m, report, &err);

    check_refusal(word, st, ST_FORMAT, &err, word);
    cr_expect_null(m);
    json_decref(report);
    craft_release(c);
}

/* ---- the network that is written again and again ---- */

/* image [n,1,64,64] -> convolution 3x3 by 2 -> `image` becomes "conv" [n,4,31,31]. */
static void begin(struct craft *c) { craft_begin(c, DIMS(0, 1, SIZE, SIZE)); }

static Onnx__NodeProto *conv(struct craft *c, const char *inputs, const char *output)
{
    Onnx__NodeProto *node = craft_node(c, "Conv", inputs, output);

    craft_ints(c, node, "strides", DIMS(2, 2));
    return node;
}

static void body(struct craft *c)
{
    craft_weights(c, "c1.weight", DIMS(4, 1, 3, 3));
    craft_weights(c, "c1.bias", DIMS(4));
    conv(c, "image c1.weight c1.bias", "conv");
}

/* `from` [n,4,*,*] -> the mean -> dense -> "out". */
static void head(struct craft *c, const char *from)
{
    Onnx__NodeProto *node;

    craft_weights(c, "fc.weight", DIMS(LABELS, 4));
    craft_weights(c, "fc.bias", DIMS(LABELS));
    craft_node(c, "GlobalAveragePool", from, "mean");
    craft_node(c, "Flatten", "mean", "flat");
    node = craft_node(c, "Gemm", "flat fc.weight fc.bias", "out");
    craft_int(c, node, "transB", 1);
}

static void plain(struct craft *c)
{
    begin(c);
    body(c);
    craft_node(c, "Relu", "conv", "relu");
    head(c, "relu");
}

TEST_WITHOUT_LEAKS(onnx_read, a_network_is_read)
{
    struct craft c;
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();

    plain(&c);
    cr_assert_eq(craft_read(&c, &OPTIONS, &m, report, &err), ST_OK, "%s", err.text);
    cr_expect_str_eq(model_network(m)->architecture, "graph");
    cr_expect_str_eq(model_labels(m)->names[2], "Edema");
    cr_expect_not_null(network_tensor(model_network(m), "c1.weight"));
    cr_expect_not_null(network_tensor(model_network(m), "fc.bias"));
    cr_expect_str_eq(json_string_value(json_object_get(report, "format")), "onnx");
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(report, "operators"), "Relu")), 1);
    model_unref(m);
    json_decref(report);
    craft_release(&c);
}

/* ---- the same, written otherwise ---- */

TEST_WITHOUT_LEAKS(onnx_read, a_relu_that_is_clipped_is_relu6)
{
    struct craft a, b;

    for (int twice = 0; twice < 2; twice++) {
        struct craft *c = twice ? &b : &a;

        begin(c);
        body(c);
        craft_floats(c, "low", 0, NULL, (const float[]){ 0 });
        craft_floats(c, "high", 0, NULL, (const float[]){ 6 });
        if (twice)
            craft_node(c, "Relu", "conv", "relu");
        craft_node(c, "Clip", twice ? "relu - high" : "conv low high", "clip");
        head(c, "clip");
    }
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, a_product_and_a_sum_are_a_normalisation)
{
    const float one[] = { 1, 1, 1, 1 }, zero[] = { 0, 0, 0, 0 };
    struct craft a, b;

    begin(&a);
    body(&a);
    craft_weights(&a, "scale", DIMS(4));
    craft_weights(&a, "shift", DIMS(4));
    craft_floats(&a, "running", DIMS(4), zero);
    craft_floats(&a, "variance", DIMS(4), one);
    craft_float(&a, craft_node(&a, "BatchNormalization", "conv scale shift running variance", "norm"),
                "epsilon", 1e-9f);
    head(&a, "norm");
    begin(&b);
    body(&b);
    craft_weights(&b, "scale", DIMS(1, 4, 1, 1));
    craft_weights(&b, "shift", DIMS(4, 1, 1));
    craft_node(&b, "Mul", "scale conv", "scaled");
    craft_node(&b, "Add", "scaled shift", "norm");
    head(&b, "norm");
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, scaling_in_the_graph_is_preprocessing)
{
    struct craft a, b;

    plain(&a);
    begin(&b);
    craft_floats(&b, "centre", 0, NULL, (const float[]){ 0.5f });
    craft_floats(&b, "half", DIMS(1), (const float[]){ 0.5f });
    craft_node(&b, "Mul", "image half", "smaller");
    craft_node(&b, "Div", "smaller half", "as_before");
    craft_node(&b, "Sub", "as_before centre", "centred");
    craft_node(&b, "Add", "centre centred", "again");
    craft_weights(&b, "c1.weight", DIMS(4, 1, 3, 3));
    craft_weights(&b, "c1.bias", DIMS(4));
    conv(&b, "again c1.weight c1.bias", "conv");
    craft_node(&b, "Relu", "conv", "relu");
    head(&b, "relu");
    check_same(&a, &b);
}

/* ---- some of the channels ---- */

static void slice(struct craft *c, const char *name, int64_t first, int64_t end)
{
    char begins[40], ends[40], inputs[200];

    snprintf(begins, sizeof begins, "%s_begins", name);
    snprintf(ends, sizeof ends, "%s_ends", name);
    snprintf(inputs, sizeof inputs, "relu %s %s axis", begins, ends);
    craft_int64s(c, begins, DIMS(1), &first);
    craft_int64s(c, ends, DIMS(1), &end);
    craft_node(c, "Slice", inputs, name);
}

/* Four channels, ReLU behind them, and an axis to cut. */
static void four_channels(struct craft *c)
{
    begin(c);
    body(c);
    craft_node(c, "Relu", "conv", "relu");
    craft_int64s(c, "axis", DIMS(1), (const int64_t[]){ 1 });
}

static void join(struct craft *c, const char *inputs)
{
    craft_int(c, craft_node(c, "Concat", inputs, "joined"), "axis", 1);
    head(c, "joined");
}

/* Cut and joined again they are what they were, however the cuts are written. */
TEST_WITHOUT_LEAKS(onnx_read, channels_are_cut)
{
    struct craft a, b;

    plain(&a);
    four_channels(&b);
    slice(&b, "front", 0, -3);
    slice(&b, "back", 1, INT64_MAX);
    join(&b, "front back");
    check_same(&a, &b);
    plain(&a);
    four_channels(&b);
    craft_int64s(&b, "sizes", DIMS(3), (const int64_t[]){ 1, 2, 1 });
    craft_int(&b, craft_node(&b, "Split", "relu sizes", "first middle last"), "axis", -3);
    join(&b, "first middle last");
    check_same(&a, &b);
    plain(&a);
    four_channels(&b);
    craft_int(&b, craft_node(&b, "Split", "relu", "front back"), "axis", 1);
    join(&b, "front back");
    check_same(&a, &b);
}

/* A result that nobody reads has no name; the other is the same channels in another place. */
TEST_WITHOUT_LEAKS(onnx_read, channels_are_parted_in_another_order)
{
    struct craft a, b;

    four_channels(&a);
    slice(&a, "back", 2, 4);
    slice(&a, "third", 2, 3);
    slice(&a, "fourth", 3, 4);
    join(&a, "back third fourth");
    four_channels(&b);
    craft_int(&b, craft_node(&b, "Split", "relu", "- back"), "axis", 1);
    join(&b, "back back");
    check_same(&a, &b);
}

/* Channels 0 1 2 and 3 2 3 in two groups: dealt out they begin with 0 3 1 2. */
static void parted(struct craft *c, const int64_t perm[5])
{
    four_channels(c);
    slice(c, "back", 2, 4);
    craft_int(c, craft_node(c, "Concat", "relu back", "six"), "axis", 1);
    craft_int64s(c, "parts", DIMS(5), (const int64_t[]){ 0, 2, 3, 31, 31 });
    craft_int64s(c, "sizes", DIMS(2), (const int64_t[]){ 4, 2 });
    craft_int64s(c, "whole", DIMS(4), (const int64_t[]){ 0, -1, 31, 31 });
    craft_node(c, "Reshape", "six parts", "parted");
    craft_ints(c, craft_node(c, "Transpose", "parted", "dealt"), "perm", 5, perm);
    craft_node(c, "Reshape", "dealt whole", "shuffled");
    craft_int(c, craft_node(c, "Split", "shuffled sizes", "four -"), "axis", 1);
    head(c, "four");
}

TEST_WITHOUT_LEAKS(onnx_read, channels_are_shuffled)
{
    struct craft a, b;

    four_channels(&a);
    slice(&a, "0", 0, 1);
    slice(&a, "1", 1, 2);
    slice(&a, "2", 2, 3);
    slice(&a, "3", 3, 4);
    join(&a, "0 3 1 2");
    parted(&b, (const int64_t[]){ 0, 2, 1, 3, 4 });
    check_same(&a, &b);
    parted(&b, (const int64_t[]){ 0, 2, 1, 4, 3 });
    check_refused(&b, "moves numbers otherwise");
}

TEST_WITHOUT_LEAKS(onnx_read, cuts_of_something_else_are_refused)
{
    struct craft c;

    four_channels(&c);
    slice(&c, "none", 3, 3);
    head(&c, "none");
    check_refused(&c, "takes no channel");
    four_channels(&c);
    craft_int64s(&c, "begins", DIMS(1), (const int64_t[]){ 0 });
    craft_int64s(&c, "two", DIMS(1), (const int64_t[]){ 2 });
    craft_node(&c, "Slice", "relu begins two two", "rows");
    head(&c, "rows");
    check_refused(&c, "something else than channels");
    four_channels(&c);
    craft_int64s(&c, "begins", DIMS(1), (const int64_t[]){ 0 });
    craft_int64s(&c, "ends", DIMS(1), (const int64_t[]){ 4 });
    craft_int64s(&c, "two", DIMS(1), (const int64_t[]){ 2 });
    craft_node(&c, "Slice", "relu begins ends axis two", "odd");
    head(&c, "odd");
    check_refused(&c, "in a row");
    for (int64_t last = 0; last <= 2; last += 2) { /* one too few, one too many */
        four_channels(&c);
        craft_int64s(&c, "sizes", DIMS(2), (const int64_t[]){ 3, last });
        craft_int(&c, craft_node(&c, "Split", "relu sizes", "front back"), "axis", 1);
        join(&c, "front back");
        check_refused(&c, "not those of 4 channels");
    }
    four_channels(&c);
    craft_int(&c, craft_node(&c, "Split", "relu", "front back"), "axis", 2);
    join(&c, "front back");
    check_refused(&c, "parts something else");
}

TEST_WITHOUT_LEAKS(onnx_read, what_reads_the_picture_twice_keeps_its_scaling)
{
    struct craft a, b;

    for (int written = 0; written < 2; written++) {
        struct craft *c = written ? &b : &a;

        begin(c);
        craft_floats(c, "two", 0, NULL, (const float[]){ 2 });
        craft_floats(c, "three", 0, NULL, (const float[]){ 3 });
        if (written) {
            craft_node(c, "Mul", "image two", "twice");
            craft_node(c, "Add", "image twice", "sum");
        } else {
            craft_node(c, "Mul", "image three", "sum");
        }
        craft_weights(c, "c1.weight", DIMS(4, 1, 3, 3));
        craft_weights(c, "c1.bias", DIMS(4));
        conv(c, "sum c1.weight c1.bias", "conv");
        head(c, "conv");
    }
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, channels_last_is_another_order)
{
    struct craft a, b;

    plain(&a);
    craft_begin(&b, DIMS(0, SIZE, SIZE, 1));
    craft_ints(&b, craft_node(&b, "Transpose", "image", "first"), "perm", DIMS(0, 3, 1, 2));
    craft_weights(&b, "c1.weight", DIMS(4, 1, 3, 3));
    craft_weights(&b, "c1.bias", DIMS(4));
    conv(&b, "first c1.weight c1.bias", "conv");
    craft_ints(&b, craft_node(&b, "Transpose", "conv", "last"), "perm", DIMS(0, 2, 3, 1));
    craft_node(&b, "Relu", "last", "relu");
    craft_ints(&b, craft_node(&b, "ReduceMean", "relu", "mean"), "axes", DIMS(1, 2));
    craft_int64s(&b, "shape", DIMS(2), (const int64_t[]){ -1, 4 });
    craft_node(&b, "Reshape", "mean shape", "flat");
    craft_weights(&b, "fc.weight", DIMS(LABELS, 4));
    craft_weights(&b, "fc.bias", DIMS(LABELS));
    craft_ints(&b, craft_node(&b, "Transpose", "fc.weight", "matrix"), "perm", DIMS(1, 0));
    craft_node(&b, "MatMul", "flat matrix", "product");
    craft_node(&b, "Add", "product fc.bias", "out");
    check_same(&a, &b);
}

/* A dense layer over rows, columns, channels reads the same numbers in another order. */
TEST_WITHOUT_LEAKS(onnx_read, a_dense_layer_over_channels_last)
{
    enum { SIDE = 3, CELLS = SIDE * SIDE, N = CELLS * 4 };
    float first[LABELS * N], last[LABELS * N];
    struct craft a, b;
    struct rng rng;

    rng_seed(&rng, 3, 0);
    for (size_t i = 0; i < LABELS * N; i++) {
        const size_t row = i / N, channel = i % N / CELLS, cell = i % CELLS;

        first[i] = rng_uniform(&rng, -1, 1);
        last[row * N + cell * 4 + channel] = first[i];
    }
    for (int written = 0; written < 2; written++) {
        struct craft *c = written ? &b : &a;
        Onnx__NodeProto *pool;

        begin(c);
        body(c);
        pool = craft_node(c, "MaxPool", "conv", "pool");
        craft_ints(c, pool, "kernel_shape", DIMS(10, 10));
        craft_ints(c, pool, "strides", DIMS(10, 10));
        if (written)
            craft_ints(c, craft_node(c, "Transpose", "pool", "last"), "perm", DIMS(0, 2, 3, 1));
        craft_floats(c, "fc.weight", DIMS(LABELS, N), written ? last : first);
        craft_node(c, "Flatten", written ? "last" : "pool", "flat");
        craft_int(c, craft_node(c, "Gemm", "flat fc.weight", "out"), "transB", 1);
    }
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, padding_before_a_window_is_its_border)
{
    struct craft a, b;

    begin(&a);
    craft_weights(&a, "c1.weight", DIMS(4, 1, 3, 3));
    craft_ints(&a, conv(&a, "image c1.weight", "conv"), "pads", DIMS(0, 1, 2, 3));
    head(&a, "conv");
    begin(&b);
    craft_weights(&b, "c1.weight", DIMS(4, 1, 3, 3));
    craft_int64s(&b, "pads", DIMS(8), (const int64_t[]){ 0, 0, 0, 1, 0, 0, 1, 2 });
    craft_node(&b, "Pad", "image pads", "padded");
    craft_ints(&b, conv(&b, "padded c1.weight", "conv"), "pads", DIMS(0, 0, 1, 1));
    head(&b, "conv");
    check_same(&a, &b);
}

/* torch.onnx's operators for x.view(x.size(0), -1) where the batch is open, and of padding as TensorFlow pads. */
TEST_WITHOUT_LEAKS(onnx_read, arithmetic_of_shapes_is_worked_out)
{
    struct craft a, b;

    plain(&a);
    begin(&b);
    body(&b);
    craft_node(&b, "Relu", "conv", "relu");
    craft_node(&b, "GlobalAveragePool", "relu", "mean");
    craft_node(&b, "Shape", "mean", "shape");
    craft_int64s(&b, "zero", 0, NULL, (const int64_t[]){ 0 });
    craft_int64s(&b, "axis", DIMS(1), (const int64_t[]){ 0 });
    craft_int64s(&b, "rest", DIMS(1), (const int64_t[]){ -1 });
    craft_int(&b, craft_node(&b, "Gather", "shape zero", "batch"), "axis", 0);
    craft_node(&b, "Unsqueeze", "batch axis", "batch_list");
    craft_int(&b, craft_node(&b, "Concat", "batch_list rest", "flat_shape"), "axis", 0);
    craft_node(&b, "Reshape", "mean flat_shape", "flat");
    craft_weights(&b, "fc.weight", DIMS(LABELS, 4));
    craft_weights(&b, "fc.bias", DIMS(LABELS));
    craft_node(&b, "Identity", "fc.bias", "bias");
    craft_int(&b, craft_node(&b, "Gemm", "flat fc.weight bias", "out"), "transB", 1);
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, gates_are_one_kind)
{
    struct craft a, b;

    for (int written = 0; written < 2; written++) {
        struct craft *c = written ? &b : &a;

        begin(c);
        body(c);
        craft_floats(c, "three", 0, NULL, (const float[]){ 3 });
        craft_floats(c, "six", 0, NULL, (const float[]){ 6 });
        craft_floats(c, "zero", 0, NULL, (const float[]){ 0 });
        if (written) { /* as TensorFlow has it */
            craft_node(c, "Add", "conv three", "moved");
            craft_node(c, "Clip", "moved zero six", "gate");
            craft_node(c, "Mul", "conv gate", "product");
            craft_node(c, "Div", "product six", "swish");
        } else {
            craft_node(c, "HardSwish", "conv", "swish");
        }
        craft_node(c, "Sigmoid", "swish", "s");
        craft_node(c, "Mul", written ? "s swish" : "swish s", "silu");
        head(c, "silu");
    }
    check_same(&a, &b);
}

/* Squeeze and excitation: a factor a channel. */
TEST_WITHOUT_LEAKS(onnx_read, a_factor_a_channel_may_stand_first)
{
    struct craft a, b;

    for (int written = 0; written < 2; written++) {
        struct craft *c = written ? &b : &a;

        begin(c);
        body(c);
        craft_node(c, "GlobalAveragePool", "conv", "squeezed");
        craft_weights(c, "se.weight", DIMS(4, 4, 1, 1));
        craft_node(c, "Conv", "squeezed se.weight", "excited");
        craft_node(c, "Sigmoid", "excited", "factor");
        craft_node(c, "Mul", written ? "factor conv" : "conv factor", "weighted");
        head(c, "weighted");
    }
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, a_sigmoid_at_the_end_is_our_own_last_step)
{
    struct craft a, b;

    plain(&a);
    plain(&b);
    b.nodes[b.graph.n_node - 1]->output[0] = b.nodes[b.graph.n_node - 1]->name = (char *)craft_alloc(&b, 8);
    memcpy(b.nodes[b.graph.n_node - 1]->output[0], "logit", 6);
    craft_node(&b, "Sigmoid", "logit", "out");
    check_same(&a, &b);
}

/* Fully convolutional: the numbers are there without a dense layer. */
TEST_WITHOUT_LEAKS(onnx_read, a_convolution_may_be_the_last)
{
    struct craft a, b;

    plain(&a);
    begin(&b);
    body(&b);
    craft_node(&b, "Relu", "conv", "relu");
    craft_weights(&b, "fc.weight", DIMS(LABELS, 4, 1, 1));
    craft_weights(&b, "fc.bias", DIMS(LABELS));
    craft_node(&b, "Conv", "relu fc.weight fc.bias", "map");
    craft_node(&b, "GlobalAveragePool", "map", "mean");
    craft_node(&b, "Flatten", "mean", "out");
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, old_operator_sets_have_attributes_for_inputs)
{
    struct craft a, b;

    begin(&a);
    body(&a);
    craft_floats(&a, "low", 0, NULL, (const float[]){ 0 });
    craft_floats(&a, "high", 0, NULL, (const float[]){ 6 });
    craft_node(&a, "Clip", "conv low high", "clip");
    head(&a, "clip");
    begin(&b);
    b.opset.version = 9;
    body(&b);
    Onnx__NodeProto *clip = craft_node(&b, "Clip", "conv", "clip");
    craft_float(&b, clip, "min", 0);
    craft_float(&b, clip, "max", 6);
    head(&b, "clip");
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, outputs_are_left_out)
{
    struct import_options o = OPTIONS;
    float all[LABELS], some[2];
    struct craft c;

    plain(&c);
    logits_of(&c, &o, all);
    o.labels = "Edema,,Mass";
    logits_of(&c, &o, some);
    cr_expect_float_eq(some[0], all[0], 1e-5);
    cr_expect_float_eq(some[1], all[2], 1e-5);
    craft_release(&c);
}

/* Features, or the classes of other pictures: a network to transfer from. */
TEST_WITHOUT_LEAKS(onnx_read, features_get_a_head_of_zeros)
{
    for (int classes = 0; classes < 2; classes++) {
        struct model *m = NULL;
        struct error err = { 0 };
        json_t *report = json_object();
        float logits[LABELS];
        struct craft c;

        begin(&c);
        craft_weights(&c, "wide.weight", DIMS(70, 1, 3, 3));
        craft_ints(&c, craft_node(&c, "Conv", "image wide.weight", "conv"), "strides", DIMS(8, 8));
        craft_ints(&c, craft_node(&c, "ReduceMean", "conv", classes ? "mean" : "out"), "axes", DIMS(2, 3));
        if (classes) {
            craft_weights(&c, "fc.weight", DIMS(1000, 70));
            craft_node(&c, "Flatten", "mean", "flat");
            craft_int(&c, craft_node(&c, "Gemm", "flat fc.weight", "out"), "transB", 1);
        }
        logits_of(&c, &OPTIONS, logits);
        for (size_t i = 0; i < LABELS; i++)
            cr_expect_eq(logits[i], 0);
        cr_assert_eq(craft_read(&c, &OPTIONS, &m, report, &err), ST_OK, "%s", err.text);
        cr_expect(model_is_backbone(m));
        cr_expect_eq(model_features(m), 70, "%zu", model_features(m));
        model_unref(m);
        json_decref(report);
        craft_release(&c);
    }
}

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
    craft_node(&c, "Reshape", "image joined", "out");
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
    check_refusal("NaN", craft_read(&c, &OPTIONS, &m, report, &err), ST_NUMERIC, &err, "c1.weight");
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

    check_refusal(word, onnx_read(g.bytes, n, &OPTIONS, &m, report, &err), expected, &err, word);
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
        const enum status st = onnx_read(g.bytes, n, &OPTIONS, &m, report, &err);

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
    check_refusal("many", craft_read(&c, &OPTIONS, &m, report, &err), ST_LIMIT, &err, "inputs or constants");
    json_decref(report);
    free(inputs);
    craft_release(&c);
}
