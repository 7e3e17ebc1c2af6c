/* tests/unit/test_layers.c - every layer kind: the slopes are right, and each keeps to what layer.h says of it; then how
 * an architecture is laid out and initialised. The kinds come from LAYER_KINDS, so that a new one is tested the day it
 * is listed. What the layers say is what test_kernels.c holds the kernels to. */
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

/* What an author may ask of the kinds that have a choice; the other kinds get ANYTHING. */
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

static const char *describe(const struct probe *p)
{
    const struct node *l = &p->node;
    static char text[200];

    snprintf(
        text, sizeof text,
        "%s%s of %zu x %zu x %zu, window %zu x %zu by %zu x %zu, border from %zu x %zu on, %zu x %zu apart, "
        "%zu groups",
        l->ops->kind, p->training ? " in training" : "", l->in[0].c, l->in[0].h, l->in[0].w, l->window.h,
        l->window.w, l->window.stride_h, l->window.stride_w, l->window.top, l->window.left,
        l->window.dilation_h, l->window.dilation_w, l->groups);
    return text;
}

/* ---- slopes ---- */

/* What a difference of results rounded to float32 may err by, as these kinds do not stay within multiples of 1/4096; and what
 * the curvature adds: f'''h^2/6, 2e-5 for a sigmoid. Slopes are of the size of 0.1 to 10. */
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
                  "%s: d%s[%zu] is %g, the slope is %g", describe(p), what, i, g, slope);
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
            cr_assert(isfinite(p->dx[k][i]), "%s: dx%zu[%zu] was not written", describe(p), k, i);
    probe_backward(p);
    for (size_t i = 0; i < p->node.n_params; i++)
        cr_assert_eq(p->dparams[i], 2 * once[i], "%s: dparams[%zu] is %g after two passes of %g", describe(p),
                     i, (double)p->dparams[i], (double)once[i]);
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
    cr_assert_eq(memcmp(kept, p->dparams, p->node.n_params * sizeof *kept), 0, "%s", describe(p));
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
        cr_assert_eq(memcmp(kept, wanted, p->nx[k] * sizeof *kept), 0, "%s: dx%zu", describe(p), k);
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
    cr_assert_eq(memcmp(kept, p->y, p->ny * sizeof *kept), 0, "%s", describe(p));
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
        cr_assert_eq(one->y[i], p->y[s * one->ny + i], "%s: y[%zu][%zu]", describe(p), s, i);
    for (size_t k = 0; k < p->node.ops->n_from; k++)
        for (size_t i = 0; i < one->nx[k]; i++)
            cr_assert_eq(one->dx[k][i], p->dx[k][s * one->nx[k] + i], "%s: dx%zu[%zu][%zu]", describe(p), k,
                         s, i);
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
                  "%s: dparams[%zu]", describe(p), i);
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

            cr_assert(fabs(g - slope) <= 1e-3 * fabs(slope), "%s: %g, not %g", describe(&p), g, slope);
        }
        p.x[1] = mine;
        probe_release(&p);
    }
}

/* ---- what each kind does, by hand ---- */

/* One sample. x1 and params may be NULL. */
static void check_by_hand(struct node author, struct shape in0, struct shape in1, const float *params,
                          const float *x0, const float *x1, const float *y)
{
    struct probe p;

    cr_assert_null(probe_init(&p, &author, (struct shape[]){ in0, in1 }, 1));
    memcpy(p.x[0], x0, p.nx[0] * sizeof *x0);
    if (x1)
        memcpy(p.x[1], x1, p.nx[1] * sizeof *x1);
    if (params)
        memcpy(p.params, params, p.node.n_params * sizeof *params);
    probe_forward(&p);
    for (size_t i = 0; i < p.ny; i++)
        cr_assert_eq(p.y[i], y[i], "%s: y[%zu] is %g, not %g", describe(&p), i, (double)p.y[i], (double)y[i]);
    probe_release(&p);
}

static void check_one_input(struct node author, struct shape in, const float *params, const float *x,
                            const float *y)
{
    check_by_hand(author, in, (struct shape){ 0 }, params, x, NULL, y);
}

static const struct node CONV3X3 = {
    .ops = &LAYER_CONV, .channels = 1, .window = WINDOW(3, 3, 1, 1, 1), .bias = true
};

/* A weight in the upper left corner looks at the upper left neighbour: the kernel is not turned round. */
Test(conv, is_a_cross_correlation_with_zeros_around_the_picture)
{
    const float upper_left[10] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f };
    const float right[10] = { 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
    const float x[6] = { 1, 2, 3, 4, 5, 6 };

    check_one_input(CONV3X3, (struct shape){ 1, 2, 3 }, upper_left, x,
                    (float[]){ 0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 2.5f });
    check_one_input(CONV3X3, (struct shape){ 1, 2, 3 }, right, x, (float[]){ 2, 3, 0, 5, 6, 0 });
}

/* Two channels in, two out, only the middle tap: a matrix product a pixel. */
Test(conv, weights_lie_by_output_then_input_channel)
{
    struct node author = CONV3X3;
    float params[38] = { 0 };
    const float x[2] = { 10, 100 };

    author.channels = 2;
    params[0 * 18 + 0 * 9 + 4] = 1;
    params[0 * 18 + 1 * 9 + 4] = 2;
    params[1 * 18 + 0 * 9 + 4] = 3;
    params[1 * 18 + 1 * 9 + 4] = 4;
    params[36] = 0.25f;
    params[37] = 0.5f;
    check_one_input(author, (struct shape){ 2, 1, 1 }, params, x, (float[]){ 210.25f, 430.5f });
}

/* Rows and columns have their own window and border; the first window begins in the border, the last ends where it fits. */
Test(conv, windows_may_be_oblong_and_step_over_cells)
{
    const struct node row = { .ops = &LAYER_CONV, .channels = 1, .window = WINDOW(1, 3, 2, 0, 1) };
    const struct node column = { .ops = &LAYER_CONV, .channels = 1, .window = WINDOW(3, 1, 1, 0, 1) };
    const float x[12] = { 1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400 };

    check_one_input(row, (struct shape){ 1, 3, 4 }, (float[]){ 1, 2, 4 }, x,
                    (float[]){ 2 * 1 + 4 * 2, 2 + 2 * 3 + 4 * 4, 200 + 800, 200 + 600 + 1600 });
    check_one_input(column, (struct shape){ 1, 3, 4 }, (float[]){ 1, 2, 4 }, x,
                    (float[]){ 0, 421, 842, 1263, 1684, 0 });
}

/* A border on one side alone, as TensorFlow pads an even side; each side its own stride and dilation. */
Test(conv, windows_may_have_gaps_and_a_border_on_one_side)
{
    const struct node right = { .ops = &LAYER_CONV,
                                .channels = 1,
                                .window = { 1, 3, 1, 2, 0, 0, 0, 1, 1, 1 } };
    const struct node apart = { .ops = &LAYER_CONV,
                                .channels = 1,
                                .window = { 3, 2, 2, 1, 1, 0, 1, 0, 1, 3 } };
    const float x[12] = { 1, 2, 3, 4, 10, 20, 30, 40, 100, 200, 300, 400 };

    check_one_input(right, (struct shape){ 1, 3, 4 }, (float[]){ 1, 2, 4 }, x,
                    (float[]){ 1 + 4 + 12, 3 + 8, 170, 110, 1700, 1100 });
    check_one_input(apart, (struct shape){ 1, 3, 4 }, (float[]){ 1, 1, 2, 3, 4, 7 }, x,
                    (float[]){ 2 * 1 + 3 * 4 + 4 * 10 + 7 * 40, 1 * 10 + 1 * 40 + 2 * 100 + 3 * 400 });
}

/* Results 0 and 1 see channels 0 and 1, results 2 and 3 channels 2 and 3. */
Test(conv, groups_see_their_own_channels)
{
    const struct node author = {
        .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 1, 0, 0), .groups = 2, .bias = true
    };
    const struct node depthwise = {
        .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 1, 0, 0), .groups = 4
    };
    const float x[4] = { 1, 10, 100, 1000 };
    const float params[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 0, 0.5f, 0, 0.25f };

    check_one_input(author, (struct shape){ 4, 1, 1 }, params, x, (float[]){ 21, 43.5f, 6500, 8700.25f });
    check_one_input(depthwise, (struct shape){ 4, 1, 1 }, params, x, (float[]){ 1, 20, 300, 4000 });
}

Test(dense, is_a_matrix_product_and_a_bias)
{
    const float params[8] = { 1, 2, 3, 4, 5, 6, 0.5f, 0.25f };
    struct node author = { .ops = &LAYER_DENSE, .channels = 2, .bias = true };

    check_one_input(author, (struct shape){ 3, 1, 1 }, params, (float[]){ 1, 10, 100 },
                    (float[]){ 321.5f, 654.25f });
    author.bias = false;
    check_one_input(author, (struct shape){ 3, 1, 1 }, params, (float[]){ 1, 10, 100 },
                    (float[]){ 321, 654 });
}

Test(replicate, copies_the_plane)
{
    check_one_input((struct node){ .ops = &LAYER_REPLICATE, .channels = 3 }, (struct shape){ 1, 1, 2 }, NULL,
                    (float[]){ 1, 2 }, (float[]){ 1, 2, 1, 2, 1, 2 });
}

Test(slice, takes_the_channels_from_the_first_on)
{
    check_one_input((struct node){ .ops = &LAYER_SLICE, .first = 1, .channels = 2 },
                    (struct shape){ 4, 1, 2 }, NULL, (float[]){ 1, 2, 3, 4, 5, 6, 7, 8 },
                    (float[]){ 3, 4, 5, 6 });
}

/* torch.nn.functional's channel_shuffle of six channels by two and by three groups. */
Test(shuffle, deals_the_groups_out)
{
    check_one_input((struct node){ .ops = &LAYER_SHUFFLE, .groups = 2 }, (struct shape){ 6, 1, 1 }, NULL,
                    (float[]){ 0, 1, 2, 3, 4, 5 }, (float[]){ 0, 3, 1, 4, 2, 5 });
    check_one_input((struct node){ .ops = &LAYER_SHUFFLE, .groups = 3 }, (struct shape){ 6, 1, 1 }, NULL,
                    (float[]){ 0, 1, 2, 3, 4, 5 }, (float[]){ 0, 2, 4, 1, 3, 5 });
}

Test(flatten, keeps_the_numbers)
{
    struct probe p;

    cr_assert_null(
        probe_init(&p, &(struct node){ .ops = &LAYER_FLATTEN }, (struct shape[]){ { 2, 3, 4 } }, 2));
    cr_assert(p.node.out.c == 24 && p.node.out.h == 1 && p.node.out.w == 1);
    probe_forward(&p);
    cr_assert_eq(memcmp(p.x[0], p.y, 48 * sizeof(float)), 0);
    probe_release(&p);
}

static struct probe norm_of_two_channels(bool training)
{
    const struct node author = { .ops = &LAYER_NORM, .epsilon = 0.75 };
    struct probe p;

    cr_assert_null(probe_init(&p, &author, (struct shape[]){ { 2, 1, 2 } }, 2));
    memcpy(p.x[0], (float[]){ 1, 2, 10, 10, 3, 2, 10, 10 }, 8 * sizeof(float));
    memcpy(p.params, (float[]){ 2, 3, 0.5f, 7 }, 4 * sizeof(float));
    memcpy(p.state, (float[]){ 1, 8, 0.25f, 3.25f }, 4 * sizeof(float));
    p.training = training;
    probe_forward(&p);
    return p;
}

static void check_norm(struct probe *p, const float *y)
{
    for (size_t i = 0; i < p->ny; i++)
        cr_assert_float_eq((double)p->y[i], (double)y[i], 1e-6, "y[%zu] is %g", i, (double)p->y[i]);
    probe_release(p);
}

/* sqrt(0.25 + 0.75) is 1, sqrt(3.25 + 0.75) is 2. */
Test(norm, goes_by_its_state_where_there_is_one)
{
    struct probe p = norm_of_two_channels(false);

    check_norm(&p, (float[]){ 0.5f, 2.5f, 10, 10, 4.5f, 2.5f, 10, 10 });
}

/* Channel 0 has the mean 2 and the variance 1/2, not 2/3 as of a sample; channel 1 has no variance. */
Test(norm, goes_by_the_batch_in_training)
{
    struct probe p = norm_of_two_channels(true);
    const float step = 2 / sqrtf(1.25f);

    check_norm(&p, (float[]){ 0.5f - step, 0.5f, 7, 7, 0.5f + step, 0.5f, 7, 7 });
}

/* The tape holds the statistics of the batch once: what updates running means reads them there. */
Test(norm, leaves_mean_and_scale_of_every_channel_on_the_tape)
{
    struct probe p = norm_of_two_channels(true);
    double kept[4];

    cr_assert_eq(p.node.tape_bytes, sizeof kept);
    memcpy(kept, p.tape, sizeof kept);
    cr_assert_float_eq(kept[0], 2, 1e-12);
    cr_assert_float_eq(kept[1], 1 / sqrt(1.25), 1e-12);
    cr_assert_float_eq(kept[2], 10, 1e-12);
    cr_assert_float_eq(kept[3], 1 / sqrt(0.75), 1e-12);
    probe_release(&p);
}

/* A constant's share of the slope is taken away in training, and stays with frozen statistics. */
Test(norm, passes_a_constant_slope_only_with_frozen_statistics)
{
    for (int training = 0; training < 2; training++) {
        struct probe p = norm_of_two_channels(training);

        for (size_t i = 0; i < p.ny; i++)
            p.r[i] = 1;
        probe_backward(&p);
        for (size_t i = 0; i < p.ny; i++) {
            const double frozen = i / 2 % 2 ? 1.5 : 2;

            cr_assert_float_eq((double)p.dx[0][i], training ? 0 : frozen, 1e-6, "dx[%zu] is %g", i,
                               (double)p.dx[0][i]);
        }
        probe_release(&p);
    }
}

/* Under torchvision's names, and so that a fresh one passes on what it gets. */
Test(norm, has_two_parameters_and_two_tensors_of_state)
{
    static const struct {
        const char *suffix;
        float initial;
        bool state;
    } EXPECTED[] = {
        { "weight", 1, false }, { "bias", 0, false }, { "running_mean", 0, true }, { "running_var", 1, true }
    };
    struct node l = { .ops = &LAYER_NORM, .epsilon = 1e-5, .in = { { 5, 2, 3 } } };
    struct described got[LAYER_MAX_TENSORS];
    size_t n = 0;

    cr_assert_null(LAYER_NORM.shape(&l, got, &n));
    cr_assert_eq(n, 4);
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = &got[i].tensor;

        cr_assert_str_eq(got[i].suffix, EXPECTED[i].suffix);
        cr_assert(t->rank == 1 && t->dims[0] == 5 && t->fan_in == 0 && t->initial == EXPECTED[i].initial &&
                  t->state == EXPECTED[i].state);
    }
}

Test(activation, values_are_those_of_the_formulas)
{
    static const struct {
        const struct layer_ops *ops;
        float x[6], y[6];
    } CASES[] = {
        { &LAYER_RELU, { -1, 0, 0.5f, INFINITY, -INFINITY, 7 }, { 0, 0, 0.5f, INFINITY, 0, 7 } },
        { &LAYER_RELU6, { -1, 0, 0.5f, INFINITY, 6, 7 }, { 0, 0, 0.5f, 6, 6, 6 } },
        { &LAYER_SIGMOID, { 0, -1e30f, 1e30f, INFINITY, -INFINITY, 800 }, { 0.5f, 0, 1, 1, 0, 1 } },
        { &LAYER_SILU, { 0, -1e30f, 1e30f, INFINITY, -800, 800 }, { 0, 0, 1e30f, INFINITY, 0, 800 } },
        { &LAYER_HARD_SWISH, { -4, -3, 0, 1.5f, INFINITY, -1.5f }, { 0, 0, 0, 1.125f, INFINITY, -0.375f } },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        check_one_input((struct node){ .ops = CASES[i].ops }, (struct shape){ 1, 2, 3 }, NULL, CASES[i].x,
                        CASES[i].y);
}

/* 1 / (1 + 1/e) and what follows from it, to the last place. */
Test(activation, sigmoid_and_silu_are_right_between)
{
    const float s = 0.7310585786300049f, t = 0.2689414213699951f;

    check_one_input((struct node){ .ops = &LAYER_SIGMOID }, (struct shape){ 1, 1, 2 }, NULL,
                    (float[]){ 1, -1 }, (float[]){ s, t });
    check_one_input((struct node){ .ops = &LAYER_SILU }, (struct shape){ 1, 1, 2 }, NULL, (float[]){ 1, -1 },
                    (float[]){ s, -t });
}

static void check_slopes_by_hand(const struct layer_ops *ops, const float *x, const float *slopes)
{
    struct probe p;

    cr_assert_null(probe_init(&p, &(struct node){ .ops = ops, .low = -2, .high = 4, .slope = 0.25 },
                              (struct shape[]){ { 1, 1, 4 } }, 1));
    memcpy(p.x[0], x, 4 * sizeof *x);
    for (size_t i = 0; i < 4; i++)
        p.r[i] = 5;
    probe_forward(&p);
    probe_backward(&p);
    for (size_t i = 0; i < 4; i++)
        cr_assert_eq(p.dx[0][i], 5 * slopes[i], "%s: slope %g at %g", ops->kind, (double)p.dx[0][i],
                     (double)x[i]);
    probe_release(&p);
}

Test(activation, slopes_in_kinks_and_far_away_are_finite)
{
    check_slopes_by_hand(&LAYER_RELU, (float[]){ -1, 0, 1, INFINITY }, (float[]){ 0, 0, 1, 1 });
    check_slopes_by_hand(&LAYER_RELU6, (float[]){ 0, 3, 6, INFINITY }, (float[]){ 0, 1, 0, 0 });
    check_slopes_by_hand(&LAYER_SIGMOID, (float[]){ 0, -1e30f, 1e30f, -800 }, (float[]){ 0.25f, 0, 0, 0 });
    check_slopes_by_hand(&LAYER_SILU, (float[]){ 0, -1e30f, 1e30f, 800 }, (float[]){ 0.5f, 0, 1, 1 });
    check_slopes_by_hand(&LAYER_CLIP, (float[]){ -2, 3.9f, 4, -3 }, (float[]){ 0, 1, 0, 0 });
    check_slopes_by_hand(&LAYER_LEAKY_RELU, (float[]){ -2, 0, 1, INFINITY }, (float[]){ 0.25f, 0.25f, 1, 1 });
    check_slopes_by_hand(&LAYER_HARD_SIGMOID, (float[]){ -3, 3, 4, -INFINITY }, (float[]){ 0, 0, 0, 0 });
    check_slopes_by_hand(&LAYER_HARD_SWISH, (float[]){ -3, 0, 3, INFINITY }, (float[]){ 0, 0.5f, 1, 1 });
}

Test(activations, of_others_keep_to_their_definitions)
{
    const struct shape four = { 1, 1, 4 };
    const float x[4] = { -6, -1, 0.5f, 9 };

    check_one_input((struct node){ .ops = &LAYER_CLIP, .low = -2, .high = 4 }, four, NULL, x,
                    (float[]){ -2, -1, 0.5f, 4 });
    check_one_input((struct node){ .ops = &LAYER_LEAKY_RELU, .slope = 0.25 }, four, NULL, x,
                    (float[]){ -1.5f, -0.25f, 0.5f, 9 });
    check_one_input((struct node){ .ops = &LAYER_HARD_SIGMOID }, four, NULL, x,
                    (float[]){ 0, 1.0f / 3, 3.5f / 6, 1 });
}

static const struct node MAX2 = { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 2, 0, 0) };

Test(max_pool, takes_the_largest_of_each_window)
{
    const struct node border = { .ops = &LAYER_MAX_POOL, .window = WINDOW(3, 3, 2, 1, 1) };
    const float x[8] = { 1, -2, -5, -6, 3, 2, -8, -7 };
    const float all_negative[5] = { -5, -4, -3, -2, -1 };

    check_one_input(MAX2, (struct shape){ 1, 2, 4 }, NULL, x, (float[]){ 3, -5 });
    check_one_input(MAX2, (struct shape){ 1, 3, 3 }, NULL, (float[]){ 1, 2, 9, 4, 3, 9, 9, 9, 9 },
                    (float[]){ 4 }); /* the rest fits no window */
    check_one_input(border, (struct shape){ 1, 1, 5 }, NULL, all_negative, (float[]){ -4, -2, -1 });
}

/* Of equal values the first in reading order wins and gets the whole slope. */
Test(max_pool, gives_the_slope_to_the_first_of_equals)
{
    static const float CASES[][4] = { { 1, 1, 1, 1 }, { 0, 1, 1, 1 }, { 0, 0, 1, 1 }, { 0, 0, 0, 1 } };

    for (size_t i = 0; i < 4; i++) {
        struct probe p;

        cr_assert_null(probe_init(&p, &MAX2, (struct shape[]){ { 1, 2, 2 } }, 1));
        memcpy(p.x[0], CASES[i], sizeof CASES[i]);
        p.r[0] = 9;
        probe_forward(&p);
        probe_backward(&p);
        for (size_t k = 0; k < 4; k++)
            cr_assert_eq(p.dx[0][k], k == i ? 9 : 0, "case %zu: dx[%zu] is %g", i, k, (double)p.dx[0][k]);
        probe_release(&p);
    }
}

Test(mean_pool, takes_the_mean_of_each_window)
{
    const struct node author = { .ops = &LAYER_MEAN_POOL, .window = WINDOW(2, 2, 2, 0, 0) };
    const float x[10] = { 1, 2, 3, 4, 99, 5, 6, 7, 8, 99 };

    check_one_input(author, (struct shape){ 1, 2, 5 }, NULL, x, (float[]){ 3.5f, 5.5f });
}

/* As PyTorch's count_include_pad has it; rounding up, as ceil_mode does, is a border on the far side. */
Test(mean_pool, counts_the_border_or_does_not)
{
    const struct node inside = { .ops = &LAYER_MEAN_POOL, .window = { 1, 2, 1, 2, 0, 1, 0, 1, 1, 1 } };
    struct node counted = inside;
    const float x[4] = { 4, 6, 10, 12 };

    counted.window.count_include_pad = true;
    check_one_input(inside, (struct shape){ 1, 1, 4 }, NULL, x, (float[]){ 4, 8, 12 });
    check_one_input(counted, (struct shape){ 1, 1, 4 }, NULL, x, (float[]){ 2, 8, 6 });
}

Test(global_pool, takes_the_mean_of_each_plane_however_large)
{
    enum { SIDE = 20 };
    float x[SIDE * SIDE + SIDE * SIDE];

    for (size_t i = 0; i < SIDE * SIDE; i++) {
        x[i] = (float)i;
        x[SIDE * SIDE + i] = -3;
    }
    check_one_input((struct node){ .ops = &LAYER_GLOBAL_POOL }, (struct shape){ 2, SIDE, SIDE }, NULL, x,
                    (float[]){ 199.5f, -3 });
}

Test(combine, adds_multiplies_and_joins)
{
    const struct shape two = { 2, 1, 2 }, numbers = { 2, 1, 1 };
    const float a[4] = { 1, 2, 3, 4 }, b[4] = { 10, 20, 30, 40 };

    check_by_hand((struct node){ .ops = &LAYER_ADD }, two, two, NULL, a, b, (float[]){ 11, 22, 33, 44 });
    check_by_hand((struct node){ .ops = &LAYER_MUL }, two, two, NULL, a, b, (float[]){ 10, 40, 90, 160 });
    check_by_hand((struct node){ .ops = &LAYER_MUL }, two, numbers, NULL, a, b, (float[]){ 10, 20, 60, 80 });
    check_by_hand((struct node){ .ops = &LAYER_CONCAT }, two, (struct shape){ 1, 1, 2 }, NULL, a, b,
                  (float[]){ 1, 2, 3, 4, 10, 20 });
}

/* Sample by sample: the channels of one, then the channels of the next. */
Test(combine, joins_each_sample_of_a_batch)
{
    const struct shape in[NODE_MAX_INPUTS] = { { 1, 1, 1 }, { 2, 1, 1 } };
    const float expected[6] = { 1, 10, 20, 2, 30, 40 };
    struct probe p;

    cr_assert_null(probe_init(&p, &(struct node){ .ops = &LAYER_CONCAT }, in, 2));
    memcpy(p.x[0], (float[]){ 1, 2 }, 2 * sizeof(float));
    memcpy(p.x[1], (float[]){ 10, 20, 30, 40 }, 4 * sizeof(float));
    probe_forward(&p);
    cr_assert_eq(memcmp(p.y, expected, sizeof expected), 0);
    probe_release(&p);
}

static bool any_nan(const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

/* Were it lost here, a sum that overflowed would come out as an ordinary probability. The windows of AUTHORS may pass over
 * cells, these do not. */
static void nan_survives(struct node author)
{
    const struct shape in[NODE_MAX_INPUTS] = { { 1, 2, 2 }, { 1, 2, 2 } };
    struct probe p;

    cr_assert_null(probe_init(&p, &author, in, 1));
    for (size_t k = 0; k < author.ops->n_from; k++)
        for (size_t place = 0; place < 4; place++) {
            const float was = p.x[k][place];

            p.x[k][place] = NAN;
            probe_forward(&p);
            cr_assert(any_nan(p.y, p.ny), "%s loses a NaN in place %zu", describe(&p), place);
            p.x[k][place] = was;
        }
    probe_release(&p);
}

ParameterizedTestParameters(layer, not_a_number_survives_in_every_place)
{
    return cr_make_param_array(size_t, index_upto(N_LAYER_KINDS), N_LAYER_KINDS, index_free);
}

ParameterizedTest(size_t *index, layer, not_a_number_survives_in_every_place)
{
    const struct layer_ops *ops = LAYER_KINDS[*index];
    const bool conv = ops == &LAYER_CONV;
    const struct window three = WINDOW(3, 3, 1, 1, 1), two = WINDOW(2, 2, 2, 0, 0);

    nan_survives((struct node){ .ops = ops,
                                .channels = ops == &LAYER_SLICE ? 1 : 2,
                                .groups = 1,
                                .window = conv ? three : two,
                                .epsilon = 1e-3,
                                .low = -1,
                                .high = 1,
                                .slope = 0.1 });
}

/* ---- what a kind cannot take ---- */

#define BIG (LAYER_MAX_CHANNELS)

static const struct {
    struct node author;
    struct shape in[NODE_MAX_INPUTS];
    const char *words;
} WRONG[] = {
    { { .ops = &LAYER_REPLICATE, .channels = 3 }, { { 2, 4, 4 } }, "channel" },
    { { .ops = &LAYER_REPLICATE }, { { 1, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_REPLICATE, .channels = BIG + 1 }, { { 1, 4, 4 } }, "too many channels" },
    { { .ops = &LAYER_CONV, .window = WINDOW(3, 3, 1, 1, 1) }, { { 1, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 1, 1, 1) }, { { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_CONV, .channels = BIG + 1, .window = WINDOW(3, 3, 1, 1, 1) },
      { { 1, 4, 4 } },
      "channels" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 0, 1, 1, 1, 1, 1, 1 } },
      { { 1, 4, 4 } },
      "stride is 0" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 4097, 1, 1) },
      { { 1, 4, 4 } },
      "stride is too long" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 1, 1, 1, 1, 1, 1, 0 } },
      { { 1, 4, 4 } },
      "dilation is 0" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 1, 1, 1, 1, 1, SIZE_MAX, 1 } },
      { { 1, 4, 4 } },
      "dilation is too wide" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 1, 1, 1, 1, 1, 3, 1 } },
      { { 1, 4, 4 } },
      "larger" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(0, 3, 1, 1, 1) }, { { 1, 4, 4 } }, "empty" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 0, 1, 1) }, { { 1, 4, 4 } }, "stride" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(17, 3, 1, 8, 1) },
      { { 1, 40, 4 } },
      "too large" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, SIZE_MAX, 1, 1, 1) },
      { { 1, 4, 4 } },
      "too large" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(7, 3, 1, 1, 1) }, { { 1, 4, 4 } }, "larger" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 7, 1, 1, 1) }, { { 1, 4, 4 } }, "larger" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 1, SIZE_MAX, 1) },
      { { 1, 4, 4 } },
      "border" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(3, 3, 1, 1, 1025) }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = { 3, 3, 1, 1, 1, 1, 1, SIZE_MAX, 1, 1 } },
      { { 1, 4, 4 } },
      "border" },
    { { .ops = &LAYER_CONV, .channels = 2, .window = WINDOW(1, 1, 1, 1, 0) },
      { { 1, 4096, 4 } },
      "too long" },
    { { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 1, 0, 0), .groups = 2 },
      { { 3, 4, 4 } },
      "groups" },
    { { .ops = &LAYER_CONV, .channels = 3, .window = WINDOW(1, 1, 1, 0, 0), .groups = 2 },
      { { 4, 4, 4 } },
      "groups" },
    { { .ops = &LAYER_CONV, .channels = 4, .window = WINDOW(1, 1, 1, 0, 0), .groups = 8 },
      { { 4, 4, 4 } },
      "groups" },
    { { .ops = &LAYER_DENSE }, { { 1, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_DENSE, .channels = 2 }, { { 1, 4, 0 } }, "size is 0" },
    { { .ops = &LAYER_DENSE, .channels = BIG + 1 }, { { 1, 4, 4 } }, "too many channels" },
    { { .ops = &LAYER_NORM }, { { 1, 4, 4 } }, "epsilon" },
    { { .ops = &LAYER_NORM, .epsilon = -1e-5 }, { { 1, 4, 4 } }, "epsilon" },
    { { .ops = &LAYER_NORM, .epsilon = (double)NAN }, { { 1, 4, 4 } }, "epsilon" },
    { { .ops = &LAYER_NORM, .epsilon = (double)INFINITY }, { { 1, 4, 4 } }, "epsilon" },
    { { .ops = &LAYER_NORM, .epsilon = 1e-5 }, { { 1, 0, 4 } }, "size is 0" },
    { { .ops = &LAYER_RELU }, { { 1, 0, 4 } }, "size is 0" },
    { { .ops = &LAYER_SILU }, { { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_HARD_SIGMOID }, { { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_CLIP }, { { 1, 4, 4 } }, "bound" },
    { { .ops = &LAYER_CLIP, .low = 1, .high = -1 }, { { 1, 4, 4 } }, "bound" },
    { { .ops = &LAYER_CLIP, .low = -1, .high = (double)NAN }, { { 1, 4, 4 } }, "bound" },
    { { .ops = &LAYER_CLIP, .low = -1, .high = (double)INFINITY }, { { 1, 4, 4 } }, "bound" },
    { { .ops = &LAYER_CLIP, .low = -1, .high = 1 }, { { 1, 0, 4 } }, "size is 0" },
    { { .ops = &LAYER_LEAKY_RELU, .slope = -0.1 }, { { 1, 4, 4 } }, "slope" },
    { { .ops = &LAYER_LEAKY_RELU, .slope = 1.1 }, { { 1, 4, 4 } }, "slope" },
    { { .ops = &LAYER_LEAKY_RELU, .slope = (double)NAN }, { { 1, 4, 4 } }, "slope" },
    { { .ops = &LAYER_LEAKY_RELU, .slope = 0.1 }, { { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_SCALE }, { { 1, 0, 4 } }, "size is 0" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 2, 0, 0) }, { { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 2, 0, 0) }, { { 1, 1, 4 } }, "larger" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 0, 0, 0) }, { { 1, 4, 4 } }, "stride" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(2, 2, 2, 2, 0) }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(3, 3, 2, 0, 3) }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_MAX_POOL, .window = { 2, 2, 2, 2, 0, 0, 2, 0, 1, 1 } }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_MAX_POOL, .window = { 2, 1, 1, 1, 1, 0, 1, 0, 2, 1 } }, { { 1, 1, 4 } }, "border" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(17, 2, 2, 0, 0) }, { { 1, 40, 4 } }, "too large" },
    { { .ops = &LAYER_MAX_POOL, .window = WINDOW(16, 16, 16, 0, 0) }, { { 1, 40, 40 } }, "255 cells" },
    { { .ops = &LAYER_MEAN_POOL, .window = WINDOW(2, 2, 2, 2, 0) }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_MEAN_POOL, .window = WINDOW(2, 2, 2, 0, 2) }, { { 1, 4, 4 } }, "border" },
    { { .ops = &LAYER_MEAN_POOL, .window = WINDOW(2, 2, 0, 0, 0) }, { { 1, 4, 4 } }, "stride" },
    { { .ops = &LAYER_MEAN_POOL, .window = WINDOW(5, 2, 1, 0, 0) }, { { 1, 4, 4 } }, "larger" },
    { { .ops = &LAYER_GLOBAL_POOL }, { { 1, 4, 0 } }, "size is 0" },
    { { .ops = &LAYER_ADD }, { { 1, 4, 4 }, { 1, 4, 5 } }, "shape" },
    { { .ops = &LAYER_ADD }, { { 2, 4, 4 }, { 2, 1, 1 } }, "shape" },
    { { .ops = &LAYER_ADD }, { { 0, 4, 4 }, { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_MUL }, { { 2, 4, 4 }, { 3, 1, 1 } }, "second" },
    { { .ops = &LAYER_MUL }, { { 2, 1, 1 }, { 2, 4, 4 } }, "second" },
    { { .ops = &LAYER_MUL }, { { 2, 4, 4 }, { 2, 4, 1 } }, "second" },
    { { .ops = &LAYER_CONCAT }, { { 1, 4, 4 }, { 1, 5, 4 } }, "rows or columns" },
    { { .ops = &LAYER_CONCAT }, { { 1, 4, 4 }, { 0, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_CONCAT }, { { BIG, 4, 4 }, { 1, 4, 4 } }, "too many channels" },
    { { .ops = &LAYER_SLICE, .first = 2, .channels = 3 }, { { 4, 4, 4 } }, "not all there" },
    { { .ops = &LAYER_SLICE, .first = 5, .channels = 1 }, { { 4, 4, 4 } }, "not all there" },
    { { .ops = &LAYER_SLICE, .first = 4 }, { { 4, 4, 4 } }, "size is 0" },
    { { .ops = &LAYER_SHUFFLE, .groups = 3 }, { { 4, 4, 4 } }, "groups" },
    { { .ops = &LAYER_SHUFFLE }, { { 4, 4, 4 } }, "groups" },
    { { .ops = &LAYER_FLATTEN }, { { 1, 4096, 17 } }, "too many channels" },
    { { .ops = &LAYER_FLATTEN }, { { 1, 0, 4 } }, "size is 0" },
};

Test(layer, what_a_kind_cannot_take_is_refused_in_words)
{
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct node l = WRONG[i].author;
        struct described tensors[LAYER_MAX_TENSORS];
        size_t n_tensors = 0;
        const char *wrong;

        memcpy(l.in, WRONG[i].in, sizeof l.in);
        wrong = l.ops->shape(&l, tensors, &n_tensors);
        cr_assert_not_null(wrong, "%s takes case %zu", l.ops->kind, i);
        cr_assert_not_null(strstr(wrong, WRONG[i].words), "%s, case %zu: '%s'", l.ops->kind, i, wrong);
    }
}

/* Rank and fans: what a weights file shows, and what initialisation draws by. */
Test(layer, weights_are_described_as_the_field_does)
{
    static const struct {
        struct node author;
        struct shape in;
        size_t n, rank, dims[4], fan_in, fan_out;
    } CASES[] = {
        { { .ops = &LAYER_CONV, .channels = 8, .window = WINDOW(5, 3, 1, 0, 0), .groups = 2, .bias = true },
          { 4, 9, 9 },
          2,
          4,
          { 8, 2, 5, 3 },
          30,
          60 },
        { { .ops = &LAYER_CONV, .channels = 8, .window = WINDOW(1, 1, 1, 0, 0) },
          { 4, 9, 9 },
          1,
          4,
          { 8, 4, 1, 1 },
          4,
          8 },
        { { .ops = &LAYER_DENSE, .channels = 5, .bias = true }, { 4, 2, 3 }, 2, 4, { 5, 4, 2, 3 }, 24, 5 },
        { { .ops = &LAYER_DENSE, .channels = 5 }, { 4, 1, 1 }, 1, 2, { 5, 4 }, 4, 5 },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct node l = CASES[i].author;
        struct described got[LAYER_MAX_TENSORS];
        size_t n = 0;

        l.in[0] = CASES[i].in;
        cr_assert_null(l.ops->shape(&l, got, &n));
        cr_assert_eq(n, CASES[i].n);
        cr_assert_str_eq(got[0].suffix, "weight");
        cr_assert_eq(got[0].tensor.rank, CASES[i].rank);
        cr_assert_eq(memcmp(got[0].tensor.dims, CASES[i].dims, sizeof CASES[i].dims), 0, "case %zu", i);
        cr_assert(got[0].tensor.fan_in == CASES[i].fan_in && got[0].tensor.fan_out == CASES[i].fan_out,
                  "case %zu: fans %zu and %zu", i, got[0].tensor.fan_in, got[0].tensor.fan_out);
        if (n == 2)
            cr_assert(strcmp(got[1].suffix, "bias") == 0 && got[1].tensor.rank == 1 &&
                      got[1].tensor.dims[0] == l.channels && got[1].tensor.fan_in == 0);
    }
}

/* Every kind has its own name: messages say it. */
Test(layer, kinds_are_told_apart_by_name)
{
    for (size_t i = 0; i < N_LAYER_KINDS; i++)
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(LAYER_KINDS[i]->kind, LAYER_KINDS[k]->kind);
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
