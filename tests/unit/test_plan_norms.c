/* tests/unit/test_plan_norms.c - normalisations in training: the statistics of shards, the same bits with any number of threads, and none
 * of it where they are frozen. */
#include "cxrd/labels.h"
#include "leaks.h"
#include "model/net/graph/graph.h"
#include "plan_gap.h"
#include "random_graph.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A few steps with batches of several sizes; returns the parameters and the state after them. */
static float *trained_by(const struct network *net, enum norms norms, uint64_t seed, size_t threads)
{
    const size_t n = net->n_params + net->n_state;
    float *values = random_graph_values(net, seed), logits[MOST_IMAGES * MAX_LABELS],
          y[MOST_IMAGES * MAX_LABELS];
    float *x = random_floats(MOST_IMAGES * shape_size(net->nodes[0].out), seed);
    const struct adam_group all = { 0, net->n_params, 1e-3, 0 };
    struct pool *pool = NULL;
    struct training *t;
    struct adam a;
    double loss;

    for (size_t i = 0; i < MOST_IMAGES * MAX_LABELS; i++)
        y[i] = (float)(i % 4 == 0);
    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, NULL), ST_OK);
    cr_assert_eq(training_new(net, 4, MOST_IMAGES, norms, pool, NULL, &t, NULL), ST_OK);
    cr_assert_eq(adam_init(&a, net->n_params, NULL), ST_OK);
    memcpy(training_params(t), values, n * sizeof *values);
    for (size_t images = 1; images <= MOST_IMAGES; images += 2) {
        cr_assert_eq(training_gradient(t, images, x, y, logits, &loss), ST_OK);
        adam_update(&a, training_gradients(t), 1, &all, 1, pool, training_params(t));
        training_follow(t, MOMENTUM);
    }
    memcpy(values, training_params(t), n * sizeof *values);
    adam_release(&a);
    training_free(t);
    pool_free(pool);
    free(x);
    return values;
}

/* A seed whose graph has a normalisation that counts, from `seed` on. */
static const struct network *normed_graph(uint64_t *seed)
{
    for (;; ++*seed) {
        const struct network *net =
            random_graph(*seed, random_graph_nodes(*seed), random_graph_side(*seed), RANDOM_BLOCKS);
        float *before = random_graph_values(net, *seed), *after = trained_by(net, NORMS_BATCH, *seed, 1);
        const bool moved =
            memcmp(before + net->n_params, after + net->n_params, net->n_state * sizeof *after);

        free(before);
        free(after);
        if (moved)
            return net;
        network_unref(net);
    }
}

TEST_WITHOUT_LEAKS(plan, normalisations_learn_the_same_bits_with_any_number_of_threads)
{
    static const size_t THREADS[] = { 2, 3, 5, 8, 16 };
    uint64_t seed = 1;

    for (size_t graphs = 0; graphs < 6; graphs++, seed++) {
        const struct network *net = normed_graph(&seed);
        const size_t n = net->n_params + net->n_state;
        float *alone = trained_by(net, NORMS_BATCH, seed, 1);

        for (size_t i = 0; i < sizeof THREADS / sizeof THREADS[0]; i++) {
            float *found = trained_by(net, NORMS_BATCH, seed, THREADS[i]);

            cr_assert_eq(memcmp(alone, found, n * sizeof *found), 0, "seed %zu, %zu threads", (size_t)seed,
                         THREADS[i]);
            free(found);
        }
        free(alone);
        network_unref(net);
    }
}

TEST_WITHOUT_LEAKS(plan, frozen_normalisations_keep_their_state_and_learn_the_rest)
{
    uint64_t seed = 1;
    const struct network *net = normed_graph(&seed);
    float *before = random_graph_values(net, seed), *after = trained_by(net, NORMS_FROZEN, seed, 2);

    cr_assert_eq(memcmp(before + net->n_params, after + net->n_params, net->n_state * sizeof *after), 0);
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];

        if (strstr(t->name, "head"))
            cr_assert(memcmp(before + t->offset, after + t->offset, t->count * sizeof *after), "%s", t->name);
    }
    free(before);
    free(after);
    network_unref(net);
}

/* A normalisation of the image itself, of its mean, and the head. */
static const struct network *norms_by_hand(size_t side)
{
    const struct network *net;
    struct graph g;
    size_t at;

    graph_begin(&g, "norms", side, 1, N_NIH_LABELS, NULL);
    at = graph_apply(&g, &LAYER_GLOBAL_POOL, graph_norm(&g, 0, "first"));
    graph_dense(&g, graph_norm(&g, at, "second"), "head", g.net->n_labels);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK);
    return net;
}

/* Flat pictures of these values, one step; ret: mean and variance of the first normalisation, of the second. */
static void statistics_by_hand(const float *grey, size_t n, size_t shards, double momentum, float ret[4])
{
    enum { SIDE = 8 };
    const struct network *net = norms_by_hand(SIDE);
    float x[MOST_IMAGES * SIDE * SIDE], y[MOST_IMAGES * MAX_LABELS] = { 0 }, logits[MOST_IMAGES * MAX_LABELS];
    struct training *t;
    double loss;

    for (size_t i = 0; i < n * SIDE * SIDE; i++)
        x[i] = grey[i / (SIDE * SIDE)];
    cr_assert_eq(net->n_state, 4);
    cr_assert_eq(training_new(net, shards, n, NORMS_BATCH, NULL, NULL, &t, NULL), ST_OK);
    for (size_t i = 0; i < net->n_params; i++)
        training_params(t)[i] = 1;
    for (size_t i = 0; i < 4; i++)
        training_params(t)[net->n_params + i] = i % 2 ? 1 : 10;
    cr_assert_eq(training_gradient(t, n, x, y, logits, &loss), ST_OK);
    for (size_t i = 0; i < net->n_params; i++)
        cr_assert(isfinite(training_gradients(t)[i]));
    training_follow(t, momentum);
    memcpy(ret, training_params(t) + net->n_params, 4 * sizeof *ret);
    training_free(t);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(plan, running_statistics_are_those_of_the_shards)
{
    static const float GREY[] = { 1, 3, 5, 9, 2 };
    float s[4];

    /* one shard of two, as PyTorch has it: mean 2, variance 1 of 128 values, of what they are drawn from 128 / 127 */
    statistics_by_hand(GREY, 2, 1, 0.1, s);
    cr_assert_float_eq(s[0], 0.9f * 10 + 0.1f * 2, 1e-6f);
    cr_assert_float_eq(s[1], 0.9f + 0.1f * 128 / 127, 1e-6f);
    /* the first has made of them -1 and 1, with a bias of 1; of two values */
    cr_assert_float_eq(s[2], 0.9f * 10 + 0.1f * 1, 1e-5f);
    cr_assert_float_eq(s[3], 0.9f + 0.1f * 2, 1e-4f);
    /* shards of 1, 1, 1 and 2 pictures: each counts by its pictures, flat ones have no variance, 9 and 2 have 12.25 */
    statistics_by_hand(GREY, 5, 4, 0.5, s);
    cr_assert_float_eq(s[0], 0.5f * 10 + 0.5f * 4, 1e-5f);
    cr_assert_float_eq(s[1], 0.5f + 0.5f * 12.25f * 128 / 127 * 2 / 5, 1e-5f);
    /* one value a shard has no variance: only the shard of two says something */
    cr_assert_float_eq(s[3], 0.5f + 0.5f * 2, 1e-4f);
    /* more shards than pictures, of one each: the variance of the second stays */
    statistics_by_hand(GREY, 3, 8, 0.5, s);
    cr_assert_float_eq(s[0], 0.5f * 10 + 0.5f * 3, 1e-5f);
    cr_assert_float_eq(s[3], 1, 0);
}
