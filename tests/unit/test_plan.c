/* tests/unit/test_plan.c - what the passes make of a graph computes what its layers say: graphs by hand and all architectures,
 * forward and backward, on every instruction set, whoever shares the work. Random ones are in test_random_graphs.c. */
#include "cxrd/labels.h"
#include "cxrd/training.h"
#include "leaks.h"
#include "model/core/floats.h"
#include "model/net/graph/graph.h"
#include "model/net/plan/plan.h"
#include "plain_network.h"
#include "plan_gap.h"
#include "plan_run.h"
#include "random_graph.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const SETS[] = { "avx512", "avx2", "generic" };
enum { N_SETS = 3, GRAPHS = 200 };

/* The values of a picture that overflowed must reach no other picture, whatever shares their memory. */
TEST_WITHOUT_LEAKS(plan, forgets_the_picture_before)
{
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        const struct network *net =
            random_graph(seed, random_graph_nodes(seed), random_graph_side(seed), RANDOM_BLOCKS);
        const size_t n = IMAGES * shape_size(net->nodes[0].out);
        float *values = random_graph_values(net, seed), *x = random_floats(n, seed), *before = floats_new(n);
        float fresh[IMAGES * MAX_LABELS], again[IMAGES * MAX_LABELS];

        for (size_t i = 0; i < n; i++)
            before[i] = NAN;
        plan_forward(net, kernels(), values, NULL, IMAGES, x, NULL, fresh);
        plan_forward(net, kernels(), values, before, IMAGES, x, NULL, again);
        cr_assert_eq(memcmp(fresh, again, IMAGES * net->n_labels * sizeof *fresh), 0, "seed %zu",
                     (size_t)seed);
        free(before);
        free(x);
        free(values);
        network_unref(net);
    }
}

/* ---- graphs by hand: what random ones seldom have ---- */

static size_t conv(struct graph *g, size_t from, size_t channels, size_t side)
{
    return graph_add(g,
                     &(struct node){ .ops = &LAYER_CONV,
                                     .from = { from },
                                     .channels = channels,
                                     .window = WINDOW(side, side, 1, side / 2, side / 2),
                                     .bias = true },
                     graph_name(g, "n%zu", g->net->n_nodes));
}

/* The image is a thin picture as a convolution's input, and must not be one as what it adds. */
static void image_added_to_a_convolution(struct graph *g) { graph_join(g, &LAYER_ADD, conv(g, 0, 1, 3), 0); }

/* A pool that moves before the convolution has its channels. */
static void mean_behind_one_channel(struct graph *g)
{
    graph_pool(g, &LAYER_MEAN_POOL, conv(g, conv(g, 0, 8, 3), 1, 1), 2, 2, 0);
}

static void mean_behind_a_convolution_of_the_image(struct graph *g)
{
    graph_pool(g, &LAYER_MEAN_POOL, conv(g, 0, 8, 1), 2, 2, 0);
}

/* A part that is copied into pixels leaves the others' channels alone. */
static void part_twice_in_a_block(struct graph *g)
{
    const size_t part = conv(g, 0, MAX_PANEL, 3), whole = graph_join(g, &LAYER_CONCAT, part, part);

    graph_pool(g, &LAYER_MAX_POOL, graph_apply(g, &LAYER_RELU, conv(g, whole, MAX_PANEL, 3)), 2, 2, 0);
}

static void plain_part_in_a_block(struct graph *g)
{
    const size_t plain =
        graph_add(g, &(struct node){ .ops = &LAYER_REPLICATE, .from = { 0 }, .channels = MAX_PANEL }, NULL);
    const size_t whole = graph_join(g, &LAYER_CONCAT, plain, conv(g, 0, MAX_PANEL, 3));

    graph_pool(g, &LAYER_MAX_POOL, graph_apply(g, &LAYER_RELU, conv(g, whole, MAX_PANEL, 3)), 2, 2, 0);
}

static void in_groups(struct graph *g, size_t channels, size_t out, size_t groups, size_t side)
{
    const size_t at = conv(g, 0, channels, 3);
    const struct node l = { .ops = &LAYER_CONV,
                            .from = { at },
                            .channels = out,
                            .window = WINDOW(side, side, 1, side / 2, side / 2),
                            .groups = groups,
                            .bias = true };

    graph_apply(g, &LAYER_RELU, graph_add(g, &l, "groups"));
}

/* As ResNeXt has them, a few channels each; as wide as panels; those that stand across them; with fewer results than channels. */
static void narrow_groups(struct graph *g) { in_groups(g, 128, 128, 32, 3); }
static void wide_groups(struct graph *g) { in_groups(g, 192, 96, 3, 3); }
static void groups_across_panels(struct graph *g) { in_groups(g, 120, 200, 5, 1); }
static void groups_into_one_each(struct graph *g) { in_groups(g, 150, 50, 50, 3); }
static void groups_of_one(struct graph *g) { in_groups(g, 70, 210, 70, 3); }

/* Slices and shuffles that differ in what they take alone are not the same step. */
static size_t slice(struct graph *g, size_t from, size_t first, size_t channels)
{
    return graph_add(
        g, &(struct node){ .ops = &LAYER_SLICE, .from = { from }, .first = first, .channels = channels },
        NULL);
}
static size_t shuffle(struct graph *g, size_t from, size_t groups)
{
    return graph_add(g, &(struct node){ .ops = &LAYER_SHUFFLE, .from = { from }, .groups = groups }, NULL);
}
static void two_slices(struct graph *g)
{
    const size_t at = conv(g, 0, MAX_PANEL, 3), back = slice(g, at, 5, 3);

    conv(g, graph_join(g, &LAYER_CONCAT, slice(g, at, 0, 3), back), 8, 3);
}
static void two_shuffles(struct graph *g)
{
    const size_t at = conv(g, 0, MAX_PANEL, 3), by_2 = shuffle(g, at, 2);

    conv(g, graph_join(g, &LAYER_CONCAT, shuffle(g, at, 4), by_2), 8, 3);
}

typedef void author(struct graph *g);
static author *const BY_HAND[] = { image_added_to_a_convolution,
                                   mean_behind_one_channel,
                                   mean_behind_a_convolution_of_the_image,
                                   part_twice_in_a_block,
                                   plain_part_in_a_block,
                                   narrow_groups,
                                   wide_groups,
                                   groups_across_panels,
                                   groups_into_one_each,
                                   groups_of_one,
                                   two_slices,
                                   two_shuffles };
enum { N_BY_HAND = sizeof BY_HAND / sizeof BY_HAND[0] };

ParameterizedTestParameters(plan, answers_as_the_layers_of_graphs_by_hand_do)
{
    return cr_make_param_array(size_t, index_upto(N_BY_HAND), N_BY_HAND, index_free);
}

ParameterizedTest(size_t *index, plan, answers_as_the_layers_of_graphs_by_hand_do)
{
    const struct network *net;
    struct graph g;
    float *values, *x;

    graph_begin(&g, "by hand", 8, 1, N_NIH_LABELS, NULL);
    BY_HAND[*index](&g);
    graph_dense(&g, g.net->n_nodes - 1, "head", g.net->n_labels);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK);
    values = random_graph_values(net, 1);
    x = random_floats((size_t)IMAGES * 64, 1);
    for (size_t i = 0; i < N_SETS; i++) {
        const struct kernels *k = kernels_named(SETS[i]);

        if (k)
            cr_expect_leq(gap_of_logits(net, k, values, x), ALLOWED, "graph %zu, %s", *index, k->name);
    }
    free(values);
    free(x);
    network_unref(net);
    check_no_leaks();
}

/* 32 groups of 4 channels: written out as zeros they would be 32 times as many products, not as many as a panel has channels. */
TEST_WITHOUT_LEAKS(plan, leaves_out_most_zeros_of_groups)
{
    const struct network *net;
    struct graph g;

    graph_begin(&g, "by hand", 8, 1, N_NIH_LABELS, NULL);
    narrow_groups(&g);
    graph_dense(&g, g.net->n_nodes - 1, "head", g.net->n_labels);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK);
    for (size_t i = 0; i < N_SETS; i++) {
        const struct kernels *k = kernels_named(SETS[i]);
        struct plan *p;
        size_t products = 0;

        if (!k)
            continue;
        cr_assert_eq(plan_new(net, k, FOR_INFERENCE, PRECISION_FLOAT32, &p), ST_OK);
        for (size_t op = 0; op < p->n_ops; op++)
            if (p->ops[op].node && p->ops[op].node->groups == 32)
                products = p->ops[op].n_filters;
        cr_assert_eq(products, 128 * 9 * k->panel, "%s: %zu", k->name, products);
        plan_free(p);
    }
    network_unref(net);
}

/* ---- architectures ---- */

static const struct {
    const char *name;
    size_t side;
    enum head_kind head;
    size_t channels;
    bool by_channel;
} ARCHITECTURES[] = { { "cnn4", 80 },
                      { "mlp", 128 },
                      { "densenet121", 32 },
                      { "resnet18", 33 },
                      { "resnet50", 32 },
                      { "mobilenet_v2", 47 },
                      { "shufflenet_v2_x1_0", 47 },
                      { "cnn4", 80, HEAD_GAP },
                      { "cnn4", 128, HEAD_4X4 },
                      { "cnn4", 64, HEAD_4X4 },
                      { "resnet18", 33, HEAD_FLATTEN },
                      { "cnn4", 80, HEAD_OWN, 1 },
                      { "cnn4", 80, HEAD_OWN, 3, true },
                      { "mobilenet_v2", 47, HEAD_OWN, 1 },
                      { "resnet18", 33, HEAD_OWN, 3, true },
                      { "mlp", 64, HEAD_OWN, 3, true } };
enum { N_ARCHITECTURES = sizeof ARCHITECTURES / sizeof ARCHITECTURES[0] };

static const struct network *architecture_of(size_t index)
{
    const struct network_spec spec = { ARCHITECTURES[index].name,
                                       ARCHITECTURES[index].side,
                                       N_NIH_LABELS,
                                       0,
                                       ARCHITECTURES[index].head,
                                       ARCHITECTURES[index].channels,
                                       ARCHITECTURES[index].by_channel };
    const struct network *net;

    cr_assert_eq(network_new(&spec, &net, NULL), ST_OK);
    return net;
}

ParameterizedTestParameters(plan, runs_every_architecture)
{
    return cr_make_param_array(size_t, index_upto(N_ARCHITECTURES), N_ARCHITECTURES, index_free);
}

ParameterizedTest(size_t *index, plan, runs_every_architecture)
{
    const size_t side = ARCHITECTURES[*index].side;
    const struct network *net;
    struct pool *pool;
    float logits[IMAGES * MAX_LABELS], shared[IMAGES * MAX_LABELS], truth[IMAGES * MAX_LABELS], *values,
        *x = random_floats(IMAGES * MAX_CHANNELS * side * side, 1);

    net = architecture_of(*index);
    cr_assert_eq(pool_new(3, POOL_NORMAL, &pool, NULL), ST_OK);
    values = random_graph_values(net, 1);
    plan_forward(net, kernels(), values, NULL, IMAGES, x, NULL, logits);
    plan_forward(net, kernels(), values, NULL, IMAGES, x, pool, shared);
    cr_assert_eq(memcmp(logits, shared, IMAGES * net->n_labels * sizeof *logits), 0,
                 "one thread and three give other bits");
    cr_assert_eq(plain_forward(net, values, IMAGES, x, truth), ST_OK);
    cr_assert_leq(difference(logits, truth, IMAGES * net->n_labels), ALLOWED);
    pool_free(pool);
    free(values);
    free(x);
    network_unref(net);
    check_no_leaks();
}

/* By the running statistics: those of two pictures a side of one pixel would be the difference of two numbers. Where two cells of a
 * pool are equal but for a rounding, the slope may go to either: so other pictures are tried before a difference is one. */
ParameterizedTestParameters(plan, trains_every_architecture)
{
    return cr_make_param_array(size_t, index_upto(N_ARCHITECTURES), N_ARCHITECTURES, index_free);
}

ParameterizedTest(size_t *index, plan, trains_every_architecture)
{
    const size_t side = ARCHITECTURES[*index].side;
    const struct network *net;
    float *values;
    double gap = INFINITY;

    net = architecture_of(*index);
    values = random_graph_values(net, 1);
    for (uint64_t attempt = 0; attempt < 3 && gap > ALLOWED_DEEP; attempt++) {
        float *x = random_floats(IMAGES * MAX_CHANNELS * side * side, 1 + attempt);

        gap = gradient_gap_at(net, NULL, &(struct way){ IMAGES, 2, NORMS_FROZEN }, values, x);
        printf("%s: %g\n", ARCHITECTURES[*index].name, gap);
        free(x);
    }
    cr_assert_leq(gap, ALLOWED_DEEP, "%s: %g", ARCHITECTURES[*index].name, gap);
    free(values);
    network_unref(net);
    check_no_leaks();
}

/* The network that all this began with must not fall out of its kernels. */
TEST_WITHOUT_LEAKS(plan, has_a_kernel_for_all_of_cnn4)
{
    const struct network *net;
    struct plan *p;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", 64, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
    cr_assert_eq(plan_new(net, kernels(), FOR_INFERENCE, PRECISION_FLOAT32, &p), ST_OK);
    cr_assert_eq(p->n_ops, 4);
    cr_assert_eq(p->ops[0].kind, &OP_FIRST);
    cr_assert_eq(p->ops[0].folded, 3);
    for (size_t i = 1; i < p->n_ops; i++)
        cr_assert_eq(p->ops[i].kind, &OP_WINOGRAD);
    plan_free(p);
    network_unref(net);
}

/* Nor those of others, in training either: by the layers' loops they would take a hundred times as long. */
TEST_WITHOUT_LEAKS(plan, has_kernels_for_all_of_the_others)
{
    static const char *const NAMES[] = { "densenet121", "resnet18", "resnet50", "mobilenet_v2" };
    static const enum purpose PURPOSES[] = { FOR_INFERENCE, FOR_TRAINING, FOR_FROZEN_TRAINING };
    enum { N_NAMES = sizeof NAMES / sizeof NAMES[0], N_PURPOSES = sizeof PURPOSES / sizeof PURPOSES[0] };

    for (size_t i = 0; i < (size_t)N_NAMES * N_PURPOSES; i++) {
        const char *name = NAMES[i / N_PURPOSES];
        const struct network *net;
        struct plan *p;

        cr_assert_eq(network_new(&(struct network_spec){ name, 224, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
        cr_assert_eq(plan_new(net, kernels(), PURPOSES[i % N_PURPOSES], PRECISION_FLOAT32, &p), ST_OK);
        for (size_t k = 0; k < p->n_ops; k++)
            cr_assert(p->ops[k].kind != &OP_PLAIN && p->ops[k].kind != &OP_RELAYOUT,
                      "%s for %zu: op %zu is %s", name, i % N_PURPOSES, k, p->ops[k].kind->name);
        plan_free(p);
        network_unref(net);
    }
}

/* A piece of what MobileNetV3 and EfficientNet are made of, as TensorFlow pads it: windows of an even side's border, channels weighed
 * by what is in them all (squeeze and excitation), activations behind everything. */
static size_t normed(struct graph *g, size_t from, size_t channels, size_t side, size_t stride, size_t groups,
                     const struct layer_ops *end)
{
    const struct node l = { .ops = &LAYER_CONV,
                            .from = { from },
                            .channels = channels,
                            .window = { side, side, stride, stride, side / 2 - (stride > 1),
                                        side / 2 - (stride > 1), side / 2, side / 2, 1, 1 },
                            .groups = groups };
    char name[32];
    size_t at = graph_add(g, &l, graph_name(g, "n%zu", g->net->n_nodes));

    snprintf(name, sizeof name, "n%zu", g->net->n_nodes);
    at = graph_norm(g, at, name);
    return end ? graph_add(g,
                           &(struct node){ .ops = end, .from = { at }, .low = -1, .high = 2, .slope = 0.1 },
                           NULL)
               : at;
}

static size_t excited(struct graph *g, size_t from, size_t channels)
{
    size_t at = graph_apply(g, &LAYER_GLOBAL_POOL, from);

    at = graph_apply(g, &LAYER_SILU, conv(g, at, channels / 4, 1));
    return graph_join(g, &LAYER_MUL, from, graph_apply(g, &LAYER_HARD_SIGMOID, conv(g, at, channels, 1)));
}

static const struct network *inverted_residual(size_t side)
{
    const struct network *net;
    struct error err = { 0 };
    struct graph g;
    size_t at, round;

    graph_begin(&g, "graph", side, 3, N_NIH_LABELS, &err);
    round = normed(&g, 0, 16, 3, 2, 1, &LAYER_HARD_SWISH);
    at = normed(&g, round, 40, 1, 1, 1, &LAYER_SILU);
    at = excited(&g, normed(&g, at, 40, 5, 1, 40, &LAYER_SILU), 40);
    at = graph_join(&g, &LAYER_ADD, normed(&g, at, 16, 1, 1, 1, NULL), round);
    at = graph_add(&g, &(struct node){ .ops = &LAYER_SCALE, .from = { at } }, "scale");
    at = normed(&g, at, 24, 3, 2, 1, &LAYER_CLIP);
    at = normed(&g, at, 24, 3, 1, 1, &LAYER_LEAKY_RELU);
    graph_dense(&g, graph_apply(&g, &LAYER_FLATTEN, graph_apply(&g, &LAYER_GLOBAL_POOL, at)), "head",
                N_NIH_LABELS);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK, "%s", err.text);
    return net;
}

TEST_WITHOUT_LEAKS(plan, has_kernels_for_what_others_are_made_of)
{
    static const enum purpose PURPOSES[] = { FOR_INFERENCE, FOR_TRAINING, FOR_FROZEN_TRAINING };

    for (size_t i = 0; i < 3; i++) {
        const struct network *net = inverted_residual(64);
        struct plan *p;
        size_t alone = 0;

        cr_assert_eq(plan_new(net, kernels(), PURPOSES[i], PRECISION_FLOAT32, &p), ST_OK);
        for (size_t k = 0; k < p->n_ops; k++) {
            cr_assert(p->ops[k].kind != &OP_PLAIN && p->ops[k].kind != &OP_RELAYOUT, "for %zu: op %zu is %s",
                      i, k, p->ops[k].kind->name);
            alone += p->ops[k].kind == &OP_ACTIVATE;
        }
        if (PURPOSES[i] == FOR_INFERENCE)
            cr_assert_eq(alone, 0, "%zu activations are passes of their own", alone);
        plan_free(p);
        network_unref(net);
    }
}

/* A dense block as PyTorch writes it: every layer joins the results before it anew. */
static const struct network *joined_anew(size_t side)
{
    enum { LAYERS = 4 };
    const struct network *net;
    struct error err = { 0 };
    struct graph g;
    size_t results[LAYERS + 1], at = 0;

    graph_begin(&g, "graph", side, 1, N_NIH_LABELS, &err);
    results[0] = normed(&g, 0, 32, 3, 2, 1, &LAYER_RELU);
    for (size_t layer = 0; layer <= LAYERS; layer++) {
        at = results[0];
        for (size_t i = 1; i <= layer; i++)
            at = graph_join(&g, &LAYER_CONCAT, at, results[i]);
        if (layer < LAYERS)
            results[layer + 1] = normed(&g, at, 32, 3, 1, 1, &LAYER_RELU);
    }
    graph_dense(&g, graph_apply(&g, &LAYER_FLATTEN, graph_apply(&g, &LAYER_GLOBAL_POOL, at)), "head",
                N_NIH_LABELS);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK, "%s", err.text);
    return net;
}

TEST_WITHOUT_LEAKS(plan, copies_nothing_into_concatenations_that_repeat)
{
    static const enum purpose PURPOSES[] = { FOR_INFERENCE, FOR_TRAINING, FOR_FROZEN_TRAINING };
    const struct network *net = joined_anew(33);
    float *values = random_graph_values(net, 1), *x = random_floats((size_t)IMAGES * 33 * 33, 5);

    for (size_t i = 0; i < 3; i++) {
        struct plan *p;

        cr_assert_eq(plan_new(net, kernels(), PURPOSES[i], PRECISION_FLOAT32, &p), ST_OK);
        for (size_t k = 0; k < p->n_ops; k++)
            cr_assert(p->ops[k].kind != &OP_PLAIN && p->ops[k].kind != &OP_RELAYOUT, "for %zu: op %zu is %s",
                      i, k, p->ops[k].kind->name);
        plan_free(p);
    }
    cr_assert_leq(gap_of_logits(net, kernels(), values, x), ALLOWED);
    free(values);
    free(x);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(plan, runs_and_trains_what_others_are_made_of)
{
    const struct network *net = inverted_residual(21);
    float *values = random_graph_values(net, 1);

    for (size_t i = 0; i < N_SETS; i++) {
        const struct kernels *k = kernels_named(SETS[i]);
        float *x = random_floats((size_t)MOST_IMAGES * 3 * 21 * 21, 5);

        if (k) {
            cr_expect_leq(gap_of_logits(net, k, values, x), ALLOWED, "%s", k->name);
            cr_expect_leq(gradient_gap_at(net, k, &(struct way){ 3, 1, NORMS_FROZEN }, values, x),
                          ALLOWED_SLOPES, "%s", k->name);
        }
        free(x);
    }
    free(values);
    network_unref(net);
}

/* The memory of a thread between forward and backward, and the sums of a shard: of densenet121 at 224 pixels with two
 * threads and 16 shards, two of the one and eight of the other are to lie in 2.5 GB, beside parameters and Adam's means. */
TEST_WITHOUT_LEAKS(plan, trains_densenet121_in_little_memory)
{
    const struct network *net;
    struct plan *p;
    size_t values = 0;

    cr_assert_eq(network_new(&(struct network_spec){ "densenet121", 224, N_NIH_LABELS, 0 }, &net, NULL),
                 ST_OK);
    cr_assert_eq(plan_new(net, kernels(), FOR_TRAINING, PRECISION_FLOAT32, &p), ST_OK);
    for (size_t m = 0; m < p->n_memories; m++)
        values += p->memories[m].size;
    printf("densenet121, MB: values %zu, slopes %zu, sums %zu, weights %zu\n", values >> 18,
           p->slopes_arena >> 18, p->n_sums >> 18, p->n_weights >> 18);
    cr_assert_leq((2 * (values + p->slopes_arena) + 8 * p->n_sums + p->n_weights + 4 * net->n_params) * 4,
                  (size_t)1 << 30);
    plan_free(p);
    network_unref(net);
}

/* ---- dense layers before the head ---- */

/* Two of them, over the image or over what a convolution makes of it. */
static const struct network *dense_graph(size_t side, size_t convolved, size_t hidden)
{
    const struct network *net;
    struct error err = { 0 };
    struct graph g;
    size_t at = 0;

    graph_begin(&g, "dense", side, 1, N_NIH_LABELS, &err);
    if (convolved > 0)
        at = graph_conv(&g, at, "conv", convolved, 3, 1, 1);
    at = graph_apply(&g, &LAYER_RELU, graph_dense(&g, at, "first", hidden));
    at = graph_dense(&g, at, "second", 11);
    graph_dense(&g, at, "head", g.net->n_labels);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK, "%s", err.text);
    return net;
}

static void check_dense(const struct network *net, const struct kernels *k)
{
    float logits[IMAGES * MAX_LABELS], one[IMAGES * MAX_LABELS], truth[IMAGES * MAX_LABELS];
    const size_t image = shape_size(net->nodes[0].out);
    float *values = random_graph_values(net, 4), *x = random_floats(IMAGES * image, 4);
    struct pool *pool;

    cr_assert_eq(pool_new(2, POOL_NORMAL, &pool, NULL), ST_OK);
    plan_forward(net, k, values, NULL, IMAGES, x, NULL, logits);
    plan_forward(net, k, values, NULL, IMAGES, x, pool, one);
    cr_assert_eq(memcmp(logits, one, IMAGES * net->n_labels * sizeof *logits), 0,
                 "an image alone gives other bits");
    cr_assert_eq(plain_forward(net, values, IMAGES, x, truth), ST_OK);
    cr_assert_leq(difference(logits, truth, IMAGES * net->n_labels), ALLOWED);
    cr_assert_leq(gradient_gap_at(net, k, &(struct way){ IMAGES, 1, NORMS_BATCH }, values, x),
                  ALLOWED_SLOPES);
    pool_free(pool);
    free(values);
    free(x);
}

TEST_WITHOUT_LEAKS(plan, dense_layers_are_those_of_the_loops)
{
    static const size_t CASES[][3] = { { 1, 0, 1 },  { 5, 0, 9 },   { 33, 0, 20 },
                                       { 64, 0, 7 }, { 12, 3, 15 }, { 20, 16, 33 } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        for (size_t set = 0; set < N_SETS; set++) {
            const struct network *net = dense_graph(CASES[i][0], CASES[i][1], CASES[i][2]);
            const struct kernels *k = kernels_named(SETS[set]);

            if (k)
                check_dense(net, k);
            network_unref(net);
        }
}

TEST_WITHOUT_LEAKS(plan, mlp_runs_and_trains_by_a_kernel)
{
    const struct network *net;

    cr_assert_eq(network_new(&(struct network_spec){ "mlp", 64, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
    for (int training = 0; training < 2; training++) {
        struct plan *p;

        cr_assert_eq(plan_new(net, kernels(), training ? FOR_TRAINING : FOR_INFERENCE, PRECISION_FLOAT32, &p),
                     ST_OK);
        for (size_t i = 0; i < p->n_ops; i++)
            cr_assert(!p->ops[i].node || p->ops[i].node->ops != &LAYER_DENSE || p->ops[i].kind == &OP_DENSE);
        plan_free(p);
    }
    network_unref(net);
}

/* A session keeps its memory for the next model only where that one reads it alike. */
TEST_WITHOUT_LEAKS(plan, networks_are_told_apart_by_all_that_memory_depends_on)
{
    const struct network *a, *b;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", 64, N_NIH_LABELS, 0 }, &a, NULL), ST_OK);
    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", 64, N_NIH_LABELS, 0 }, &b, NULL), ST_OK);
    cr_assert(network_alike(a, b));
    for (size_t i = 1; i < b->n_nodes; i++) {
        const struct node node = b->nodes[i];

        b->nodes[i].out.h++;
        cr_assert_not(network_alike(a, b), "the result of node %zu", i);
        b->nodes[i] = node;
        b->nodes[i].window.stride_w++;
        cr_assert_not(network_alike(a, b), "the stride of node %zu", i);
        b->nodes[i] = node;
        b->nodes[i].from[0]++;
        cr_assert_not(network_alike(a, b), "what node %zu reads", i);
        b->nodes[i] = node;
    }
    network_unref(b);
    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", 80, N_NIH_LABELS, 0 }, &b, NULL), ST_OK);
    cr_assert_not(network_alike(a, b));
    network_unref(b);
    cr_assert_eq(network_new(&(struct network_spec){ "mlp", 64, N_NIH_LABELS, 0 }, &b, NULL), ST_OK);
    cr_assert_not(network_alike(a, b));
    network_unref(b);
    network_unref(a);
}
