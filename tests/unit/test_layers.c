/* tests/unit/test_layers.c - every layer kind: the slopes are right, and each keeps to what layer.h says of it, what each does is
 * test_layers_kinds.c's; then how an architecture is laid out and initialised. The kinds come from LAYER_KINDS, so that a new one is tested the day it
 * is listed. test_kernels.c holds the kernels against the layers. */
#include "cxrd/network.h"
#include "cxrd/rng.h"
#include "model/net/layer.h"
#include "probe.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- every kind, every shape that it takes ---- */

/* One channel and several, odd and even sides, single rows and columns. */
static const struct shape SHAPES[] = { { 1, 1, 1 }, { 1, 1, 7 }, { 1, 7, 1 }, { 1, 5, 7 }, { 1, 6, 2 },
                                       { 3, 1, 1 }, { 4, 5, 4 }, { 5, 3, 7 }, { 2, 4, 6 }, { 4, 3, 2 } };
enum { N_SHAPES = sizeof SHAPES / sizeof SHAPES[0], BATCH = 3, CHANNELS = 4, MIN_CASES = 3 };

/* The choices of an author for the kinds that have one; the other kinds get ANYTHING. */
static const struct node AUTHORS[] = {
    { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 1, 0, 0), .bias = true },
    { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(3, 3, 1, 1, 1), .bias = true },
    { .ops = &LAYER_CONV, .channels = 3, .window = WINDOW(5, 3, 1, 2, 1) },
    { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 1, 1, 0, 2) },
    { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 2, 1, 1), .bias = true },
    { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 2, 0, 0) },
    { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 3, 0, 0) },
    { .ops = &LAYER_CONV, .channels = 6, .window = WINDOW(3, 3, 1, 1, 1), .groups = 2, .bias = true },
    { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(3, 3, 1, 1, 1), .groups = 4 },
    { .ops = &LAYER_CONV, .channels = 8, .window = WINDOW(3, 3, 2, 1, 1), .groups = 4, .bias = true },
    { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(7, 7, 2, 3, 3) },
    { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(2, 4, 1, 1, 2) },
    { .ops = &LAYER_CONV,
      .channels = 2,
      .window = { 3, 3, 2, 2, 0, 0, 1, 1, 1, 1 } }, /* TensorFlow's "same" */
    { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 2, 1, 3, 2, 0, 3, 4, 1, 1 }, .bias = true },
    { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 1, 2, 3, 2, 3, 2, 3 }, .bias = true },
    { .ops = &LAYER_CONV, .channels = 4, .window = { 3, 2, 2, 3, 4, 3, 3, 2, 3, 2 }, .groups = 4 },
    { .ops = &LAYER_DENSE, .channels = 4, .bias = true },
    { .ops = &LAYER_DENSE, .channels = 3 },
    { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 2, 0, 0) },
    { .ops = &LAYER_MAX_POOL, .window = WINDOW(3, 3, 2, 1, 1) },
    { .ops = &LAYER_MAX_POOL, .window = WINDOW(3, 2, 1, 0, 1) },
    { .ops = &LAYER_MAX_POOL, .window = WINDOW(1, 1, 2, 0, 0) },
    { .ops = &LAYER_MAX_POOL, .window = WINDOW(5, 5, 1, 2, 2) },
    { .ops = &LAYER_MEAN_POOL, .window = WINDOW(2, 2, 2, 0, 0) },
    { .ops = &LAYER_MEAN_POOL, .window = WINDOW(3, 2, 1, 0, 0) },
    { .ops = &LAYER_MEAN_POOL, .window = WINDOW(1, 3, 4, 0, 0) },
    { .ops = &LAYER_MAX_POOL, .window = { 3, 2, 2, 1, 0, 0, 2, 1, 1, 1 } },
    { .ops = &LAYER_MAX_POOL, .window = { 2, 2, 1, 2, 1, 0, 1, 1, 2, 1 } },
    { .ops = &LAYER_MEAN_POOL, .window = WINDOW(3, 3, 2, 1, 1) },
    { .ops = &LAYER_MEAN_POOL, .window = { 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, true } },
    { .ops = &LAYER_MEAN_POOL, .window = { 2, 3, 1, 2, 1, 0, 0, 2, 1, 2 } },
    { .ops = &LAYER_SLICE, .channels = 1 },
    { .ops = &LAYER_SLICE, .first = 1, .channels = 2 },
    { .ops = &LAYER_SLICE, .first = 2, .channels = 2 },
    { .ops = &LAYER_SHUFFLE, .groups = 1 },
    { .ops = &LAYER_SHUFFLE, .groups = 2 },
    { .ops = &LAYER_SHUFFLE, .groups = 4 },
};
static const struct node ANYTHING = {
    .channels = CHANNELS, .epsilon = 1e-3, .low = -0.5, .high = 0.25, .slope = 0.2
};
enum { N_AUTHORS = sizeof AUTHORS / sizeof AUTHORS[0] };

/* A second input: like the first, one number a channel, more channels. */
static struct shape second_of(struct shape first, size_t which)
{
    const struct shape seconds[] = { first, { first.c, 1, 1 }, { first.c + 1, first.h, first.w } };

    return seconds[which];
}
enum { N_SECONDS = 3 };

static bool has_state(const struct layer_ops *ops) { return ops == &LAYER_NORM; }

/* On every shape that the kind takes, without its state where that makes a difference. The number of shapes. */
static size_t check_author(const struct node *author, void (*check)(struct probe *p))
{
    const size_t seconds = author->ops->n_from == 2 ? N_SECONDS : 1;
    size_t n_taken = 0;

    for (size_t i = 0; i < N_SHAPES * seconds; i++) {
        const struct shape first = SHAPES[i / seconds];
        const struct shape in[NODE_MAX_INPUTS] = { first, second_of(first, i % seconds) };
        struct probe p;

        for (int training = 0; training <= has_state(author->ops); training++) {
            if (probe_init(&p, author, in, BATCH))
                continue;
            p.training = training;
            check(&p);
            probe_release(&p);
            n_taken++;
        }
    }
    return n_taken;
}

static void check_kind(const struct layer_ops *ops, void (*check)(struct probe *p))
{
    struct node any = ANYTHING;
    size_t n_authors = 0, n_taken = 0;

    for (size_t i = 0; i < N_AUTHORS; i++)
        if (AUTHORS[i].ops == ops) {
            const size_t taken = check_author(&AUTHORS[i], check);

            cr_assert_geq(taken, 2, "%s takes only %zu shapes of author %zu", ops->kind, taken, i);
            n_taken += taken;
            n_authors++;
        }
    any.ops = ops;
    if (n_authors == 0)
        n_taken = check_author(&any, check);
    cr_assert_geq(n_taken, MIN_CASES, "%s takes only %zu of the shapes", ops->kind, n_taken);
}

#define EACH_KIND(name, check)                                                                    \
    ParameterizedTestParameters(layer, name)                                                      \
    {                                                                                             \
        return cr_make_param_array(size_t, index_upto(N_LAYER_KINDS), N_LAYER_KINDS, index_free); \
    }                                                                                             \
    ParameterizedTest(size_t *index, layer, name) { check_kind(LAYER_KINDS[*index], check); }

/* ---- slopes ---- */

/* The most that a difference of results rounded to float32 may err, as these kinds do not stay within multiples of 1/4096; and the
 * part of the curvature: f'''h^2/6, 2e-5 for a sigmoid. Slopes are of the size of 0.1 to 10. */
static double rounding_of(const struct layer_ops *ops)
{
    static const struct layer_ops *const INEXACT[] = {
        &LAYER_NORM, &LAYER_SIGMOID, &LAYER_SILU, &LAYER_HARD_SWISH, &LAYER_MEAN_POOL, &LAYER_GLOBAL_POOL
    };

    for (size_t i = 0; i < sizeof INEXACT / sizeof INEXACT[0]; i++)
        if (INEXACT[i] == ops)
            return 1e-4;
    return 0;
}

static void check_slopes(struct probe *p, const char *what, float *at, const float *gradient, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double slope = probe_slope(p, at + i), g = (double)gradient[i];

        cr_assert(fabs(g - slope) <= 1e-3 * fabs(slope) + rounding_of(p->node.ops),
                  "%s: d%s[%zu] is %g, the slope is %g", probe_describe(p), what, i, g, slope);
    }
}

/* The least spread of a probe's x is 0.1: against it a step of 1/32 sees the curvature of a normalisation, 1 % of a slope. */
static void gradients_are_slopes(struct probe *p)
{
    if (p->node.ops == &LAYER_NORM)
        p->step = 1.0f / 128;
    probe_forward(p);
    probe_backward(p);
    for (size_t k = 0; k < p->node.ops->n_from; k++)
        check_slopes(p, k ? "x1" : "x0", p->x[k], p->dx[k], p->nx[k]);
    check_slopes(p, "params", p->params, p->dparams, p->node.n_params);
}

EACH_KIND(gradients_match_central_differences, gradients_are_slopes)

/* ---- what layer.h promises ---- */

/* dx was NaN before: any left would be what was there. dparams get on top of what was there. */
static void accumulates(struct probe *p)
{
    float *once = calloc(p->node.n_params + 1, sizeof *once);

    cr_assert_not_null(once);
    probe_forward(p);
    probe_backward(p);
    memcpy(once, p->dparams, p->node.n_params * sizeof *once);
    for (size_t k = 0; k < p->node.ops->n_from; k++)
        for (size_t i = 0; i < p->nx[k]; i++)
            cr_assert(isfinite(p->dx[k][i]), "%s: dx%zu[%zu] was not written", probe_describe(p), k, i);
    probe_backward(p);
    for (size_t i = 0; i < p->node.n_params; i++)
        cr_assert_eq(p->dparams[i], 2 * once[i], "%s: dparams[%zu] is %g after two passes of %g",
                     probe_describe(p), i, (double)p->dparams[i], (double)once[i]);
    free(once);
}

EACH_KIND(overwrites_dx_and_adds_to_dparams, accumulates)

static void works_without_dx(struct probe *p)
{
    float *kept = calloc(p->node.n_params + 1, sizeof *kept);

    cr_assert_not_null(kept);
    probe_forward(p);
    probe_backward(p);
    memcpy(kept, p->dparams, p->node.n_params * sizeof *kept);
    memset(p->dparams, 0, p->node.n_params * sizeof *kept);
    probe_backward_without_dx(p);
    cr_assert_eq(memcmp(kept, p->dparams, p->node.n_params * sizeof *kept), 0, "%s", probe_describe(p));
    free(kept);
}

EACH_KIND(gives_the_same_dparams_when_nobody_asks_for_dx, works_without_dx)

/* Of two inputs one may be asked for alone. */
static void works_with_one_dx(struct probe *p)
{
    probe_forward(p);
    probe_backward(p);
    for (size_t k = 0; k < p->node.ops->n_from; k++) {
        float *const wanted = p->dx[k], *const others = p->dx[1 - k];
        float *kept = malloc(p->nx[k] * sizeof *kept);

        cr_assert_not_null(kept);
        memcpy(kept, wanted, p->nx[k] * sizeof *kept);
        memset(wanted, 0xff, p->nx[k] * sizeof *kept);
        p->dx[1 - k] = NULL;
        probe_backward(p);
        p->dx[1 - k] = others;
        cr_assert_eq(memcmp(kept, wanted, p->nx[k] * sizeof *kept), 0, "%s: dx%zu", probe_describe(p), k);
        free(kept);
    }
}

EACH_KIND(gives_the_same_dx_when_nobody_asks_for_the_other, works_with_one_dx)

static void tape_changes_nothing(struct probe *p)
{
    float *kept = malloc(p->ny * sizeof *kept);

    cr_assert_not_null(kept);
    probe_forward(p);
    memcpy(kept, p->y, p->ny * sizeof *kept);
    memset(p->y, 0xff, p->ny * sizeof *kept);
    probe_forward_without_tape(p);
    cr_assert_eq(memcmp(kept, p->y, p->ny * sizeof *kept), 0, "%s", probe_describe(p));
    free(kept);
}

EACH_KIND(forward_is_the_same_without_a_tape, tape_changes_nothing)

static void give_sample(struct probe *one, const struct probe *p, size_t s)
{
    const size_t out = p->ny / p->n;

    for (size_t k = 0; k < p->node.ops->n_from; k++)
        memcpy(one->x[k], p->x[k] + s * one->nx[k], one->nx[k] * sizeof(float));
    memcpy(one->r, p->r + s * out, out * sizeof(float));
}

static void check_sample(const struct probe *one, const struct probe *p, size_t s)
{
    for (size_t i = 0; i < one->ny; i++)
        cr_assert_eq(one->y[i], p->y[s * one->ny + i], "%s: y[%zu][%zu]", probe_describe(p), s, i);
    for (size_t k = 0; k < p->node.ops->n_from; k++)
        for (size_t i = 0; i < one->nx[k]; i++)
            cr_assert_eq(one->dx[k][i], p->dx[k][s * one->nx[k] + i], "%s: dx%zu[%zu][%zu]",
                         probe_describe(p), k, s, i);
}

/* Sums of a probe are exact in float32, but for the kinds that round: nothing else may differ by their order. Statistics of a
 * batch are no sample's. */
static void batch_is_its_samples(struct probe *p)
{
    const struct shape in[NODE_MAX_INPUTS] = { p->node.in[0], p->node.in[1] };
    struct node author = p->node;
    struct probe one;

    if (p->training)
        return;
    author.n_params = author.n_state = 0;
    probe_forward(p);
    probe_backward(p);
    cr_assert_null(probe_init(&one, &author, in, 1));
    memcpy(one.params, p->params, p->node.n_params * sizeof *one.params);
    memcpy(one.state, p->state, p->node.n_state * sizeof *one.state);
    for (size_t s = 0; s < p->n; s++) {
        give_sample(&one, p, s);
        probe_forward(&one);
        probe_backward(&one);
        check_sample(&one, p, s);
    }
    for (size_t i = 0; i < p->node.n_params; i++)
        cr_assert(fabs((double)(one.dparams[i] - p->dparams[i])) <= rounding_of(p->node.ops),
                  "%s: dparams[%zu]", probe_describe(p), i);
    probe_release(&one);
}

EACH_KIND(a_batch_is_its_samples_one_by_one, batch_is_its_samples)

/* A node may read one result twice: x + x, x * x. The slopes by both are the caller's to add. */
Test(layer, two_inputs_may_be_one_and_the_same)
{
    static const struct layer_ops *const KINDS[] = { &LAYER_ADD, &LAYER_MUL, &LAYER_CONCAT };
    const struct shape in[NODE_MAX_INPUTS] = { { 2, 3, 2 }, { 2, 3, 2 } };

    for (size_t kind = 0; kind < 3; kind++) {
        struct probe p;
        float *mine;

        cr_assert_null(probe_init(&p, &(struct node){ .ops = KINDS[kind] }, in, BATCH));
        mine = p.x[1];
        p.x[1] = p.x[0];
        probe_forward(&p);
        probe_backward(&p);
        for (size_t i = 0; i < p.nx[0]; i++) {
            const double slope = probe_slope(&p, p.x[0] + i), g = (double)p.dx[0][i] + (double)p.dx[1][i];

            cr_assert(fabs(g - slope) <= 1e-3 * fabs(slope), "%s: %g, not %g", probe_describe(&p), g, slope);
        }
        p.x[1] = mine;
        probe_release(&p);
    }
}

/* ---- the architecture ---- */

/* network_unref() it. */
static const struct network *cnn4(size_t size)
{
    const struct network *net = NULL;
    struct error err = { 0 };

    cr_assert_eq(network_new(&(struct network_spec){ "cnn4", size, N_NIH_LABELS, 0 }, &net, &err), ST_OK,
                 "%s", err.text);
    return net;
}

static const struct {
    const char *name;
    size_t rank, dims[4];
} TENSORS[] = {
    { "conv1.weight", 4, { 32, 3, 3, 3 } },    { "conv1.bias", 1, { 32 } },
    { "conv2.weight", 4, { 64, 32, 3, 3 } },   { "conv2.bias", 1, { 64 } },
    { "conv3.weight", 4, { 128, 64, 3, 3 } },  { "conv3.bias", 1, { 128 } },
    { "conv4.weight", 4, { 256, 128, 3, 3 } }, { "conv4.bias", 1, { 256 } },
    { "head.weight", 4, { 14, 256, 16, 16 } }, { "head.bias", 1, { 14 } },
};
enum { N_TENSORS = sizeof TENSORS / sizeof TENSORS[0] };

Test(network, cnn4_has_the_tensors_of_the_contract)
{
    const struct network *net = cnn4(256);
    size_t at = 0;

    cr_assert_eq(net->n_params, 1305934);
    cr_assert_eq(net->n_tensors, N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = network_tensor(net, TENSORS[i].name);
        size_t count = 1;

        cr_assert(t == &net->tensors[i], "'%s' is not tensor %zu", TENSORS[i].name, i);
        cr_assert_eq(t->rank, TENSORS[i].rank, "'%s' has rank %zu", t->name, t->rank);
        for (size_t d = 0; d < t->rank; d++, count *= t->dims[d - 1])
            cr_assert_eq(t->dims[d], TENSORS[i].dims[d], "'%s': dimension %zu is %zu", t->name, d,
                         t->dims[d]);
        cr_assert(t->count == count && t->offset == at, "'%s' lies elsewhere", t->name);
        at += t->count;
    }
    cr_assert_null(network_tensor(net, "conv5.weight"));
    network_unref(net);
}

Test(network, every_node_finds_its_parameters_in_the_block)
{
    const struct network *net = cnn4(64);
    size_t at = 0;

    cr_assert(net->nodes[0].ops == &LAYER_IMAGE && shape_size(net->nodes[0].out) == 64 * 64);
    for (size_t i = 1; i < net->n_nodes; i++) {
        const struct node *l = &net->nodes[i];

        cr_assert_eq(l->params, at, "node %zu", i);
        at += l->n_params;
        cr_assert_eq(l->from[0], i - 1, "node %zu", i);
        cr_assert_eq(memcmp(&l->in[0], &net->nodes[i - 1].out, sizeof l->in[0]), 0, "node %zu", i);
    }
    cr_assert_eq(at, net->n_params);
    cr_assert_eq(net->n_state, 0);
    cr_assert_eq(shape_size(net->nodes[net->n_nodes - 1].out), 14);
    network_unref(net);
}

Test(network, the_head_grows_with_the_image)
{
    static const size_t CASES[][2] = { { 64, 4 }, { 80, 5 }, { 256, 16 }, { 512, 32 }, { 1024, 64 } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct network *net = cnn4(CASES[i][0]);
        const struct tensor *head = network_tensor(net, "head.weight");

        cr_assert(head->dims[2] == CASES[i][1] && head->dims[3] == CASES[i][1]);
        cr_assert_eq(net->n_params, 388416 + 14 * (256 * CASES[i][1] * CASES[i][1] + 1));
        network_unref(net);
    }
}

Test(network, sizes_and_names_that_it_cannot_take_are_refused)
{
    static const size_t SIZES[] = { 0,   1,   16,  48,  63,   65,   72,       100,
                                    255, 257, 513, 520, 1025, 1040, SIZE_MAX, SIZE_MAX - 15 };
    const struct network *net;

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct error err = { 0 };

        check_refusal("a size",
                      network_new(&(struct network_spec){ "cnn4", SIZES[i], N_NIH_LABELS, 0 }, &net, &err),
                      ST_INVALID, &err, "multiple of 16");
    }
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "cnn5" : "";
        struct error err = { 0 };

        check_refusal("a name", network_new(&(struct network_spec){ name, 256, N_NIH_LABELS, 0 }, &net, &err),
                      ST_INVALID, &err, "architecture");
    }
}

/* ---- initial weights ---- */

static float *initialised(const struct network *net, enum init init, uint64_t seed)
{
    float *params = malloc(net->n_params * sizeof *params);
    struct rng rng;

    cr_assert_not_null(params);
    memset(params, 0xff, net->n_params * sizeof *params); /* NaN wherever nothing is written */
    rng_seed(&rng, seed, 0);
    network_initialise(net, init, &rng, params);
    return params;
}

/* Uniform in ±bound: its variance is bound²/3, and the variance of x² is 4/45 bound⁴. Five deviations. */
static void check_uniform(const struct tensor *t, const float *w, double bound)
{
    const double n = (double)t->count;
    double sum = 0, squares = 0, largest = 0;

    for (size_t i = 0; i < t->count; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
        largest = fmax(largest, fabs((double)w[i]));
    }
    cr_assert(largest <= bound * (1 + 1e-6) && largest > 0.98 * bound, "'%s' reaches %g, not %g", t->name,
              largest, bound);
    cr_assert(fabs(sum / n) < 5 * bound / sqrt(3 * n), "'%s' has the mean %g", t->name, sum / n);
    cr_assert(fabs(squares / n - bound * bound / 3) < 5 * bound * bound * sqrt(4 / (45 * n)),
              "'%s' has the variance %g, not %g", t->name, squares / n, bound * bound / 3);
}

static void check_initial(enum init init, double (*bound)(double fan_in, double fan_out))
{
    const struct network *net = cnn4(64);
    float *params = initialised(net, init, 3);

    for (size_t i = 0; i < net->n_tensors; i += 2) {
        const struct tensor *t = &net->tensors[i];
        const double taps = (double)(t->dims[2] * t->dims[3]), fan_in = taps * (double)t->dims[1];
        const double fan_out =
            (i + 2 < net->n_tensors ? taps : 1) * (double)t->dims[0]; /* the head has no taps */

        check_uniform(t, params + t->offset, bound(fan_in, fan_out));
    }
    for (size_t i = 1; i < net->n_tensors; i += 2)
        for (size_t k = 0; k < net->tensors[i].count; k++)
            cr_assert_eq(params[net->tensors[i].offset + k], 0, "'%s' is not 0", net->tensors[i].name);
    free(params);
    network_unref(net);
}

static double glorot_bound(double fan_in, double fan_out) { return sqrt(6 / (fan_in + fan_out)); }

static double he_bound(double fan_in, double fan_out)
{
    (void)fan_out;
    return sqrt(6 / fan_in);
}

Test(initialise, glorot_is_uniform_by_both_fans) { check_initial(INIT_GLOROT, glorot_bound); }

Test(initialise, he_is_uniform_by_the_inputs) { check_initial(INIT_HE, he_bound); }

Test(initialise, repeats_by_seed_alone)
{
    const struct network *net = cnn4(64);
    float *a = initialised(net, INIT_HE, 5), *b = initialised(net, INIT_HE, 5),
          *c = initialised(net, INIT_HE, 6);

    cr_assert_eq(memcmp(a, b, net->n_params * sizeof *a), 0);
    cr_assert_neq(memcmp(a, c, net->n_params * sizeof *a), 0);
    free(a);
    free(b);
    free(c);
    network_unref(net);
}
