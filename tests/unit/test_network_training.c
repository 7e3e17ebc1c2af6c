/* tests/unit/test_network_training.c - the network's gradient, Adam, ten steps of training and the loss, against the same in float64
 * (support/double_net.h). */
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/training.h"
#include "double_net.h"
#include "leaks.h"
#include "model/net/loss.h"
#include "network_case.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16, MOST = 37 /* pictures of a batch */ };

/* ---- comparing blocks of parameters ---- */

static double norm(const double *v, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

/* |got - expected| <= tolerance * |scale|, as L2 norms, tensor by tensor. */
static void check_tensors(const struct network *net, const float *got, const double *expected,
                          const double *scale, double tolerance)
{
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        double *error = doubles(t->count), size;

        for (size_t k = 0; k < t->count; k++)
            error[k] = (double)got[t->offset + k] - expected[t->offset + k];
        size = norm(scale + t->offset, t->count);
        cr_assert_gt(size, 0, "'%s' did not move", t->name);
        cr_assert(norm(error, t->count) <= tolerance * size, "'%s' is off by %g of %g", t->name,
                  norm(error, t->count), size);
        free(error);
    }
}

/* ---- gradient ---- */

static struct training *training_of(const struct network *net, size_t n_shards, struct pool *pool,
                                    const float *params)
{
    struct training *t = NULL;
    struct error err = { 0 };

    cr_assert_eq(training_new(net, n_shards, MOST, NORMS_BATCH, pool, NULL, &t, &err), ST_OK, "%s", err.text);
    memcpy(training_params(t), params, net->n_params * sizeof *params);
    return t;
}

TEST_WITHOUT_LEAKS(gradient, of_the_whole_network_is_that_of_float64)
{
    const struct network *net = cnn4(64);
    const struct double_net twin = double_net_cnn4(64);
    float *params = initial(net, INIT_HE, 4), logits[3 * N_NIH_LABELS];
    struct batch b = batch_new(3, 64, 4);
    struct training *t = training_of(net, SHARDS, NULL, params);
    double *wide = widened(params, net->n_params), *x = widened(b.x, 3 * 64 * 64),
           *y = widened(b.y, 3 * N_NIH_LABELS);
    double *gradient = doubles(net->n_params), loss, truth;

    cr_assert_eq(training_gradient(t, 3, b.x, b.y, logits, &loss), ST_OK);
    truth = double_net_gradient(&twin, wide, 3, x, y, gradient);
    cr_assert_float_eq(loss, truth, 1e-6 * truth, "the loss is %.9g, not %.9g", loss, truth);
    check_tensors(net, training_gradients(t), gradient, gradient, 1e-5);
    for (size_t s = 0; s < 3; s++) {
        double z[N_NIH_LABELS];

        double_net_forward(&twin, wide, x + s * 64 * 64, z);
        for (size_t i = 0; i < N_NIH_LABELS; i++)
            cr_assert_float_eq((double)logits[s * N_NIH_LABELS + i], z[i], 1e-5);
    }
    training_free(t);
    batch_release(&b);
    free(params);
    free(wide);
    free(x);
    free(y);
    free(gradient);
    network_unref(net);
}

/* The gradient that a pool of so many threads gives; 0: no pool. */
static float *gradient_by(size_t n_shards, size_t n_threads, const struct batch *b)
{
    const struct network *net = cnn4(b->size);
    float *params = initial(net, INIT_HE, 5), *gradient = floats(net->n_params),
          *logits = floats(b->n * N_NIH_LABELS);
    struct pool *pool = NULL;
    struct training *t;
    double loss;

    if (n_threads > 0)
        cr_assert_eq(pool_new(n_threads, POOL_NORMAL, &pool, NULL), ST_OK);
    t = training_of(net, n_shards, pool, params);
    cr_assert_eq(training_gradient(t, b->n, b->x, b->y, logits, &loss), ST_OK);
    memcpy(gradient, training_gradients(t), net->n_params * sizeof *gradient);
    cr_assert_eq(training_gradient(t, b->n, b->x, b->y, logits, &loss), ST_OK);
    cr_assert_eq(memcmp(gradient, training_gradients(t), net->n_params * sizeof *gradient), 0,
                 "the second call differs from the first");
    training_free(t);
    pool_free(pool);
    free(params);
    free(logits);
    network_unref(net);
    return gradient;
}

/* Batches of one, and smaller than the shards, leave some without a picture; MOST are shared out unevenly. */
TEST_WITHOUT_LEAKS(gradient, has_the_same_bits_for_any_number_of_threads)
{
    const struct double_net twin = double_net_cnn4(64);
    const size_t n = double_net_params(&twin);
    static const size_t SIZES[] = { 1, 5, MOST }, N_SHARDS[] = { 2, SHARDS },
                        THREADS[] = { 1, 2, 3, 5, 8, 16 };

    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 2; j++) {
            struct batch b = batch_new(SIZES[i], 64, 6);
            float *alone = gradient_by(N_SHARDS[j], 0, &b);

            for (size_t k = 0; k < 6; k++) {
                float *shared = gradient_by(N_SHARDS[j], THREADS[k], &b);

                cr_assert_eq(memcmp(alone, shared, n * sizeof *alone), 0,
                             "%zu pictures, %zu shards, %zu threads", SIZES[i], N_SHARDS[j], THREADS[k]);
                free(shared);
            }
            free(alone);
            batch_release(&b);
        }
}

TEST_WITHOUT_LEAKS(gradient, of_a_small_batch_forgets_the_large_one_before)
{
    const struct network *net = cnn4(64);
    struct batch large = batch_new(MOST, 64, 6), small = batch_new(3, 64, 7);
    float *params = initial(net, INIT_HE, 5), logits[MOST * N_NIH_LABELS],
          *alone = gradient_by(SHARDS, 0, &small);
    struct training *t = training_of(net, SHARDS, NULL, params),
                    *fresh = training_of(net, SHARDS, NULL, params);
    double loss, expected;

    cr_assert_eq(training_gradient(t, large.n, large.x, large.y, logits, &loss), ST_OK);
    cr_assert_eq(training_gradient(t, small.n, small.x, small.y, logits, &loss), ST_OK);
    cr_assert_eq(training_gradient(fresh, small.n, small.x, small.y, logits, &expected), ST_OK);
    cr_assert_eq(loss, expected);
    cr_assert_eq(memcmp(training_gradients(t), alone, net->n_params * sizeof *alone), 0);
    training_free(t);
    training_free(fresh);
    batch_release(&large);
    batch_release(&small);
    free(alone);
    free(params);
    network_unref(net);
}

/* Of 0, as many shards as threads: the same sums in another order. */
TEST_WITHOUT_LEAKS(gradient, is_the_same_sum_however_many_shards_there_are)
{
    static const size_t N_SHARDS[] = { 0, 1, 4, TRAINING_MAX_SHARDS };
    const struct network *net = cnn4(64);

    for (size_t n = 1; n <= 5; n += n == 2 ? 3 : 1) {
        struct batch b = batch_new(n, 64, n);
        float *one = gradient_by(SHARDS, 0, &b);
        double *expected = widened(one, net->n_params);

        for (size_t i = 0; i < 4; i++)
            for (size_t n_threads = 1; n_threads <= 4; n_threads++) {
                float *other = gradient_by(N_SHARDS[i], n_threads, &b),
                      *again = gradient_by(N_SHARDS[i], n_threads, &b);

                check_tensors(net, other, expected, expected, 1e-5);
                cr_assert_eq(memcmp(other, again, net->n_params * sizeof *other), 0, "it does not repeat");
                free(other);
                free(again);
            }
        free(one);
        free(expected);
        batch_release(&b);
    }
    network_unref(net);
}

/* ---- Adam ---- */

enum { ADAM_N = 1000, ADAM_STEPS = 10 };

/* Gradients over many powers of ten, turning their sign now and then, some exactly 0. */
static void fill_gradient(struct rng *rng, float *g, double *wide)
{
    for (size_t i = 0; i < ADAM_N; i++) {
        g[i] = i % 10 == 9 ? 0 : rng_uniform(rng, -1, 1) * powf(10, -(float)(i % 10));
        wide[i] = (double)g[i];
    }
}

/* A step in which all parameters move alike. */
static void adam_step(struct adam *a, const float *g, double learning_rate, double weight_decay,
                      struct pool *pool, float *params)
{
    const struct adam_group all = { 0, a->n, learning_rate, weight_decay };

    adam_update(a, g, 1, &all, 1, pool, params);
}

/* To 1e-6 of the value or of the way it went, whichever is longer. */
static void check_adam(double weight_decay, bool from_zero)
{
    const double learning_rate = 1e-3;
    float *g = floats(ADAM_N), *params = floats(ADAM_N);
    double *wide_g = doubles(ADAM_N), *m = doubles(ADAM_N), *v = doubles(ADAM_N), *path = doubles(ADAM_N);
    double *wide, *before = doubles(ADAM_N);
    struct adam a;
    struct rng rng;

    rng_seed(&rng, 8, 0);
    for (size_t i = 0; i < ADAM_N && !from_zero; i++)
        params[i] = rng_uniform(&rng, -1, 1);
    wide = widened(params, ADAM_N);
    cr_assert_eq(adam_init(&a, ADAM_N, NULL), ST_OK);
    for (int t = 1; t <= ADAM_STEPS; t++) {
        fill_gradient(&rng, g, wide_g);
        memcpy(before, wide, ADAM_N * sizeof *wide);
        adam_step(&a, g, learning_rate, weight_decay, NULL, params);
        double_adam(ADAM_N, t, learning_rate, weight_decay, wide_g, m, v, wide);
        for (size_t i = 0; i < ADAM_N; i++)
            path[i] += fabs(wide[i] - before[i]);
    }
    cr_assert_eq(a.steps, ADAM_STEPS);
    for (size_t i = 0; i < ADAM_N; i++)
        cr_assert_float_eq((double)params[i], wide[i], 1e-6 * fmax(fabs(wide[i]), path[i]),
                           "parameter %zu is %.9g, not %.9g, after a way of %g", i, (double)params[i],
                           wide[i], path[i]);
    adam_release(&a);
    free(g), free(params), free(wide_g), free(m), free(v), free(path), free(wide), free(before);
}

TEST_WITHOUT_LEAKS(adam, ten_steps_are_those_of_float64) { check_adam(0, false); }

TEST_WITHOUT_LEAKS(adam, updates_from_zero_are_those_of_float64) { check_adam(0, true); }

TEST_WITHOUT_LEAKS(adam, weight_decay_is_decoupled) { check_adam(0.1, false); }

/* By hand: after one step m/(1-b1) = g and sqrt(v/(1-b2)) = |g|, so that a step is the learning rate. */
TEST_WITHOUT_LEAKS(adam, the_first_step_is_the_learning_rate_against_the_sign)
{
    const float g[3] = { 5, -0.25f, 0 };
    float params[3] = { 1, 1, 1 };
    struct adam a;

    cr_assert_eq(adam_init(&a, 3, NULL), ST_OK);
    adam_step(&a, g, 0.5, 0, NULL, params);
    cr_assert_float_eq((double)params[0], 0.5, 1e-5);
    cr_assert_float_eq((double)params[1], 1.5, 1e-5);
    cr_assert_eq(params[2], 1);
    adam_release(&a);
}

/* Parameters enough that the shares are uneven. */
TEST_WITHOUT_LEAKS(adam, has_the_same_bits_for_any_number_of_threads)
{
    enum { N = 1001, THREADS = 3 };
    float *g = floats(N), *alone = floats(N), *shared = floats(N);
    struct pool *pool = NULL;
    struct adam a, b;
    struct rng rng;

    rng_seed(&rng, 1, 1);
    cr_assert_eq(adam_init(&a, N, NULL), ST_OK);
    cr_assert_eq(adam_init(&b, N, NULL), ST_OK);
    cr_assert_eq(pool_new(THREADS, POOL_NORMAL, &pool, NULL), ST_OK);
    for (int step = 0; step < 3; step++) {
        for (size_t i = 0; i < N; i++)
            g[i] = rng_uniform(&rng, -1, 1);
        adam_step(&a, g, 0.1, 0.01, NULL, alone);
        adam_step(&b, g, 0.1, 0.01, pool, shared);
        cr_assert_eq(memcmp(alone, shared, N * sizeof *alone), 0);
    }
    cr_assert(alone[N - 1] != 0 && a.m[N - 1] == b.m[N - 1] && a.v[0] == b.v[0]);
    pool_free(pool);
    adam_release(&a);
    adam_release(&b);
    free(g);
    free(alone);
    free(shared);
}

/* ---- training ---- */

TEST_WITHOUT_LEAKS(training, ten_steps_are_those_of_float64)
{
    enum { SIZE = 64, N = 4, STEPS = 10 };
    const double learning_rate = 1e-4;
    const struct network *net = cnn4(SIZE);
    const struct double_net twin = double_net_cnn4(SIZE);
    float *params = initial(net, INIT_HE, 9), logits[N * N_NIH_LABELS];
    struct training *t = training_of(net, SHARDS, NULL, params);
    double *wide = widened(params, net->n_params), *moved = widened(params, net->n_params), loss;
    double *gradient = doubles(net->n_params), *m = doubles(net->n_params), *v = doubles(net->n_params);
    struct adam a;

    cr_assert_eq(adam_init(&a, net->n_params, NULL), ST_OK);
    for (int step = 1; step <= STEPS; step++) {
        struct batch b = batch_new(N, SIZE, (uint64_t)(100 + step));
        double *x = widened(b.x, N * SIZE * SIZE), *y = widened(b.y, N * N_NIH_LABELS);

        cr_assert_eq(training_gradient(t, N, b.x, b.y, logits, &loss), ST_OK);
        adam_step(&a, training_gradients(t), learning_rate, 0, NULL, training_params(t));
        double_net_gradient(&twin, wide, N, x, y, gradient);
        double_adam(net->n_params, step, learning_rate, 0, gradient, m, v, wide);
        batch_release(&b);
        free(x);
        free(y);
    }
    for (size_t i = 0; i < net->n_params; i++)
        moved[i] = wide[i] - moved[i];
    check_tensors(net, training_params(t), wide, moved, 0.02);
    adam_release(&a);
    training_free(t);
    free(params), free(wide), free(moved), free(gradient), free(m), free(v);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(training, begins_with_zeros_and_leaves_the_parameters_alone)
{
    const struct network *net = cnn4(64);
    struct batch b = batch_new(1, 64, 1);
    struct training *t = NULL;
    float logits[N_NIH_LABELS];
    double loss;

    cr_assert_eq(training_new(net, SHARDS, MOST, NORMS_BATCH, NULL, NULL, &t, NULL), ST_OK);
    for (size_t i = 0; i < net->n_params; i++)
        cr_assert(training_params(t)[i] == 0 && training_gradients(t)[i] == 0);
    cr_assert_eq(training_gradient(t, 1, b.x, b.y, logits, &loss), ST_OK);
    cr_assert_float_eq(loss, log(2), 1e-12, "without weights every probability is a half, the loss is %g",
                       loss);
    for (size_t i = 0; i < net->n_params; i++)
        cr_assert_eq(training_params(t)[i], 0);
    training_free(t);
    batch_release(&b);
    network_unref(net);
}

/* The loss works on logits: certainty in the wrong finding costs its logit, not infinity. */
TEST_WITHOUT_LEAKS(training, a_wrong_certainty_has_a_finite_loss_and_gradient)
{
    const struct network *net = cnn4(64);
    const struct tensor *bias = network_tensor(net, "head.bias");
    struct batch b = batch_new(1, 64, 1);
    struct training *t = NULL;
    float logits[N_NIH_LABELS];
    double loss;

    cr_assert_eq(training_new(net, SHARDS, MOST, NORMS_BATCH, NULL, NULL, &t, NULL), ST_OK);
    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        b.y[i] = i % 2 == 0;
        training_params(t)[bias->offset + i] = i % 2 == 0 ? -1e4f : 1e4f;
    }
    cr_assert_eq(training_gradient(t, 1, b.x, b.y, logits, &loss), ST_OK);
    cr_assert_float_eq(loss, 1e4, 1e-8);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        cr_assert_float_eq((double)training_gradients(t)[bias->offset + i],
                           (i % 2 == 0 ? -1.0 : 1.0) / N_NIH_LABELS, 1e-8);
    training_free(t);
    batch_release(&b);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(training, a_weight_that_is_no_number_is_noticed_in_every_tensor)
{
    const struct network *net = cnn4(64);
    float *params = initial(net, INIT_HE, 1), logits[N_NIH_LABELS];
    struct batch b = batch_new(1, 64, 1);
    struct training *t = training_of(net, SHARDS, NULL, params);
    double loss;

    for (size_t i = 0; i < net->n_tensors; i++) {
        float *weight = training_params(t) + net->tensors[i].offset;

        *weight = NAN;
        cr_assert_eq(training_gradient(t, 1, b.x, b.y, logits, &loss), ST_NUMERIC, "NaN in '%s'",
                     net->tensors[i].name);
        *weight = params[net->tensors[i].offset];
        cr_assert_eq(training_gradient(t, 1, b.x, b.y, logits, &loss), ST_OK, "after '%s'",
                     net->tensors[i].name);
    }
    training_free(t);
    batch_release(&b);
    free(params);
    network_unref(net);
}

/* ---- loss ---- */

TEST_WITHOUT_LEAKS(loss, is_finite_and_right_at_the_ends)
{
    static const struct {
        float logit, y;
        double loss;
        float slope;
    } CASES[] = { { 1e4f, 1, 0, 0 },     { 1e4f, 0, 1e4, 1 },    { -1e4f, 0, 0, 0 },
                  { -1e4f, 1, 1e4, -1 }, { 0, 1, M_LN2, -0.5f }, { 0, 0, M_LN2, 0.5f } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        float slope;

        bce_gradient(1, &CASES[i].logit, &CASES[i].y, NULL, 1, &slope);
        cr_assert_float_eq(bce_sum(1, &CASES[i].logit, &CASES[i].y, NULL), CASES[i].loss, 1e-12, "case %zu",
                           i);
        cr_assert_eq(slope, CASES[i].slope, "case %zu: %g", i, (double)slope);
    }
}

TEST_WITHOUT_LEAKS(loss, is_the_cross_entropy_and_its_slope)
{
    for (int i = -60; i <= 60; i++) {
        const float z = (float)i / 4, y = i % 2 == 0;
        const double p = 1 / (1 + exp(-(double)z)), q = 1 / (1 + exp((double)z));
        float slope;

        bce_gradient(1, &z, &y, NULL, 3, &slope);
        cr_assert_float_eq(bce_sum(1, &z, &y, NULL), -(double)y * log(p) - (1 - (double)y) * log(q), 1e-12,
                           "logit %g", (double)z);
        cr_assert_float_eq((double)slope, 3 * (y > 0 ? -q : p), 3e-7, "logit %g", (double)z);
    }
}

TEST_WITHOUT_LEAKS(loss, sums_over_the_findings)
{
    const float z[3] = { 0, 1, -2 }, y[3] = { 1, 0, 0 };
    const double sum = log(2) + log(1 + exp(1)) + log(1 + exp(-2));
    float slopes[3];

    cr_assert_float_eq(bce_sum(3, z, y, NULL), sum, 1e-12);
    bce_gradient(3, z, y, NULL, 0.5f, slopes);
    for (size_t i = 0; i < 3; i++)
        cr_assert_float_eq((double)slopes[i], 0.5 * (1 / (1 + exp(-(double)z[i])) - (double)y[i]), 1e-7);
}
