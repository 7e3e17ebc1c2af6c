/* tests/unit/test_graph.c - graphs: architectures have the parameters and names that torchvision gives them, the gradient of a
 * random graph agrees with finite differences of its loss, and a graph that is no network is refused. */
#include "cxrd/labels.h"
#include "leaks.h"
#include "model/net/arch/arch.h"
#include "plain_network.h"
#include "random_graph.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float *floats(size_t n)
{
    float *values = calloc(n, sizeof *values);

    cr_assert_not_null(values);
    return values;
}

/* ---- architectures ---- */

/* Parameters with a head of 14 findings: torchvision's of 1,000 classes less what the head has too many. Tensors without
 * num_batches_tracked, which nothing needs. */
static const struct architecture {
    const char *name;
    size_t size, features, n_params, n_state, n_tensors;
    const char *some[3]; /* names, of torchvision's state_dict() */
    const char *head;
} ARCHITECTURES[] = {
    { "cnn4", 64, 4096, 388416 + 14 * 4097, 0, 10, { "conv1.weight", "conv4.bias", "head.weight" }, "head" },
    { "mlp",
      128,
      512,
      64 * 64 * 512 + 512 + 14 * 513,
      0,
      4,
      { "hidden.weight", "hidden.bias", "head.bias" },
      "head" },
    { "densenet121",
      224,
      1024,
      6953856 + 14 * 1025,
      83648,
      606,
      { "features.conv0.weight", "features.denseblock4.denselayer16.norm2.running_var",
        "features.transition3.conv.weight" },
      "classifier" },
    { "resnet18",
      224,
      512,
      11176512 + 14 * 513,
      9600,
      102,
      { "layer4.1.bn2.running_mean", "layer2.0.downsample.0.weight", "conv1.weight" },
      "fc" },
    { "resnet50",
      224,
      2048,
      23508032 + 14 * 2049,
      53120,
      267,
      { "layer1.0.downsample.1.running_var", "layer3.5.conv3.weight", "bn1.bias" },
      "fc" },
    { "mobilenet_v2",
      224,
      1280,
      2223872 + 14 * 1281,
      34112,
      262,
      { "features.1.conv.0.0.weight", "features.17.conv.3.running_mean", "features.18.1.weight" },
      "classifier.1" },
    { "shufflenet_v2_x0_5",
      224,
      1024,
      341792 + 14 * 1025,
      7952,
      282,
      { "conv1.0.weight", "stage3.7.branch2.4.running_var", "conv5.1.bias" },
      "fc" },
    { "shufflenet_v2_x1_0",
      224,
      1024,
      1253604 + 14 * 1025,
      16180,
      282,
      { "stage2.0.branch1.2.weight", "stage4.3.branch2.6.bias", "conv5.0.weight" },
      "fc" },
    { "shufflenet_v2_x1_5",
      224,
      1024,
      2478624 + 14 * 1025,
      23440,
      282,
      { "stage2.0.branch1.3.weight", "stage4.0.branch2.0.weight", "conv5.0.weight" },
      "fc" },
    { "shufflenet_v2_x2_0",
      224,
      2048,
      5344996 + 14 * 2049,
      33716,
      282,
      { "stage4.0.branch1.1.running_mean", "stage2.3.branch2.3.weight", "conv1.1.weight" },
      "fc" },
};
enum { N_ARCHITECTURES = sizeof ARCHITECTURES / sizeof ARCHITECTURES[0] };

static const struct network *network_of(const char *name, size_t size, size_t n_inputs)
{
    const struct network *net;
    struct error err = { 0 };

    cr_assert_eq(network_new(&(struct network_spec){ name, size, N_NIH_LABELS, n_inputs }, &net, &err), ST_OK,
                 "%s: %s", name, err.text);
    return net;
}

TEST_WITHOUT_LEAKS(architecture, has_the_parameters_and_names_of_its_source)
{
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        const struct architecture *a = &ARCHITECTURES[i];
        const struct network *net = network_of(a->name, a->size, 0);
        char head[64];

        cr_assert_eq(net->n_params, a->n_params, "%s: %zu parameters", a->name, net->n_params);
        cr_assert_eq(net->n_state, a->n_state, "%s: %zu of state", a->name, net->n_state);
        cr_assert_eq(net->n_tensors, a->n_tensors, "%s: %zu tensors", a->name, net->n_tensors);
        for (size_t k = 0; k < 3; k++)
            cr_assert_not_null(network_tensor(net, a->some[k]), "%s has no '%s'", a->name, a->some[k]);
        snprintf(head, sizeof head, "%s.weight", a->head);
        cr_assert_not_null(network_tensor(net, head), "%s has no '%s'", a->name, head);
        cr_assert_eq(shape_size(net->nodes[net->n_nodes - 1].in[0]), a->features, "%s", a->name);
        network_unref(net);
    }
}

/* A grey network has fewer weights in its first convolution, and one that is scaled by channel no node that copies the image. */
TEST_WITHOUT_LEAKS(architecture, has_the_channels_that_are_asked_for)
{
    static const struct {
        const char *name, *first;
    } FIRST[] = { { "cnn4", "conv1.weight" },
                  { "densenet121", "features.conv0.weight" },
                  { "resnet18", "conv1.weight" },
                  { "resnet50", "conv1.weight" },
                  { "mobilenet_v2", "features.0.0.weight" },
                  { "shufflenet_v2_x0_5", "conv1.0.weight" } };

    for (size_t i = 0; i < sizeof FIRST / sizeof FIRST[0]; i++)
        for (size_t k = 0; k < 4; k++) {
            const size_t channels = k == 1 ? 1 : 3;
            const struct network_spec spec = { FIRST[i].name, 64, 2, 0, HEAD_OWN, k ? channels : 0, k == 3 };
            const struct network *net;

            cr_assert_eq(network_new(&spec, &net, NULL), ST_OK);
            cr_assert_eq(network_tensor(net, FIRST[i].first)->dims[1], channels, "%s", FIRST[i].name);
            cr_assert_eq(net->channels, channels);
            cr_assert_eq(net->nodes[0].out.c, k == 3 ? 3 : 1);
            cr_assert_eq(net->nodes[1].ops == &LAYER_REPLICATE, k % 2 == 0);
            network_unref(net);
        }
}

TEST_WITHOUT_LEAKS(architecture, that_cannot_have_such_channels_says_so)
{
    static const struct {
        struct network_spec spec;
        const char *words;
    } WRONG[] = { { { "resnet18", 64, 2, 0, HEAD_OWN, 2 }, "channels are 2" },
                  { { "resnet18", 64, 2, 0, HEAD_OWN, 4 }, "channels are 4" },
                  { { "resnet18", 64, 2, 0, HEAD_OWN, 1, true }, "one channel" },
                  { { "graph", 64, 2 }, "the graph is missing" } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        const struct network *net = NULL;
        struct error err = { 0 };

        check_refusal(WRONG[i].words, network_new(&WRONG[i].spec, &net, &err), ST_INVALID, &err,
                      WRONG[i].words);
    }
}

/* The ways in which a head reads the last features, and which of them there can be. */
TEST_WITHOUT_LEAKS(architecture, has_the_head_that_is_asked_for)
{
    static const struct {
        const char *name;
        size_t size;
        enum head_kind head;
        size_t features; /* 0: there is no such network */
    } HEADS[] = { { "cnn4", 128, HEAD_OWN, 256 * 64 },
                  { "cnn4", 128, HEAD_FLATTEN, 256 * 64 },
                  { "cnn4", 128, HEAD_GAP, 256 },
                  { "cnn4", 128, HEAD_4X4, 256 * 16 },
                  { "cnn4", 64, HEAD_4X4, 256 * 16 },
                  { "cnn4", 80, HEAD_GAP, 256 },
                  { "cnn4", 80, HEAD_4X4, 0 },
                  { "mlp", 64, HEAD_FLATTEN, 512 },
                  { "mlp", 64, HEAD_GAP, 0 },
                  { "mlp", 64, HEAD_4X4, 0 },
                  { "resnet18", 64, HEAD_OWN, 512 },
                  { "resnet18", 64, HEAD_GAP, 512 },
                  { "resnet18", 64, HEAD_FLATTEN, 512 * 4 },
                  { "resnet18", 128, HEAD_4X4, 512 * 16 },
                  { "resnet18", 64, HEAD_4X4, 0 },
                  { "densenet121", 256, HEAD_4X4, 1024 * 16 },
                  { "logistic", 0, HEAD_GAP, 0 } };

    for (size_t i = 0; i < sizeof HEADS / sizeof HEADS[0]; i++) {
        const struct network_spec spec = { HEADS[i].name, HEADS[i].size, 3, 0, HEADS[i].head };
        const struct network *net = NULL;
        struct error err = { 0 };
        const enum status st = network_new(&spec, &net, &err);

        if (HEADS[i].features == 0 && HEADS[i].size > 0) {
            check_refusal(HEADS[i].name, st, ST_INVALID, &err, "head");
            continue;
        }
        cr_assert_eq(st, ST_OK, "%s: %s", HEADS[i].name, err.text);
        if (HEADS[i].size > 0)
            cr_assert_eq(shape_size(net->nodes[net->n_nodes - 1].in[0]), HEADS[i].features, "%s %zu %s",
                         HEADS[i].name, HEADS[i].size, HEAD_NAMES[HEADS[i].head]);
        network_unref(net);
    }
}

/* Every float belongs to one tensor; parameters come first. */
TEST_WITHOUT_LEAKS(architecture, tensors_cover_the_block)
{
    for (size_t i = 0; i < N_ARCHITECTURES; i++) {
        const struct network *net = network_of(ARCHITECTURES[i].name, 64, 3);
        const size_t n = net->n_params + net->n_state;
        uint8_t *taken = calloc(n, 1);

        cr_assert_not_null(taken);
        for (size_t k = 0; k < net->n_tensors; k++) {
            const struct tensor *t = &net->tensors[k];

            cr_assert_leq(t->offset + t->count, n);
            cr_assert_eq(t->state, t->offset >= net->n_params, "'%s'", t->name);
            for (size_t j = 0; j < t->count; j++)
                cr_assert_eq(taken[t->offset + j]++, 0, "'%s' overlaps", t->name);
        }
        cr_assert_null(memchr(taken, 0, n), "%s has gaps", net->architecture);
        free(taken);
        network_unref(net);
    }
}

/* Normalisations begin as those that pass on what they get, and state is nobody's to draw. */
TEST_WITHOUT_LEAKS(architecture, begins_with_normalisations_that_change_little)
{
    const struct network *net = network_of("resnet18", 64, 0);
    float *values = floats(net->n_params + net->n_state);
    struct rng rng;

    rng_seed(&rng, 1, 1);
    network_initialise(net, INIT_HE, &rng, values);
    cr_assert_eq(values[network_tensor(net, "bn1.weight")->offset], 1);
    cr_assert_eq(values[network_tensor(net, "bn1.bias")->offset], 0);
    cr_assert_eq(values[network_tensor(net, "bn1.running_mean")->offset], 0);
    cr_assert_eq(values[network_tensor(net, "layer4.1.bn2.running_var")->offset], 1);
    cr_assert_neq(values[network_tensor(net, "layer4.1.conv2.weight")->offset], 0);
    free(values);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(architecture, that_cannot_take_a_size_says_so)
{
    static const struct {
        const char *name;
        size_t size;
    } WRONG[] = { { "mlp", 100 },       { "mlp", 64 * 17 }, { "cnn4", 72 },
                  { "densenet121", 8 }, { "resnet50", 0 },  { "mobilenet_v2", 100000 } };
    const struct network *net;

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct error err = { 0 };

        check_refusal(
            WRONG[i].name,
            network_new(&(struct network_spec){ WRONG[i].name, WRONG[i].size, N_NIH_LABELS, 0 }, &net, &err),
            ST_INVALID, &err, "");
    }
}

/* ---- random graphs ---- */

enum { SIDE = 9 };

struct sample {
    const struct network *net;
    float *values, x[MAX_CHANNELS * SIDE * SIDE], y[MAX_LABELS];
};

static struct sample sample_of(uint64_t seed)
{
    struct sample s = { .net = random_graph(seed, random_graph_nodes(seed), SIDE, 0) };
    struct rng rng;

    s.values = random_graph_values(s.net, seed);
    rng_seed(&rng, seed, 3);
    for (size_t i = 0; i < MAX_CHANNELS * SIDE * SIDE; i++)
        s.x[i] = rng_uniform(&rng, -1, 1);
    for (size_t i = 0; i < s.net->n_labels; i++)
        s.y[i] = rng_unit(&rng) < 0.5;
    return s;
}

static double loss_of(const struct sample *s, const float *values)
{
    float logits[MAX_LABELS];

    cr_assert_eq(plain_forward(s->net, values, 1, s->x, logits), ST_OK);
    return bce_sum(s->net->n_labels, logits, s->y, NULL) / (double)s->net->n_labels;
}

/* The slope along the gradient is the gradient's length. A step crosses a kink of ReLU or a pool now and then, so it is
 * taken at several lengths, and the best must fit. */
static double worst_of_steps(const struct sample *s, const float *gradient, double length)
{
    static const double STEPS[] = { 1e-2, 1e-3, 1e-4 };
    const size_t n = s->net->n_params + s->net->n_state;
    float *there = floats(n), *back = floats(n);
    double best = INFINITY;

    for (size_t k = 0; k < 3; k++) {
        double found;

        for (size_t i = 0; i < n; i++) {
            const double step = i < s->net->n_params ? STEPS[k] * (double)gradient[i] / length : 0;

            there[i] = (float)((double)s->values[i] + step);
            back[i] = (float)((double)s->values[i] - step);
        }
        found = (loss_of(s, there) - loss_of(s, back)) / (2 * STEPS[k]);
        best = fmin(best, fabs(found - length) / length);
    }
    free(there);
    free(back);
    return best;
}

TEST_WITHOUT_LEAKS(random_graph, has_the_gradient_that_its_answers_have)
{
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        const struct sample s = sample_of(seed);
        float *gradient = floats(s.net->n_params + s.net->n_state), logits[MAX_LABELS];
        double length = 0;

        cr_assert_eq(plain_gradient(s.net, s.values, 1, s.x, s.y, logits, gradient), ST_OK);
        for (size_t i = 0; i < s.net->n_params; i++)
            length += (double)gradient[i] * (double)gradient[i];
        length = sqrt(length);
        cr_assert_gt(length, 0);
        cr_assert_lt(worst_of_steps(&s, gradient, length), 1e-2, "seed %zu: %g", (size_t)seed,
                     worst_of_steps(&s, gradient, length));
        free(gradient);
        free(s.values);
        network_unref(s.net);
    }
}

/* ---- what is no network ---- */

static void refused(struct graph *g, struct error *err, const char *word)
{
    const struct network *net = NULL;

    check_refusal(word, graph_finish(g, 0, &net), ST_INVALID, err, word);
    cr_assert_null(net);
}

TEST_WITHOUT_LEAKS(graph, that_is_no_network_is_refused_with_its_node)
{
    struct error err = { 0 };
    struct graph g;

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_conv(&g, 0, "a", 4, 3, 0, 1); /* no stride */
    graph_dense(&g, 0, "head", N_NIH_LABELS);
    refused(&g, &err, "node 1 (conv a)");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_join(&g, &LAYER_ADD, 0, graph_conv(&g, 0, "a", 4, 3, 1, 1));
    graph_dense(&g, 0, "head", N_NIH_LABELS);
    refused(&g, &err, "node 2 (add)");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_apply(&g, &LAYER_RELU, 0);
    refused(&g, &err, "dense");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_dense(&g, 0, "head", N_NIH_LABELS - 1);
    refused(&g, &err, "logits");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_dense(&g, 0, "head", N_NIH_LABELS);
    graph_dense(&g, 0, "head", N_NIH_LABELS);
    refused(&g, &err, "'head.weight'");
}

TEST_WITHOUT_LEAKS(graph, that_is_too_large_is_refused)
{
    struct error err = { 0 };
    struct graph g;
    size_t at = 0;

    graph_begin(&g, "x", 1024, 1, N_NIH_LABELS, &err);
    graph_dense(&g, 0, "wide", 65536);
    refused(&g, &err, "'wide.weight'");

    graph_begin(&g, "x", 1024, 1, N_NIH_LABELS, &err);
    graph_add(&g, &(struct node){ .ops = &LAYER_REPLICATE, .channels = 65536 }, NULL);
    refused(&g, &err, "too large");

    graph_begin(&g, "x", 1024, 1, N_NIH_LABELS, &err); /* few weights, many products */
    at = graph_conv(&g, 0, "a", 96, 3, 1, 1);
    for (size_t i = 0; i < 9; i++)
        at = graph_conv(&g, at, graph_name(&g, "n%zu", i), 96, 7, 1, 1);
    refused(&g, &err, "too much work");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    at = 0;
    for (size_t i = 0; i < NETWORK_MAX_NODES; i++)
        at = graph_apply(&g, &LAYER_RELU, at);
    refused(&g, &err, "1024 nodes");

    graph_begin(&g, "x", 16, 1, N_NIH_LABELS, &err);
    graph_dense(&g, 0, graph_name(&g, "%0100d", 1), N_NIH_LABELS);
    refused(&g, &err, "too long");

    graph_begin(&g, "x", 64, 1, N_NIH_LABELS, &err);
    graph_pool(&g, &LAYER_MEAN_POOL, 0, 17, 17, 0);
    refused(&g, &err, "node 1 (mean_pool): the window is too large");

    graph_begin(&g, "x", 64, 1, N_NIH_LABELS, &err);
    graph_pool(&g, &LAYER_MAX_POOL, 0, 16, 16, 0); /* a byte says which cell won */
    refused(&g, &err, "node 1 (max_pool): the window has more than 255 cells");
}
