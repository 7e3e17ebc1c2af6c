/* tests/unit/test_onnx_read_ends.c - how a graph begins and ends: a grey picture in several channels, the largest of a plane, and what
 * stands behind the last layer. */
#include "leaks.h"
#include "onnx_network.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

/* ---- a grey picture for a network of colours ---- */

/* The picture as three channels by `op`, and a convolution of three. */
static void of_colours(struct craft *c, const char *op, const char *inputs)
{
    craft_weights(c, "c3.weight", DIMS(4, 3, 3, 3));
    craft_node(c, op, inputs, "colours");
    conv(c, "colours c3.weight", "conv");
    head(c, "conv");
}

static void joined(struct craft *c)
{
    begin(c);
    craft_int(c, craft_node(c, "Concat", "image image image", "joined"), "axis", 1);
    of_colours(c, "Identity", "joined");
}

TEST_WITHOUT_LEAKS(onnx_read, a_picture_is_repeated)
{
    struct craft a, b;

    joined(&a);
    begin(&b);
    craft_int64s(&b, "times", DIMS(4), (const int64_t[]){ 1, 3, 1, 1 });
    of_colours(&b, "Tile", "image times");
    check_same(&a, &b);
    joined(&a);
    begin(&b);
    craft_int64s(&b, "shape", DIMS(3), (const int64_t[]){ 3, 1, 1 });
    of_colours(&b, "Expand", "image shape");
    check_same(&a, &b);
}

/* As torch.onnx writes x.expand(-1, 3, -1, -1): -1 becomes 1, by a choice among lists. */
TEST_WITHOUT_LEAKS(onnx_read, a_list_is_chosen_from_two)
{
    struct craft a, b;

    joined(&a);
    begin(&b);
    craft_int64s(&b, "wanted", DIMS(4), (const int64_t[]){ -1, 3, -1, -1 });
    craft_int64s(&b, "ones", DIMS(4), (const int64_t[]){ 1, 1, 1, 1 });
    craft_int64s(&b, "less", 0, NULL, (const int64_t[]){ -1 });
    craft_node(&b, "Mul", "ones less", "open");
    craft_node(&b, "Equal", "wanted open", "is_open");
    craft_node(&b, "Where", "is_open ones wanted", "shape");
    of_colours(&b, "Expand", "image shape");
    check_same(&a, &b);
}

TEST_WITHOUT_LEAKS(onnx_read, what_is_repeated_otherwise_is_refused)
{
    static const struct {
        const char *op;
        int64_t n, numbers[5];
        const char *word;
    } CASES[] = {
        { "Tile",
          4,
          { 1, 1, 2, 1 },
          "node 'colours' (Tile): it repeats something else than the one channel" },
        { "Tile", 4, { 1, 0, 1, 1 }, "it repeats axis 1 0 times" },
        { "Tile", 4, { 1, INT64_MAX, 1, 1 }, "it repeats axis 1 9223372036854775807 times" },
        { "Tile", 2, { 1, 3 }, "not one for each of 4 axes" },
        { "Expand",
          4,
          { 2, 3, 1, 1 },
          "node 'colours' (Expand): it repeats something else than the one channel" },
        { "Expand", 5, { 1, 1, 3, 1, 1 }, "its shape has 5 axes, its input 4" },
        { "Expand", 4, { 1, -3, 1, 1 }, "its shape has -3 on axis 1" },
        { "Expand", 4, { 1, 3, 5, 1 }, "its inputs do not fit: 64 and 5 on an axis" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct craft c;

        begin(&c);
        craft_int64s(&c, "numbers", 1, &CASES[i].n, CASES[i].numbers);
        of_colours(&c, CASES[i].op, "image numbers");
        check_refused(&c, CASES[i].word);
    }
}

/* A plane of 2 x 2 that is seen as four channels is not one of them. */
TEST_WITHOUT_LEAKS(onnx_read, what_is_seen_as_channels_is_not_repeated)
{
    struct craft c;
    Onnx__NodeProto *node;

    begin(&c);
    craft_weights(&c, "c1.weight", DIMS(1, 1, 3, 3));
    conv(&c, "image c1.weight", "conv");
    node = craft_node(&c, "MaxPool", "conv", "four");
    craft_ints(&c, node, "kernel_shape", DIMS(15, 15));
    craft_ints(&c, node, "strides", DIMS(15, 15));
    craft_int64s(&c, "row", DIMS(4), (const int64_t[]){ -1, 4, 1, 1 });
    craft_int64s(&c, "times", DIMS(4), (const int64_t[]){ 1, 2, 1, 1 });
    craft_node(&c, "Reshape", "four row", "seen");
    craft_node(&c, "Tile", "seen times", "eight");
    craft_node(&c, "Flatten", "eight", "flat");
    craft_weights(&c, "d.weight", DIMS(8, LABELS));
    craft_node(&c, "MatMul", "flat d.weight", "out");
    check_refused(&c, "it repeats something else than the one channel");
}

/* ---- the largest of a plane ---- */

/* Planes of 31 x 31, which no window of ours covers. */
static void largest(struct craft *c, const char *how)
{
    Onnx__NodeProto *node;

    begin(c);
    body(c);
    node = craft_node(c, how, "conv", "largest");
    if (how[0] == 'R')
        craft_ints(c, node, "axes", DIMS(2, -1));
    if (how[0] == 'M')
        craft_ints(c, node, "kernel_shape", DIMS(31, 31));
    head(c, "largest");
}

/* The same by windows of 2 x 2, whose last ones are partly outside. */
static void largest_by_parts(struct craft *c)
{
    char from[8] = "conv", to[8];

    begin(c);
    body(c);
    for (int i = 0; i < 5; i++) {
        Onnx__NodeProto *node;

        snprintf(to, sizeof to, "p%d", i);
        node = craft_node(c, "MaxPool", from, to);
        craft_ints(c, node, "kernel_shape", DIMS(2, 2));
        craft_ints(c, node, "strides", DIMS(2, 2));
        craft_int(c, node, "ceil_mode", 1);
        memcpy(from, to, sizeof from);
    }
    head(c, from);
}

TEST_WITHOUT_LEAKS(onnx_read, the_largest_of_a_plane_has_no_limit)
{
    static const char *const HOW[] = { "GlobalMaxPool", "ReduceMax", "MaxPool" };

    for (size_t i = 0; i < 3; i++) {
        struct craft a, b;

        largest_by_parts(&a);
        largest(&b, HOW[i]);
        check_same(&a, &b);
    }
}

/* ---- behind the last layer ---- */

TEST_WITHOUT_LEAKS(onnx_read, the_last_shape_says_nothing_of_findings)
{
    static const char *const OPS[] = { "Sigmoid", "Squeeze", "Reshape", "Flatten", "Unsqueeze", "Identity" };

    for (size_t first = 0; first < 6; first++)
        for (size_t second = 0; second < 6; second++) {
            struct craft a, b;
            const char *from = "logit", *op[] = { OPS[first], OPS[second] };

            plain(&a);
            begin(&b);
            body(&b);
            craft_node(&b, "Relu", "conv", "relu");
            head_called(&b, "relu", "logit");
            craft_int64s(&b, "axis", DIMS(1), (const int64_t[]){ 2 });
            craft_int64s(&b, "rest", DIMS(1), (const int64_t[]){ -1 });
            if (first == second && first == 0)
                op[1] = "Identity";
            for (size_t i = 0; i < 2; i++) {
                char inputs[32];

                snprintf(inputs, sizeof inputs, "%s%s", from,
                         strstr(op[i], "queeze") ? " axis"
                         : op[i][0] == 'R'       ? " rest"
                                                 : "");
                from = i ? "out" : "between";
                craft_node(&b, op[i], inputs, from);
            }
            check_same(&a, &b);
        }
}

/* A sigmoid's results that something else comes of would go through another sigmoid, and nobody would notice. */
TEST_WITHOUT_LEAKS(onnx_read, what_is_made_of_a_sigmoids_results_is_refused)
{
    static const struct {
        const char *op, *inputs;
    } CASES[] = { { "Concat", "p p" }, { "Add", "p p" },          { "Mul", "p half" }, { "Sub", "half p" },
                  { "Div", "p half" }, { "Clip", "p none half" }, { "Identity", "q" } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct craft c;
        Onnx__NodeProto *node;

        begin(&c);
        body(&c);
        head_called(&c, "conv", "logit");
        craft_floats(&c, "half", 0, NULL, (const float[]){ 0.5f });
        craft_floats(&c, "none", 0, NULL, (const float[]){ 0 });
        craft_node(&c, "Sigmoid", "logit", "p");
        craft_node(&c, "HardSigmoid", "logit", "q");
        node = craft_node(&c, CASES[i].op, CASES[i].inputs, "out");
        if (CASES[i].op[0] == 'C' && CASES[i].op[1] == 'o')
            craft_int(&c, node, "axis", 1);
        check_refused(&c, "made of what a sigmoid gives");
    }
}

/* The largest or the mean of a map of probabilities. */
TEST_WITHOUT_LEAKS(onnx_read, a_pool_of_sigmoids_is_refused)
{
    static const char *const OPS[] = { "GlobalMaxPool", "GlobalAveragePool" };

    for (size_t i = 0; i < 2; i++) {
        struct craft c;

        begin(&c);
        body(&c);
        craft_weights(&c, "maps.weight", DIMS(LABELS, 4, 1, 1));
        craft_node(&c, "Conv", "conv maps.weight", "maps");
        craft_node(&c, "Sigmoid", "maps", "p");
        craft_node(&c, OPS[i], "p", "pooled");
        craft_node(&c, "Flatten", "pooled", "out");
        check_refused(&c, "made of what a sigmoid gives");
    }
}

/* ---- in training ---- */

/* A normalisation that gives its statistics too, as files before operator set 14 say that it is in training. */
static void with_statistics(struct craft *c, int64_t opset)
{
    static const float ONES[] = { 1, 1, 1, 1 };

    begin(c);
    c->opset.version = opset;
    body(c);
    craft_floats(c, "ones", DIMS(4), ONES);
    craft_node(c, "BatchNormalization", "conv ones ones ones ones", "norm mean_out variance_out");
    head(c, "norm");
}

TEST_WITHOUT_LEAKS(onnx_read, a_normalisation_in_training_is_refused)
{
    struct craft c;

    with_statistics(&c, 13);
    check_refused(&c, "node 'norm' (BatchNormalization): it is in training");
}
