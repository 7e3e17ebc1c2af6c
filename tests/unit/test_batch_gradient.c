/* tests/unit/test_batch_gradient.c - what a recipe does to a batch, by the kernels and by the plain loops of the reference
 * twin: weights in the loss, extra inputs at the head, features left out. */
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/training.h"
#include "leaks.h"
#include "model/kernels/kernels.h"
#include "model/net/graph/graph.h"
#include "plain_network.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(batch, .fini = check_no_leaks);

enum { SIZE = 64, N = 5, K = 3, WEIGHTS = 1, INPUTS = 2, DROPOUT = 4, EVERYTHING = 7, SHARDS = 16 };

/* A network with its parameters and a batch; what is done to it as the bits of `what` say. */
struct case_of {
    const struct network *net;
    float *params;
    float x[N * SIZE * SIZE], y[N * N_NIH_LABELS], inputs[N * K], weights[N * N_NIH_LABELS];
    struct training_batch batch;
};

static void fill(struct rng *rng, float *values, size_t n, float low, float high)
{
    for (size_t i = 0; i < n; i++)
        values[i] = rng_uniform(rng, low, high);
}

static struct case_of *case_new(int what)
{
    struct case_of *c = calloc(1, sizeof *c);
    struct rng rng;

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", SIZE, N_NIH_LABELS, what & INPUTS ? K : 0 },
                             &c->net, NULL),
                 ST_OK);
    c->params = malloc(c->net->n_params * sizeof *c->params);
    rng_seed(&rng, 9, 0);
    network_initialise(c->net, INIT_HE, &rng, c->params);
    fill(&rng, c->x, N * SIZE * SIZE, -2, 2);
    fill(&rng, c->inputs, N * K, -2, 2);
    fill(&rng, c->weights, N * N_NIH_LABELS, 0.1f, 5);
    for (size_t i = 0; i < N * N_NIH_LABELS; i++)
        c->y[i] = rng_unit(&rng) < 0.3;
    if (what & INPUTS)
        fill(&rng, c->params + network_tensor(c->net, "head.inputs.weight")->offset, N_NIH_LABELS * K, -1, 1);
    c->batch = (struct training_batch){ .n = N,
                                        .x = c->x,
                                        .y = c->y,
                                        .inputs = what & INPUTS ? c->inputs : NULL,
                                        .weights = what & WEIGHTS ? c->weights : NULL,
                                        .dropout = what & DROPOUT ? 0.4 : 0,
                                        .dropout_seed = 77 };
    return c;
}

static void case_free(struct case_of *c)
{
    network_unref(c->net);
    free(c->params);
    free(c);
}

/* The gradient [n_params] by a pool of that many threads, and the loss. */
static float *gradient_by(const struct case_of *c, enum norms norms, size_t threads, float *logits,
                          double *loss)
{
    float *gradient = malloc(c->net->n_params * sizeof *gradient);
    struct pool *pool = NULL;
    struct training *t;

    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, NULL), ST_OK);
    cr_assert_eq(training_new(c->net, SHARDS, N, norms, pool, NULL, &t, NULL), ST_OK);
    memcpy(training_params(t), c->params, (c->net->n_params + c->net->n_state) * sizeof *c->params);
    cr_assert_eq(training_batch_gradient(t, &c->batch, logits, loss), ST_OK);
    memcpy(gradient, training_gradients(t), c->net->n_params * sizeof *gradient);
    training_free(t);
    pool_free(pool);
    return gradient;
}

static float *gradient_of(const struct case_of *c, size_t threads, float *logits, double *loss)
{
    return gradient_by(c, NORMS_BATCH, threads, logits, loss);
}

/* Tensor by tensor, relative to its longest entry. */
static void check_tensors(const struct network *net, const float *found, const float *expected, int what)
{
    for (size_t i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        float most = 0, off = 0;

        for (size_t j = t->offset; j < t->offset + t->count; j++) {
            most = fmaxf(most, fabsf(expected[j]));
            off = fmaxf(off, fabsf(found[j] - expected[j]));
        }
        cr_assert(most > 0, "'%s' has no gradient: nothing is shown", t->name);
        cr_assert(off <= 2e-5f * most, "case %d, '%s' is off by %g of %g", what, t->name, (double)off,
                  (double)most);
    }
}

Test(batch, gradient_is_that_of_the_plain_loops)
{
    for (int what = 0; what <= EVERYTHING; what += what == DROPOUT ? EVERYTHING - DROPOUT : what ? what : 1) {
        struct case_of *c = case_new(what);
        float *expected = malloc(c->net->n_params * sizeof *expected);
        float logits[N * N_NIH_LABELS], found_logits[N * N_NIH_LABELS];

        cr_assert_eq(plain_batch_gradient(c->net, c->params, &c->batch, NULL, logits, expected), ST_OK);
        for (size_t threads = 1; threads <= 3; threads++) {
            double loss;
            float *found = gradient_of(c, threads, found_logits, &loss);

            check_tensors(c->net, found, expected, what);
            cr_assert_float_eq(loss,
                               bce_sum(N * N_NIH_LABELS, logits, c->y, c->batch.weights) / (N * N_NIH_LABELS),
                               1e-5 * loss);
            for (size_t i = 0; i < N * N_NIH_LABELS; i++)
                cr_assert(fabsf(found_logits[i] - logits[i]) < 1e-4f * fmaxf(1, fabsf(logits[i])));
            free(found);
        }
        free(expected);
        case_free(c);
    }
}

Test(batch, gradient_has_the_same_bits_for_any_number_of_threads)
{
    struct case_of *c = case_new(EVERYTHING);
    float logits[N * N_NIH_LABELS];
    double alone, loss;
    float *expected = gradient_of(c, 1, logits, &alone);

    for (size_t threads = 2; threads <= 5; threads++) {
        float *found = gradient_of(c, threads, logits, &loss);

        cr_assert_arr_eq(expected, found, c->net->n_params * sizeof *found);
        cr_assert_eq(loss, alone);
        free(found);
    }
    free(expected);
    case_free(c);
}

/* ---- features left out ---- */

/* A convolution, and what the head reads of it: a number a channel, which lies where the head wants it. */
static const struct network *ending_in(const struct layer_ops *ops)
{
    const struct node end = {
        .ops = ops, .window = WINDOW(2, 2, 2, 0, 0), .from = { 1 }, .low = -0.3, .high = 0.4, .slope = 0.2
    };
    const struct network *net;
    struct graph g;

    graph_begin(&g, "ending", 8, 1, N_NIH_LABELS, NULL);
    graph_conv(&g, 0, "conv", MAX_PANEL, 3, ops == &LAYER_MAX_POOL ? 4 : 8, 1);
    graph_dense(&g, graph_add(&g, &end, NULL), "head", N_NIH_LABELS);
    cr_assert_eq(graph_finish(&g, 0, &net), ST_OK);
    return net;
}

/* A slope is told by results, and those are what they were before some were left out for the head. */
Test(batch, gradient_goes_back_from_the_features_as_they_were)
{
    static const struct layer_ops *const ENDS[] = { &LAYER_MAX_POOL, &LAYER_RELU,         &LAYER_RELU6,
                                                    &LAYER_CLIP,     &LAYER_HARD_SIGMOID, &LAYER_HARD_SWISH,
                                                    &LAYER_SIGMOID,  &LAYER_SILU,         &LAYER_LEAKY_RELU };
    struct case_of *c = case_new(WEIGHTS | DROPOUT);

    for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
        float logits[N * N_NIH_LABELS], *expected, *found;
        struct rng rng;
        double loss;

        network_unref(c->net);
        free(c->params);
        c->net = ending_in(ENDS[i]);
        c->params = malloc(c->net->n_params * sizeof *c->params);
        rng_seed(&rng, 11, i);
        fill(&rng, c->params, c->net->n_params, -0.5f, 0.5f);
        expected = malloc(c->net->n_params * sizeof *expected);
        cr_assert_eq(plain_batch_gradient(c->net, c->params, &c->batch, NULL, logits, expected), ST_OK);
        found = gradient_of(c, 2, logits, &loss);
        check_tensors(c->net, found, expected, (int)i);
        free(found);
        free(expected);
    }
    case_free(c);
}

/* ---- a frozen backbone ---- */

/* A network whose normalisations have seen something, and a batch of it. */
static struct case_of *case_with_norms(void)
{
    struct case_of *c = case_new(WEIGHTS | DROPOUT);
    struct rng rng;

    network_unref(c->net);
    free(c->params);
    cr_assert_eq(network_new(&(struct network_spec){ "mobilenet_v2", 32, N_NIH_LABELS, 0 }, &c->net, NULL),
                 ST_OK);
    c->params = malloc((c->net->n_params + c->net->n_state) * sizeof *c->params);
    rng_seed(&rng, 10, 0);
    network_initialise(c->net, INIT_HE, &rng, c->params);
    for (size_t i = 0; i < c->net->n_tensors; i++) {
        const struct tensor *t = &c->net->tensors[i];

        if (t->state)
            fill(&rng, c->params + t->offset, t->count, t->variance ? 0.5f : -0.5f, t->variance ? 2 : 0.5f);
    }
    return c;
}

static float *frozen_gradient(const struct case_of *c, size_t threads, float *logits, double *loss)
{
    return gradient_by(c, NORMS_FROZEN_BACKBONE, threads, logits, loss);
}

/* The head's gradient is that of the plain loops, all other gradients are 0, and the bits are the same for any number of
 * threads. */
static void check_frozen(const struct case_of *c)
{
    static const size_t THREADS[] = { 1, 2, 3, 5, 8 };
    const struct network *net = c->net;
    float logits[N * N_NIH_LABELS], found_logits[N * N_NIH_LABELS], most = 0;
    float *expected = malloc(net->n_params * sizeof *expected);
    double loss;
    float *alone = frozen_gradient(c, 1, logits, &loss);

    cr_assert_eq(plain_batch_gradient(net, c->params, &c->batch, NULL, logits, expected), ST_OK);
    for (size_t i = 0; i < net->head_weights; i++)
        cr_assert_eq(alone[i], 0, "parameter %zu of the backbone has a gradient", i);
    for (size_t i = net->head_weights; i < net->n_params; i++)
        most = fmaxf(most, fabsf(expected[i]));
    for (size_t i = net->head_weights; i < net->n_params; i++)
        cr_assert(fabsf(alone[i] - expected[i]) <= 1e-4f * most, "%zu: %g, not %g", i, (double)alone[i],
                  (double)expected[i]);
    for (size_t k = 0; k < sizeof THREADS / sizeof THREADS[0]; k++) {
        float *found = frozen_gradient(c, THREADS[k], found_logits, &loss);

        cr_assert_arr_eq(found, alone, net->n_params * sizeof *found, "%zu threads", THREADS[k]);
        free(found);
    }
    free(alone);
    free(expected);
}

Test(batch, gradient_stops_at_a_frozen_backbone)
{
    struct case_of *plain = case_new(EVERYTHING), *with_norms = case_with_norms();

    check_frozen(plain);
    check_frozen(with_norms);
    case_free(plain);
    case_free(with_norms);
}

/* The loss on both sides of a value, a little way off. */
static bool second_question(void *arg) { return ++*(int *)arg == 2; }

Test(batch, cancelled_batch_stops_in_its_middle)
{
    struct case_of *c = case_new(0);
    struct training *t;
    float logits[N * N_NIH_LABELS] = { 0 };
    double loss = -1;
    int asked = 0;

    c->batch.cancelled = second_question;
    c->batch.cancelled_arg = &asked;
    cr_assert_eq(training_new(c->net, SHARDS, N, NORMS_BATCH, NULL, NULL, &t, NULL), ST_OK);
    memcpy(training_params(t), c->params, c->net->n_params * sizeof *c->params);
    cr_assert_eq(training_batch_gradient(t, &c->batch, logits, &loss), ST_CANCELLED);
    cr_assert_eq(asked, 2, "asked %d times", asked);
    cr_assert(logits[0] != 0 && logits[(N - 1) * N_NIH_LABELS] == 0,
              "the last picture is not the first four's");
    training_free(t);
    case_free(c);
}

Test(batch, gradient_of_extra_inputs_is_the_slope_of_the_loss)
{
    struct case_of *c = case_new(WEIGHTS | INPUTS);
    const struct tensor *t = network_tensor(c->net, "head.inputs.weight");
    float logits[N * N_NIH_LABELS];
    double loss, beside;
    float *gradient = gradient_of(c, 1, logits, &loss);

    cr_assert(t->rank == 2 && t->dims[0] == N_NIH_LABELS && t->dims[1] == K);
    cr_assert_eq(t->offset + t->count, c->net->n_params);
    for (size_t i = t->offset; i < t->offset + t->count; i += 5) {
        const float step = 1.0f / 64, value = c->params[i];
        double slope;

        c->params[i] = value + step;
        free(gradient_of(c, 1, logits, &loss));
        c->params[i] = value - step;
        free(gradient_of(c, 1, logits, &beside));
        c->params[i] = value;
        slope = (loss - beside) / (2 * (double)step);
        cr_assert(fabs(slope - (double)gradient[i]) < 1e-4 * fmax(fabs(slope), 1e-2), "%zu: %g, slope %g", i,
                  (double)gradient[i], slope);
    }
    free(gradient);
    case_free(c);
}

Test(batch, dropout_leaves_out_its_share_and_keeps_the_mean)
{
    enum { FEATURES = 65537 };
    float *factors = malloc(FEATURES * sizeof *factors), *others = malloc(FEATURES * sizeof *others);

    for (double share = 0.1; share < 0.9; share += 0.35) {
        const struct training_batch b = { .dropout = share, .dropout_seed = 5 };
        size_t out = 0, same = 0;
        double sum = 0;

        training_dropout(&b, 0, FEATURES, factors);
        training_dropout(&b, 1, FEATURES, others);
        for (size_t i = 0; i < FEATURES; i++) {
            out += factors[i] == 0;
            same += (factors[i] == 0) == (others[i] == 0);
            sum += (double)factors[i];
        }
        cr_assert_float_eq((double)out / FEATURES, share, 0.01);
        cr_assert_float_eq(sum / FEATURES, 1, 0.03);
        cr_assert_float_eq((double)same / FEATURES, share * share + (1 - share) * (1 - share), 0.01,
                           "two pictures lose the same features");
        training_dropout(&b, 0, FEATURES, others);
        cr_assert_arr_eq(factors, others, FEATURES * sizeof *factors);
    }
    free(factors);
    free(others);
}

/* Pictures of a shard that share their statistics are in memory together: what no machine has is told, not tried. */
Test(batch, that_no_memory_holds_is_refused)
{
    const struct network *net;
    struct training *t = NULL;
    struct error err = { 0 };

    cr_assert_eq(network_new(&(struct network_spec){ "densenet121", 512, 1, 0 }, &net, NULL), ST_OK);
    cr_assert_eq(training_new(net, 1, 1 << 16, NORMS_BATCH, NULL, NULL, &t, &err), ST_LIMIT);
    cr_assert(strstr(err.text, "more shards"), "%s", err.text);
    network_unref(net);
}
