/* tests/unit/test_onnx_read_networks.c - whole networks: written as different exporters write the same one they must give the same. */
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "leaks.h"
#include "onnx_network.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST_WITHOUT_LEAKS(onnx_read, a_network_is_read)
{
    struct craft c;
    struct model *m = NULL;
    struct error err = { 0 };
    json_t *report = json_object();

    plain(&c);
    cr_assert_eq(craft_read(&c, &ONNX_OPTIONS, &m, report, &err), ST_OK, "%s", err.text);
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

/* `op` of windows of 3 x 3 cells, behind padding of `bottom` rows and `right` columns with `number`, if there is any. */
static void padded_pool(struct craft *c, const char *op, const float *number, int64_t bottom, int64_t right)
{
    Onnx__NodeProto *pool;

    begin(c);
    body(c);
    if (number) {
        craft_floats(c, "number", 0, NULL, number);
        craft_int64s(c, "pads", DIMS(8), (const int64_t[]){ 0, 0, 0, 0, 0, 0, bottom, right });
        if (number[0] == 0)
            craft_node(c, "Relu", "conv", "relu");
        craft_node(c, "Pad", number[0] == 0 ? "relu pads number" : "conv pads number", "padded");
    }
    pool = craft_node(c, op, number ? "padded" : "conv", "pool");
    craft_ints(c, pool, "kernel_shape", DIMS(3, 3));
    craft_ints(c, pool, "strides", DIMS(3, 3));
    craft_int(c, pool, "ceil_mode", 1);
    if (!number)
        craft_ints(c, pool, "pads", DIMS(0, 0, bottom, right));
    head(c, "pool");
}

/* timm's MaxPool2dSame, and what cxrd itself writes of a dilated pool. */
TEST_WITHOUT_LEAKS(onnx_read, padding_with_the_lowest_number_is_the_border_of_a_largest)
{
    static const float LOWEST[] = { -INFINITY, -FLT_MAX };

    for (size_t i = 0; i < 2; i++) {
        struct craft a, b;

        padded_pool(&a, "MaxPool", NULL, 1, 2);
        padded_pool(&b, "MaxPool", &LOWEST[i], 1, 2);
        check_same(&a, &b);
        padded_pool(&b, "AveragePool", &LOWEST[i], 1, 2);
        check_refused(&b, "node 'pool' (AveragePool): it reads a border of the lowest number, not of zeros");
    }
}

/* A last window that is partly inside begins anywhere in what was padded, not in the picture alone. */
TEST_WITHOUT_LEAKS(onnx_read, a_pool_that_rounds_up_counts_the_padding_before_it)
{
    static const float ZERO = 0;
    struct craft c;

    padded_pool(&c, "MaxPool", &ZERO, 3, 3);
    check_refused(&c, "a window sees nothing but the border");
    padded_pool(&c, "AveragePool", &ZERO, 3, 3);
    check_refused(&c, "its last window is partly outside of a border that counts");
}

/* A window of one cell by `stride`, of "SAME_UPPER" or without padding. */
static void cell_of(struct craft *c, int64_t stride, bool same)
{
    Onnx__NodeProto *node;

    begin(c);
    craft_weights(c, "c1.weight", DIMS(4, 1, 1, 1));
    node = craft_node(c, "Conv", "image c1.weight", "conv");
    craft_ints(c, node, "strides", DIMS(stride, stride));
    if (same)
        craft_text(c, node, "auto_pad", "SAME_UPPER");
    head(c, "conv");
}

/* ONNX Runtime begins inside of the picture where TensorFlow begins at its edge. */
TEST_WITHOUT_LEAKS(onnx_read, automatic_padding_takes_no_cell_away)
{
    struct craft a, b;

    cell_of(&a, 2, true);
    cell_of(&b, 2, false);
    check_same(&a, &b);
    cell_of(&a, 8, true);
    check_refused(&a, "its auto_pad would take cells away");
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
    struct import_options o = ONNX_OPTIONS;
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
        logits_of(&c, &ONNX_OPTIONS, logits);
        for (size_t i = 0; i < LABELS; i++)
            cr_expect_eq(logits[i], 0);
        cr_assert_eq(craft_read(&c, &ONNX_OPTIONS, &m, report, &err), ST_OK, "%s", err.text);
        cr_expect(model_is_backbone(m));
        cr_expect_eq(model_features(m), 70, "%zu", model_features(m));
        model_unref(m);
        json_decref(report);
        craft_release(&c);
    }
}
