/* tests/unit/test_network.c - the whole network against the same network in float64 (support/double_net.h): what it
 * answers on real radiographs, its gradient, Adam, ten steps of training; and what model, session, training and loss
 * promise in their headers. */
#include "cxrd/file.h"
#include "cxrd/image.h"
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "cxrd/training.h"
#include "double_net.h"
#include "leaks.h"
#include "model/net/loss.h"
#include "plain_network.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHARDS = 16, MOST = 37 /* pictures of a batch */ };

/* ---- parts ---- */

static void *allocated(void *p)
{
    cr_assert_not_null(p);
    return p;
}

static float *floats(size_t n) { return allocated(calloc(n, sizeof(float))); }
static double *doubles(size_t n) { return allocated(calloc(n, sizeof(double))); }

static double *widened(const float *values, size_t n)
{
    double *wide = doubles(n);

    for (size_t i = 0; i < n; i++)
        wide[i] = (double)values[i];
    return wide;
}

static const struct network *cnn4(size_t size)
{
    const struct double_net twin = double_net_cnn4(size);
    const struct network *net;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", size, N_NIH_LABELS, 0 }, &net, NULL), ST_OK);
    cr_assert_eq(net->n_params, double_net_params(&twin));
    return net;
}

static float *initial(const struct network *net, enum init init, uint64_t seed)
{
    float *params = floats(net->n_params);
    struct rng rng;

    rng_seed(&rng, seed, 0);
    network_initialise(net, init, &rng, params);
    return params;
}

static struct model *model_of(const struct network *net, const float *params)
{
    const struct preprocess pre = { .size = net->image_size, .resize = RESIZE_AREA, .mean = 128, .std = 64 };
    struct model *m = NULL;
    struct error err = { 0 };

    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, NULL, &m, &err), ST_OK, "%s", err.text);
    return m;
}

static struct model *random_model(size_t size)
{
    const struct network *net = cnn4(size);
    float *params = initial(net, INIT_HE, size);
    struct model *m = model_of(net, params);

    free(params);
    network_unref(net);
    return m;
}

/* n pictures of bands and noise, scaled, and truths at about the rates of the real table. */
struct batch {
    size_t n, size;
    float *x, *y;
};

static struct batch batch_new(size_t n, size_t size, uint64_t seed)
{
    struct batch b = { n, size, floats(n * size * size), floats(n * N_NIH_LABELS) };
    struct rng rng;

    rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < n * size * size; i++) {
        const double band = 128 + 80 * sin((double)(i % size) / 9 + (double)(i / size / size));

        b.x[i] = (float)(floor(band + 40 * rng_unit(&rng)) - 128) / 64;
    }
    for (size_t i = 0; i < n * N_NIH_LABELS; i++)
        b.y[i] = rng_unit(&rng) < 0.2;
    return b;
}

static void batch_release(struct batch *b)
{
    free(b->x);
    free(b->y);
}

/* ---- the measure itself ---- */

/* A network of 2 and 3 channels on 8 x 8 pixels: every slope by central differences. */
TEST_WITHOUT_LEAKS(double_net, its_own_gradient_is_the_slope)
{
    const struct double_net net = { 8, 2, 3, { 3, 2, 3 } };
    const size_t n = double_net_params(&net);
    double *params = doubles(n), *gradient = doubles(n), *ignored = doubles(n), x[2 * 64], y[6];
    struct rng rng;

    rng_seed(&rng, 2, 0);
    for (size_t i = 0; i < n; i++)
        params[i] = rng_unit(&rng) - 0.5;
    for (size_t i = 0; i < 2 * 64; i++)
        x[i] = 2 * rng_unit(&rng) - 1;
    for (size_t i = 0; i < 6; i++)
        y[i] = (double)(i % 2);
    double_net_gradient(&net, params, 2, x, y, gradient);
    for (size_t i = 0; i < n; i++) {
        const double kept = params[i], h = 1e-6;
        double above, below;

        params[i] = kept + h;
        above = double_net_gradient(&net, params, 2, x, y, ignored);
        params[i] = kept - h;
        below = double_net_gradient(&net, params, 2, x, y, ignored);
        params[i] = kept;
        cr_assert_float_eq(gradient[i], (above - below) / (2 * h), 1e-8, "parameter %zu: %g, the slope is %g",
                           i, gradient[i], (above - below) / (2 * h));
    }
    free(params);
    free(gradient);
    free(ignored);
}

/* ---- answers ---- */

/* Real radiographs, one of them RGBA, scaled and as they are. */
static const struct answer_case {
    const char *file;
    enum init init;
    float mean, std;
    enum resize resize;
} ANSWERS[] = {
    { "00000001_000.png", INIT_HE, 128, 64, RESIZE_AREA },
    { "00000773_001.png", INIT_GLOROT, 128, 64, RESIZE_AREA },
    { "00000047_005.png", INIT_HE, 119, 58, RESIZE_AREA },
    { "00000001_000.png", INIT_GLOROT, 0, 1, RESIZE_NEAREST },
    { "00000773_001.png", INIT_HE, 0, 1, RESIZE_NEAREST },
    { "00000047_005.png", INIT_GLOROT, 0, 1, RESIZE_NEAREST },
};
enum { N_ANSWERS = sizeof ANSWERS / sizeof ANSWERS[0], FULL_SIZE = 256 };

static float *radiograph(const char *file, const struct preprocess *pre)
{
    char relative[100];
    struct file_bytes bytes = FILE_BYTES_INIT;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    uint8_t *grey = allocated(malloc(pre->size * pre->size));
    float *x = floats(pre->size * pre->size);

    snprintf(relative, sizeof relative, "nih/images_001/images/%s", file);
    cr_assert_eq(file_read(test_data(relative), 1 << 20, &bytes, &err), ST_OK, "%s", err.text);
    cr_assert_eq(image_decode(bytes.data, bytes.size, &IMAGE_READER_PNG, &img, &err), ST_OK, "%s", err.text);
    preprocess_resize(&img, pre, grey);
    preprocess_scale(grey, pre->size * pre->size, pre, x);
    image_release(&img);
    file_bytes_release(&bytes);
    free(grey);
    return x;
}

typedef enum status run_fn(struct session *s, const struct model *m, size_t n, const float *x,
                           float *ret_logits);

/* Logits to 1e-5 of the largest, and probabilities to 1e-5. */
static void check_answer(const char *what, run_fn *run, const struct model *m, const float *x)
{
    const struct double_net net = double_net_cnn4(model_network(m)->image_size);
    double *params = widened(model_params(m), model_network(m)->n_params),
           *wide = widened(x, net.size * net.size);
    double truth[N_NIH_LABELS], largest = 0;
    float logits[N_NIH_LABELS], probabilities[N_NIH_LABELS];
    struct session *s = NULL;

    double_net_forward(&net, params, wide, truth);
    cr_assert_eq(session_new(&s), ST_OK);
    cr_assert_eq(run(s, m, 1, x, logits), ST_OK);
    model_probabilities(m, 1, logits, probabilities);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        largest = fmax(largest, fabs(truth[i]));
    for (size_t i = 0; i < N_NIH_LABELS; i++) {
        const double p = 1 / (1 + exp(-truth[i]));

        cr_assert_float_eq((double)logits[i], truth[i], 1e-5 * largest, "%s: logit %zu is %.9g, not %.9g",
                           what, i, (double)logits[i], truth[i]);
        cr_assert_float_eq((double)probabilities[i], p, 1e-5, "%s: probability %zu is %.9g, not %.9g", what,
                           i, (double)probabilities[i], p);
    }
    session_free(s);
    free(params);
    free(wide);
}

static void check_radiograph(const struct answer_case *c, size_t size, run_fn *run)
{
    const struct preprocess pre = { .size = size, .resize = c->resize, .mean = c->mean, .std = c->std };
    const struct network *net = cnn4(size);
    float *params = initial(net, c->init, 17), *x = radiograph(c->file, &pre);
    struct model *m = model_of(net, params);

    check_answer(c->file, run, m, x);
    model_unref(m);
    free(params);
    free(x);
    network_unref(net);
}

ParameterizedTestParameters(answer, is_that_of_float64_on_real_radiographs)
{
    return cr_make_param_array(size_t, index_upto(N_ANSWERS), N_ANSWERS, index_free);
}

ParameterizedTest(size_t *index, answer, is_that_of_float64_on_real_radiographs)
{
    check_radiograph(&ANSWERS[*index], FULL_SIZE, session_run);
}

static enum status run_reference(struct session *unused, const struct model *m, size_t n, const float *x,
                                 float *ret_logits)
{
    (void)unused;
    return plain_forward(model_network(m), model_params(m), n, x, ret_logits);
}

TEST_WITHOUT_LEAKS(answer, of_the_reference_pass_is_that_of_float64_too)
{
    check_radiograph(&ANSWERS[0], FULL_SIZE, run_reference);
    for (size_t i = 1; i < N_ANSWERS; i++)
        check_radiograph(&ANSWERS[i], 64, run_reference);
}

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

/* ---- models ---- */

TEST_WITHOUT_LEAKS(model, makes_probabilities_of_any_logit)
{
    const float logits[N_NIH_LABELS] = { 0, 1e4f, -1e4f, 88,    -88,    104, -104,
                                         1, -1,   1e-8f, 3e38f, -3e38f, 20,  -20 };
    struct model *m = random_model(64);
    float p[N_NIH_LABELS];

    model_probabilities(m, 1, logits, p);
    for (size_t i = 0; i < N_NIH_LABELS; i++)
        cr_assert_float_eq((double)p[i], 1 / (1 + exp(-(double)logits[i])), 1e-7, "logit %g",
                           (double)logits[i]);
    cr_assert(p[0] == 0.5f && p[1] == 1 && p[2] == 0);
    model_unref(m);
}

TEST_WITHOUT_LEAKS(model, lives_as_long_as_anyone_holds_it)
{
    struct model *m = random_model(64), *held = model_ref(m);

    model_unref(m);
    cr_assert_eq(model_network(held)->image_size, 64);
    cr_assert(isfinite(model_params(held)[0]));
    model_unref(held);
    model_unref(NULL);
}

TEST_WITHOUT_LEAKS(model, copies_what_it_is_made_of)
{
    const struct network *net = cnn4(64);
    const struct preprocess pre = { .size = 64, .resize = RESIZE_AREA, .mean = 1, .std = 2 };
    float *params = initial(net, INIT_HE, 1);
    const float first = params[0];
    struct model *m = NULL;

    cr_assert_eq(model_new(net, &NIH_LABELS, &pre, params, json_pack("{s:s}", "job", "j1"), &m, NULL), ST_OK);
    params[0] = 99;
    cr_assert_eq(model_params(m)[0], first);
    cr_assert_str_eq(json_string_value(json_object_get(model_notes(m), "job")), "j1");
    cr_assert(model_preprocess(m)->mean == 1 && model_preprocess(m)->std == 2);
    model_unref(m);
    free(params);
    network_unref(net);
}

TEST_WITHOUT_LEAKS(model, of_weights_that_are_no_numbers_is_refused_by_tensor)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    const struct network *net = cnn4(64);
    const struct preprocess pre = { .size = 64, .std = 1 };
    float *params = initial(net, INIT_HE, 1);

    for (size_t i = 0; i < net->n_tensors; i++) {
        const size_t last = net->tensors[i].offset + net->tensors[i].count - 1;
        const float kept = params[last];
        struct model *m = NULL;
        struct error err = { 0 };

        params[last] = BAD[i % 3];
        check_refusal("a bad weight", model_new(net, &NIH_LABELS, &pre, params, json_object(), &m, &err),
                      ST_NUMERIC, &err, net->tensors[i].name);
        cr_assert_null(m);
        params[last] = kept;
    }
    free(params);
    network_unref(net);
}

/* ---- sessions ---- */

static struct session *session(void)
{
    struct session *s = NULL;

    cr_assert_eq(session_new(&s), ST_OK);
    return s;
}

TEST_WITHOUT_LEAKS(session, one_serves_models_of_different_sizes_in_any_order)
{
    static const size_t SIZES[] = { 64, 144, 80, 64 };
    struct session *shared = session();

    for (size_t i = 0; i < 4; i++) {
        struct model *m = random_model(SIZES[i]);
        struct batch b = batch_new(1, SIZES[i], i);
        struct session *fresh = session();
        float a[N_NIH_LABELS], c[N_NIH_LABELS];

        cr_assert_eq(session_run(shared, m, 1, b.x, a), ST_OK);
        cr_assert_eq(session_run(fresh, m, 1, b.x, c), ST_OK);
        cr_assert_eq(memcmp(a, c, sizeof a), 0, "size %zu", SIZES[i]);
        session_free(fresh);
        batch_release(&b);
        model_unref(m);
    }
    session_free(shared);
    session_free(NULL);
}

TEST_WITHOUT_LEAKS(session, a_batch_is_its_pictures_one_by_one)
{
    struct model *m = random_model(64);
    struct batch b = batch_new(3, 64, 1);
    struct session *s = session();
    float together[3 * N_NIH_LABELS], alone[N_NIH_LABELS];

    cr_assert_eq(session_run(s, m, 3, b.x, together), ST_OK);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(session_run(s, m, 1, b.x + i * 64 * 64, alone), ST_OK);
        cr_assert_eq(memcmp(together + i * N_NIH_LABELS, alone, sizeof alone), 0, "picture %zu", i);
    }
    session_free(s);
    batch_release(&b);
    model_unref(m);
}

struct shared_model {
    const struct model *m;
    const float *x;
    struct session *sessions[4];
    float expected[N_NIH_LABELS];
    atomic_int n_same;
};

static void run_shared(void *arg, size_t task, size_t lane)
{
    struct shared_model *shared = arg;
    float logits[N_NIH_LABELS];

    (void)task;
    if (session_run(shared->sessions[lane], shared->m, 1, shared->x, logits) == ST_OK &&
        memcmp(logits, shared->expected, sizeof logits) == 0)
        atomic_fetch_add(&shared->n_same, 1);
}

TEST_WITHOUT_LEAKS(session, many_share_one_model)
{
    struct model *m = random_model(64);
    struct batch b = batch_new(1, 64, 1);
    struct shared_model shared = { .m = m,
                                   .x = b.x,
                                   .sessions = { session(), session(), session(), session() } };
    struct pool *pool = NULL;

    cr_assert_eq(session_run(shared.sessions[0], m, 1, b.x, shared.expected), ST_OK);
    cr_assert_eq(pool_new(4, POOL_NORMAL, &pool, NULL), ST_OK);
    pool_run(pool, 24, run_shared, &shared);
    cr_assert_eq(atomic_load(&shared.n_same), 24);
    pool_free(pool);
    for (size_t i = 0; i < 4; i++)
        session_free(shared.sessions[i]);
    batch_release(&b);
    model_unref(m);
}

static void check_numeric(const char *what, const struct model *m, const float *x)
{
    struct session *s = session();
    float logits[N_NIH_LABELS];

    cr_assert_eq(session_run(s, m, 1, x, logits), ST_NUMERIC, "%s", what);
    session_free(s);
}

TEST_WITHOUT_LEAKS(session, an_input_that_is_no_number_gets_no_answer)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    struct model *m = random_model(64);
    struct batch b = batch_new(1, 64, 1);

    for (size_t i = 0; i < 3; i++) {
        const float kept = b.x[65];

        b.x[65] = BAD[i];
        check_numeric("a bad pixel", m, b.x);
        b.x[65] = kept;
    }
    batch_release(&b);
    model_unref(m);
}

/* Finite weights can still be absurd: the sums overflow, wherever they are. */
TEST_WITHOUT_LEAKS(session, weights_that_overflow_get_no_answer)
{
    const struct network *net = cnn4(64);
    struct batch b = batch_new(1, 64, 1);

    for (size_t i = 0; i < net->n_tensors; i += 2) {
        const struct tensor *t = &net->tensors[i];
        float *params = initial(net, INIT_HE, 1);
        struct model *m;

        for (size_t k = 0; k < t->count; k++)
            params[t->offset + k] = copysignf(3e38f, params[t->offset + k]);
        m = model_of(net, params);
        check_numeric(t->name, m, b.x);
        model_unref(m);
        free(params);
    }
    batch_release(&b);
    network_unref(net);
}
