/* tests/unit/test_cut.c - networks that are cut: what the head reads then is what the layer gave, pooled, whatever the layer. */
#include "cxrd/model.h"
#include "cxrd/session.h"
#include "cxrd/weights.h"
#include "leaks.h"
#include "model/net/graph/graph.h"
#include "random_graph.h"
#include "sentence.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(cut, .fini = check_no_leaks);

enum { SIDE = 64, LABELS = 3, INPUTS = 2 };

static const struct preprocess PRE = { .size = SIDE, .resize = RESIZE_AREA, .mean = 128, .std = 64 };

static void *allocated(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);

    cr_assert_not_null(p);
    return p;
}

static struct labels named(size_t n)
{
    struct labels labels = { 0 };
    struct error err;
    char name[32];

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "finding %zu", i);
        cr_assert_eq(labels_add(&labels, name, strlen(name), &err), ST_OK);
    }
    return labels;
}

static const struct network *architecture(const char *name)
{
    const struct network *net = NULL;

    cr_assert_eq(
        network_new(
            &(struct network_spec){ .architecture = name, .image_size = SIDE, .n_labels = N_NIH_LABELS },
            &net, NULL),
        ST_OK);
    return net;
}

static const struct network *cut_at(const struct network *net, const char *layer, enum pooling pooling)
{
    const struct cut cut = { layer, pooling };
    const struct network *ret = NULL;
    struct error err = { 0 };

    cr_assert_eq(network_cut(net, &cut, LABELS, 0, &ret, &err), ST_OK, "%s: %s", layer, err.text);
    return ret;
}

/* The features that the head of `net` reads of a picture. */
static float *features_of(const struct network *net, const float *values, const float *x, size_t *ret_n)
{
    const struct labels labels = named(net->n_labels);
    struct session *s = NULL;
    struct model *m = NULL;
    float *features, logits[MAX_LABELS], again[MAX_LABELS];

    cr_assert_eq(model_new(net, &labels, &PRE, values, NULL, &m, NULL), ST_OK);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(session_run(s, m, 1, x, logits), ST_OK);
    *ret_n = model_features(m);
    features = allocated(*ret_n, sizeof *features);
    memcpy(features, session_features(s, m), *ret_n * sizeof *features);
    memset(again, 0, sizeof again);
    cr_assert_eq(session_head(s, m, features, again), ST_OK);
    cr_assert_eq(memcmp(again, logits, net->n_labels * sizeof *logits), 0,
                 "the head alone says something else");
    session_free(s);
    model_unref(m);
    return features;
}

/* The plain loops: what every node gives of a picture. */
static float **every_result(const struct network *net, const float *values, const float *x)
{
    float **results = allocated(net->n_nodes, sizeof *results);

    for (size_t i = 0; i < net->n_nodes; i++) {
        const struct node *l = &net->nodes[i];
        const float *from[NODE_MAX_INPUTS];

        results[i] = allocated(shape_size(l->out), sizeof **results);
        for (size_t k = 0; k < l->ops->n_from; k++)
            from[k] = results[l->from[k]];
        if (i == 0)
            memcpy(results[0], x, shape_size(l->out) * sizeof *x);
        else
            l->ops->forward(l, 1, values + l->params, values + l->state, from, results[i], NULL);
    }
    return results;
}

static void free_all(float **results, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(results[i]);
    free(results);
}

/* The magnitude that a float32 network's rounding goes by. */
static double largest_of(const float *x, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs((double)x[i]));
    return most;
}

static void check_pooled(const char *what, const float *plane, struct shape s, enum pooling pooling,
                         const float *found, size_t n)
{
    const size_t cells = s.h * s.w, each = pooling == POOLING_MEAN_AND_MAX && cells > 1 ? 2 : 1;
    const double allowed = 2e-5 * largest_of(plane, s.c * cells);

    cr_assert_eq(n, s.c * each, "%s: %zu features", what, n);
    for (size_t c = 0; c < s.c; c++) {
        double sum = 0, most = -INFINITY;
        const double *expected = pooling == POOLING_MAX ? &most : &sum;

        for (size_t i = 0; i < cells; i++) {
            sum += (double)plane[c * cells + i] / (double)cells;
            most = fmax(most, (double)plane[c * cells + i]);
        }
        cr_assert_float_eq(found[c], *expected, allowed, "%s, channel %zu: %g, not %g", what, c,
                           (double)found[c], *expected);
        if (each == 2)
            cr_assert_float_eq(found[s.c + c], most, allowed, "%s, greatest of channel %zu", what, c);
    }
}

/* Cut `net` there: what comes out is the result of node `at`, pooled. */
static void check_cut(const struct network *net, const float *values, const float *x, float **results,
                      const char *layer, size_t at)
{
    for (int pooling = 0; pooling < N_POOLINGS; pooling++) {
        const struct network *cut = cut_at(net, layer, (enum pooling)pooling);
        float *cut_values = allocated(cut->n_params + cut->n_state, sizeof *cut_values), *features;
        char what[128];
        size_t n;

        snprintf(what, sizeof what, "%s of %s, %s", layer, net->architecture, POOLING_NAMES[pooling]);
        network_take(cut, cut_values, net, values);
        for (size_t i = cut->head_weights; i < cut->head_bias; i++)
            cut_values[i] = (float)(i % 7) - 3;
        features = features_of(cut, cut_values, x, &n);
        check_pooled(what, results[at], net->nodes[at].out, (enum pooling)pooling, features, n);
        free(features);
        free(cut_values);
        network_unref(cut);
    }
}

static float *picture(size_t n)
{
    float *x = allocated(n, sizeof *x);
    struct rng rng;

    rng_seed(&rng, 9, 1);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_uniform(&rng, -1.5f, 1.5f);
    return x;
}

/* Each layer's name, and the node that gives its result. */
static void check_layers(const struct network *net, const char *const layers[], const size_t *at, size_t n)
{
    float *values = random_graph_values(net, 4), *x = picture(shape_size(net->nodes[0].out));
    float **results = every_result(net, values, x);

    for (size_t i = 0; i < n; i++)
        check_cut(net, values, x, results, layers[i], at[i]);
    free_all(results, net->n_nodes);
    free(values);
    free(x);
}

/* The first node of that kind behind `from`. */
static size_t after(const struct network *net, size_t from, const struct layer_ops *ops)
{
    while (net->nodes[++from].ops != ops)
        cr_assert_lt(from + 1, net->n_nodes);
    return from;
}

static size_t of_tensor(const struct network *net, const char *name)
{
    const struct tensor *t = network_tensor(net, name);

    for (size_t i = 1; i < net->n_nodes; i++)
        if (net->nodes[i].n_params > 0 && net->nodes[i].params == t->offset)
            return i;
    cr_assert_fail("no node has the tensor %s", name);
    return 0;
}

Test(cut, of_cnn4_is_after_an_activation_and_before_a_pool)
{
    static const char *const LAYERS[] = { "conv1", "conv3", CUT_END };
    const struct network *net = architecture("cnn4");
    const size_t at[] = { of_tensor(net, "conv1.weight") + 1, of_tensor(net, "conv3.weight") + 1,
                          after(net, of_tensor(net, "conv4.weight"), &LAYER_MAX_POOL) };

    check_layers(net, LAYERS, at, 3);
    network_unref(net);
}

/* A layer is a name or the beginning of names: its sum and its activation belong to it. */
Test(cut, of_a_resnet_is_behind_a_blocks_sum)
{
    static const char *const LAYERS[] = { "layer1", "layer3.0", "layer2.1.conv1", CUT_END };
    const struct network *net = architecture("resnet18");
    const size_t at[] = { of_tensor(net, "layer2.0.conv1.weight") - 1,
                          of_tensor(net, "layer3.1.conv1.weight") - 1,
                          of_tensor(net, "layer2.1.bn1.weight") - 1, after(net, 1, &LAYER_GLOBAL_POOL) - 1 };

    check_layers(net, LAYERS, at, 4);
    network_unref(net);
}

/* The end, averaged, is the architecture that it was. */
Test(cut, at_the_end_is_the_same_architecture)
{
    static const char *const NAMES[] = { "cnn4",     "mlp",          "densenet121",
                                         "resnet50", "mobilenet_v2", "shufflenet_v2_x0_5" };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const struct network *net = architecture(NAMES[i]), *cut = cut_at(net, CUT_END, POOLING_MEAN);

        cr_assert_str_eq(cut->architecture, NAMES[i]);
        cr_assert(cut->head == (i == 1 ? HEAD_FLATTEN : HEAD_GAP) && cut->n_labels == LABELS);
        network_unref(net);
        network_unref(cut);
    }
}

/* Whatever graph: at its end, and once more at the end of what is left. */
Test(cut, of_random_graphs_is_what_was_cut)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        const struct network *net = random_graph(seed, random_graph_nodes(seed), SIDE, RANDOM_BLOCKS);
        const struct network *cut = cut_at(net, CUT_END, POOLING_MEAN_AND_MAX),
                             *again = cut_at(cut, CUT_END, POOLING_MEAN);

        cr_assert_str_eq(cut->architecture, GRAPH_ARCHITECTURE);
        cr_assert_leq(cut->n_nodes, net->n_nodes + 12);
        cr_assert(again->n_labels == LABELS && again->nodes[again->n_nodes - 1].in[0].h == 1);
        network_unref(net);
        network_unref(cut);
        network_unref(again);
    }
}

/* It is written and read as any other. */
Test(cut, is_kept_as_a_graph)
{
    const struct network *net = architecture("cnn4"), *cut = cut_at(net, "conv2", POOLING_MEAN_AND_MAX);
    const struct labels labels = named(LABELS);
    float *values = random_graph_values(cut, 2);
    struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
    struct model *m = NULL, *back = NULL;
    struct error err = { 0 };

    cr_assert_eq(model_new(cut, &labels, &PRE, values, NULL, &m, &err), ST_OK);
    cr_assert_eq(weights_write(m, &file, &err), ST_OK, "%s", err.text);
    cr_assert_eq(weights_read(file.data, file.len, &back, &err), ST_OK, "%s", err.text);
    cr_assert(network_alike(model_network(m), model_network(back)));
    cr_assert_eq(memcmp(model_params(m), model_params(back), cut->n_params * sizeof(float)), 0);
    buf_release(&file);
    model_unref(m);
    model_unref(back);
    free(values);
    network_unref(net);
    network_unref(cut);
}

static void check_refused(const struct network *net, const char *layer, const char *word)
{
    const struct cut cut = { layer, POOLING_MEAN };
    const struct network *ret = NULL;
    struct error err = { 0 };

    check_refusal(layer, network_cut(net, &cut, LABELS, INPUTS, &ret, &err), ST_INVALID, &err, word);
}

Test(cut, where_nothing_is_names_what_there_is)
{
    const struct network *net = architecture("resnet18"), *dense = architecture("densenet121"), *blind = NULL;

    check_refused(net, "layer5", "layer4");
    check_refused(net, "layer", "layer4");
    check_refused(net, "fc", "layer4");
    check_refused(net, "conv1.weight", "layer4");
    check_refused(net, "%s%n", "%s%n");
    check_refused(dense, "denseblock3", "features.denseblock3");
    cr_assert_eq(network_new(&(struct network_spec){ "logistic", 0, LABELS, INPUTS }, &blind, NULL), ST_OK);
    check_refused(blind, CUT_END, "sees no picture");
    network_unref(net);
    network_unref(dense);
    network_unref(blind);
}
