/* tests/unit/test_layers.c - every layer kind: the slopes are right, and each keeps to what layer.h says of it; then how
 * an architecture is laid out and initialised. The kinds come from LAYER_KINDS, so that a new one is tested the day it
 * is listed. What the layers say is what test_kernels.c holds the kernels to. */
#include "cxrd/network.h"
#include "cxrd/rng.h"
#include "model/net/layer.h"
#include "model/net/plan.h"
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
                                       { 3, 1, 1 }, { 3, 5, 4 }, { 5, 3, 7 }, { 3, 4, 6 }, { 5, 2, 2 } };
enum { N_SHAPES = sizeof SHAPES / sizeof SHAPES[0], BATCH = 3, CHANNELS = 4, MIN_SHAPES = 3 };

static void check_kind(const struct layer_ops *ops, void (*check)(struct probe *p))
{
    int n_taken = 0;

    for (size_t i = 0; i < N_SHAPES; i++) {
        struct probe p;

        if (!probe_init(&p, ops, SHAPES[i], CHANNELS, BATCH))
            continue;
        check(&p);
        probe_release(&p);
        n_taken++;
    }
    cr_assert_geq(n_taken, MIN_SHAPES, "%s takes only %d of the shapes", ops->kind, n_taken);
}

#define EACH_KIND(name, check)                                                                    \
    ParameterizedTestParameters(layer, name)                                                      \
    {                                                                                             \
        return cr_make_param_array(size_t, index_upto(N_LAYER_KINDS), N_LAYER_KINDS, index_free); \
    }                                                                                             \
    ParameterizedTest(size_t *index, layer, name) { check_kind(LAYER_KINDS[*index], check); }

static const char *describe(const struct probe *p)
{
    static char text[120];

    snprintf(text, sizeof text, "%s of %zu x %zu x %zu", p->layer.ops->kind, p->layer.in.c, p->layer.in.h,
             p->layer.in.w);
    return text;
}

/* ---- slopes ---- */

static void check_slopes(struct probe *p, const char *what, float *at, const float *gradient, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double slope = probe_slope(p, at + i), g = (double)gradient[i];

        cr_assert(fabs(g - slope) <= 1e-3 * fabs(slope), "%s: d%s[%zu] is %g, the slope is %g", describe(p),
                  what, i, g, slope);
    }
}

static void gradients_are_slopes(struct probe *p)
{
    probe_forward(p);
    probe_backward(p);
    check_slopes(p, "x", p->x, p->dx, p->nx);
    check_slopes(p, "params", p->params, p->dparams, p->layer.n_params);
}

EACH_KIND(gradients_match_central_differences, gradients_are_slopes)

/* ---- what layer.h promises ---- */

/* dx was NaN before: any left would be what was there. dparams get on top of what was there. */
static void accumulates(struct probe *p)
{
    float *once = calloc(p->layer.n_params + 1, sizeof *once);

    cr_assert_not_null(once);
    probe_forward(p);
    probe_backward(p);
    memcpy(once, p->dparams, p->layer.n_params * sizeof *once);
    for (size_t i = 0; i < p->nx; i++)
        cr_assert(isfinite(p->dx[i]), "%s: dx[%zu] was not written", describe(p), i);
    probe_backward(p);
    for (size_t i = 0; i < p->layer.n_params; i++)
        cr_assert_eq(p->dparams[i], 2 * once[i], "%s: dparams[%zu] is %g after two passes of %g", describe(p),
                     i, (double)p->dparams[i], (double)once[i]);
    free(once);
}

EACH_KIND(overwrites_dx_and_adds_to_dparams, accumulates)

static void works_without_dx(struct probe *p)
{
    float *kept = calloc(p->layer.n_params + 1, sizeof *kept);

    cr_assert_not_null(kept);
    probe_forward(p);
    probe_backward(p);
    memcpy(kept, p->dparams, p->layer.n_params * sizeof *kept);
    memset(p->dparams, 0, p->layer.n_params * sizeof *kept);
    p->layer.ops->backward(&p->layer, p->n, p->params, p->x, p->tape, p->r, NULL, p->dparams);
    cr_assert_eq(memcmp(kept, p->dparams, p->layer.n_params * sizeof *kept), 0, "%s", describe(p));
    free(kept);
}

EACH_KIND(gives_the_same_dparams_when_nobody_asks_for_dx, works_without_dx)

static void tape_changes_nothing(struct probe *p)
{
    float *kept = malloc(p->ny * sizeof *kept);

    cr_assert_not_null(kept);
    probe_forward(p);
    memcpy(kept, p->y, p->ny * sizeof *kept);
    memset(p->y, 0xff, p->ny * sizeof *kept);
    p->layer.ops->forward(&p->layer, p->n, p->params, p->x, p->y, NULL);
    cr_assert_eq(memcmp(kept, p->y, p->ny * sizeof *kept), 0, "%s", describe(p));
    free(kept);
}

EACH_KIND(forward_is_the_same_without_a_tape, tape_changes_nothing)

/* Every number of a probe is exact in float32, so nothing may differ by the order of a sum. */
static void batch_is_its_samples(struct probe *p)
{
    const size_t in = p->nx / p->n, out = p->ny / p->n;
    struct probe one;

    probe_forward(p);
    probe_backward(p);
    cr_assert(probe_init(&one, p->layer.ops, p->layer.in, CHANNELS, 1));
    memcpy(one.params, p->params, p->layer.n_params * sizeof *one.params);
    for (size_t s = 0; s < p->n; s++) {
        memcpy(one.x, p->x + s * in, in * sizeof *one.x);
        memcpy(one.r, p->r + s * out, out * sizeof *one.r);
        probe_forward(&one);
        probe_backward(&one);
        for (size_t i = 0; i < out; i++)
            cr_assert_eq(one.y[i], p->y[s * out + i], "%s: y[%zu][%zu]", describe(p), s, i);
        for (size_t i = 0; i < in; i++)
            cr_assert_eq(one.dx[i], p->dx[s * in + i], "%s: dx[%zu][%zu]", describe(p), s, i);
    }
    for (size_t i = 0; i < p->layer.n_params; i++)
        cr_assert_eq(one.dparams[i], p->dparams[i], "%s: dparams[%zu]", describe(p), i);
    probe_release(&one);
}

EACH_KIND(a_batch_is_its_samples_one_by_one, batch_is_its_samples)

/* ---- what each kind does, by hand ---- */

static void check_by_hand(const struct layer_ops *ops, struct shape in, size_t channels, const float *params,
                          const float *x, const float *y)
{
    struct probe p;

    cr_assert(probe_init(&p, ops, in, channels, 1));
    memcpy(p.x, x, p.nx * sizeof *x);
    if (params)
        memcpy(p.params, params, p.layer.n_params * sizeof *params);
    probe_forward(&p);
    for (size_t i = 0; i < p.ny; i++)
        cr_assert_eq(p.y[i], y[i], "%s: y[%zu] is %g, not %g", describe(&p), i, (double)p.y[i], (double)y[i]);
    probe_release(&p);
}

/* A weight in the upper left corner looks at the upper left neighbour: the kernel is not turned round. */
Test(conv3x3, is_a_cross_correlation_with_zeros_around_the_picture)
{
    const float upper_left[10] = { 1, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f };
    const float right[10] = { 0, 0, 0, 0, 0, 1, 0, 0, 0, 0 };
    const float x[6] = { 1, 2, 3, 4, 5, 6 };

    check_by_hand(&LAYER_CONV3X3, (struct shape){ 1, 2, 3 }, 1, upper_left, x,
                  (float[]){ 0.5f, 0.5f, 0.5f, 0.5f, 1.5f, 2.5f });
    check_by_hand(&LAYER_CONV3X3, (struct shape){ 1, 2, 3 }, 1, right, x, (float[]){ 2, 3, 0, 5, 6, 0 });
}

/* Two channels in, two out, only the middle tap: a matrix product a pixel. */
Test(conv3x3, weights_lie_by_output_then_input_channel)
{
    float params[38] = { 0 };
    const float x[2] = { 10, 100 };

    params[0 * 18 + 0 * 9 + 4] = 1;
    params[0 * 18 + 1 * 9 + 4] = 2;
    params[1 * 18 + 0 * 9 + 4] = 3;
    params[1 * 18 + 1 * 9 + 4] = 4;
    params[36] = 0.25f;
    params[37] = 0.5f;
    check_by_hand(&LAYER_CONV3X3, (struct shape){ 2, 1, 1 }, 2, params, x, (float[]){ 210.25f, 430.5f });
}

Test(dense, is_a_matrix_product_and_a_bias)
{
    const float params[8] = { 1, 2, 3, 4, 5, 6, 0.5f, 0.25f };

    check_by_hand(&LAYER_DENSE, (struct shape){ 3, 1, 1 }, 2, params, (float[]){ 1, 10, 100 },
                  (float[]){ 321.5f, 654.25f });
}

Test(replicate, copies_the_plane)
{
    check_by_hand(&LAYER_REPLICATE, (struct shape){ 1, 1, 2 }, 3, NULL, (float[]){ 1, 2 },
                  (float[]){ 1, 2, 1, 2, 1, 2 });
}

Test(relu, keeps_what_is_positive)
{
    check_by_hand(&LAYER_RELU, (struct shape){ 1, 1, 4 }, 0, NULL, (float[]){ -1, 0, 0.5f, INFINITY },
                  (float[]){ 0, 0, 0.5f, INFINITY });
}

Test(relu, has_slope_zero_at_zero)
{
    struct probe p;

    cr_assert(probe_init(&p, &LAYER_RELU, (struct shape){ 1, 1, 3 }, 0, 1));
    memcpy(p.x, (float[]){ -1, 0, 1 }, 3 * sizeof *p.x);
    memcpy(p.r, (float[]){ 5, 6, 7 }, 3 * sizeof *p.r);
    probe_forward(&p);
    probe_backward(&p);
    cr_assert(p.dx[0] == 0 && p.dx[1] == 0 && p.dx[2] == 7);
    probe_release(&p);
}

Test(maxpool2, takes_the_largest_of_each_four)
{
    const float x[8] = { 1, -2, -5, -6, 3, 2, -8, -7 };

    check_by_hand(&LAYER_MAXPOOL, (struct shape){ 1, 2, 4 }, 0, NULL, x, (float[]){ 3, -5 });
}

/* Of equal values the first in reading order wins and gets the whole slope. */
Test(maxpool2, gives_the_slope_to_the_first_of_equals)
{
    static const float CASES[][4] = { { 1, 1, 1, 1 }, { 0, 1, 1, 1 }, { 0, 0, 1, 1 }, { 0, 0, 0, 1 } };

    for (size_t i = 0; i < 4; i++) {
        struct probe p;

        cr_assert(probe_init(&p, &LAYER_MAXPOOL, (struct shape){ 1, 2, 2 }, 0, 1));
        memcpy(p.x, CASES[i], sizeof CASES[i]);
        p.r[0] = 9;
        probe_forward(&p);
        probe_backward(&p);
        for (size_t k = 0; k < 4; k++)
            cr_assert_eq(p.dx[k], k == i ? 9 : 0, "case %zu: dx[%zu] is %g", i, k, (double)p.dx[k]);
        probe_release(&p);
    }
}

/* Were it lost here, a sum that overflowed would come out as an ordinary probability. */
Test(layer, not_a_number_survives_relu_and_max_pool_in_every_place)
{
    static const struct layer_ops *const KINDS[] = { &LAYER_RELU, &LAYER_MAXPOOL };

    for (size_t k = 0; k < 2; k++)
        for (size_t place = 0; place < 4; place++) {
            struct probe p;
            bool found = false;

            cr_assert(probe_init(&p, KINDS[k], (struct shape){ 1, 2, 2 }, 0, 1));
            p.x[place] = NAN;
            probe_forward(&p);
            for (size_t i = 0; i < p.ny; i++)
                found = found || isnan(p.y[i]);
            cr_assert(found, "%s loses a NaN in place %zu", KINDS[k]->kind, place);
            probe_release(&p);
        }
}

Test(layer, shapes_that_a_kind_cannot_take_are_refused)
{
    static const struct {
        const struct layer_ops *ops;
        struct shape in;
        size_t channels;
    } WRONG[] = { { &LAYER_MAXPOOL, { 1, 5, 4 }, 0 },   { &LAYER_MAXPOOL, { 1, 4, 5 }, 0 },
                  { &LAYER_MAXPOOL, { 1, 0, 4 }, 0 },   { &LAYER_REPLICATE, { 2, 4, 4 }, 3 },
                  { &LAYER_REPLICATE, { 1, 4, 4 }, 0 }, { &LAYER_CONV3X3, { 1, 4, 4 }, 0 },
                  { &LAYER_CONV3X3, { 0, 4, 4 }, 2 },   { &LAYER_DENSE, { 1, 4, 4 }, 0 },
                  { &LAYER_DENSE, { 1, 4, 0 }, 2 },     { &LAYER_RELU, { 1, 0, 4 }, 0 } };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct layer l = { .ops = WRONG[i].ops, .in = WRONG[i].in, .out = { .c = WRONG[i].channels } };
        struct tensor tensors[2];
        size_t n_tensors = 0;

        cr_assert_eq(l.ops->shape(&l, tensors, &n_tensors), ST_INVALID, "%s takes case %zu", l.ops->kind, i);
    }
}

/* ---- the architecture ---- */

static struct network cnn4(size_t size)
{
    struct network net;
    struct error err = { 0 };

    cr_assert_eq(network_init(&net, "cnn4", size, &err), ST_OK, "%s", err.text);
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
    const struct network net = cnn4(256);
    size_t at = 0;

    cr_assert_eq(net.n_params, 1305934);
    cr_assert_eq(net.n_tensors, N_TENSORS);
    for (size_t i = 0; i < N_TENSORS; i++) {
        const struct tensor *t = network_tensor(&net, TENSORS[i].name);
        size_t count = 1;

        cr_assert(t == &net.tensors[i], "'%s' is not tensor %zu", TENSORS[i].name, i);
        cr_assert_eq(t->rank, TENSORS[i].rank, "'%s' has rank %zu", t->name, t->rank);
        for (size_t d = 0; d < t->rank; d++, count *= t->dims[d - 1])
            cr_assert_eq(t->dims[d], TENSORS[i].dims[d], "'%s': dimension %zu is %zu", t->name, d,
                         t->dims[d]);
        cr_assert(t->count == count && t->offset == at, "'%s' lies elsewhere", t->name);
        at += t->count;
    }
    cr_assert_null(network_tensor(&net, "conv5.weight"));
}

Test(network, every_layer_finds_its_parameters_in_the_block)
{
    const struct network net = cnn4(64);
    size_t at = 0;

    for (size_t i = 0; i < net.n_layers; i++) {
        const struct layer *l = &net.layers[i];

        cr_assert_eq(l->params, at, "layer %zu", i);
        at += l->n_params;
        if (i > 0)
            cr_assert_eq(memcmp(&l->in, &net.layers[i - 1].out, sizeof l->in), 0, "layer %zu", i);
    }
    cr_assert_eq(at, net.n_params);
    cr_assert_eq(shape_size(net.layers[0].in), 64 * 64);
    cr_assert_eq(shape_size(net.layers[net.n_layers - 1].out), 14);
}

Test(network, the_head_grows_with_the_image)
{
    static const size_t CASES[][2] = { { 64, 4 }, { 80, 5 }, { 256, 16 }, { 512, 32 } };

    for (size_t i = 0; i < 4; i++) {
        const struct network net = cnn4(CASES[i][0]);
        const struct tensor *head = network_tensor(&net, "head.weight");

        cr_assert(head->dims[2] == CASES[i][1] && head->dims[3] == CASES[i][1]);
        cr_assert_eq(net.n_params, 388416 + 14 * (256 * CASES[i][1] * CASES[i][1] + 1));
    }
}

Test(network, sizes_and_names_that_it_cannot_take_are_refused)
{
    static const size_t SIZES[] = {
        0, 1, 16, 48, 63, 65, 72, 100, 255, 257, 513, 528, SIZE_MAX, SIZE_MAX - 15
    };
    struct network net;

    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        struct error err = { 0 };

        check_refusal("a size", network_init(&net, "cnn4", SIZES[i], &err), ST_INVALID, &err,
                      "multiple of 16");
    }
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "cnn5" : "";
        struct error err = { 0 };

        check_refusal("a name", network_init(&net, name, 256, &err), ST_INVALID, &err, "architecture");
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
    const struct network net = cnn4(64);
    float *params = initialised(&net, init, 3);

    for (size_t i = 0; i < net.n_tensors; i += 2) {
        const struct tensor *t = &net.tensors[i];
        const double taps = (double)(t->dims[2] * t->dims[3]), fan_in = taps * (double)t->dims[1];
        const double fan_out =
            (i + 2 < net.n_tensors ? taps : 1) * (double)t->dims[0]; /* the head has no taps */

        check_uniform(t, params + t->offset, bound(fan_in, fan_out));
    }
    for (size_t i = 1; i < net.n_tensors; i += 2)
        for (size_t k = 0; k < net.tensors[i].count; k++)
            cr_assert_eq(params[net.tensors[i].offset + k], 0, "'%s' is not 0", net.tensors[i].name);
    free(params);
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
    const struct network net = cnn4(64);
    float *a = initialised(&net, INIT_HE, 5), *b = initialised(&net, INIT_HE, 5),
          *c = initialised(&net, INIT_HE, 6);

    cr_assert_eq(memcmp(a, b, net.n_params * sizeof *a), 0);
    cr_assert_neq(memcmp(a, c, net.n_params * sizeof *a), 0);
    free(a);
    free(b);
    free(c);
}

/* A session keeps its memory for the next model only where that one reads it alike. */
Test(layers, plans_are_told_apart_by_all_that_their_memory_depends_on)
{
    struct network net;
    struct plan p, q;
    struct error err = { 0 };

    cr_assert_eq(network_init(&net, "cnn4", 64, &err), ST_OK, "%s", err.text);
    cr_assert_eq(plan_make(&net, kernels_named("generic"), &p), ST_OK);
    q = p;
    q.head_bias += 8;
    q.weights[1] += 8;
    cr_assert(plan_alike(&p, &q), "weights elsewhere");
    q = p;
    q.blocks[2].out_c *= 2;
    cr_assert_not(plan_alike(&p, &q), "a wider layer of the same image size");
    q = p;
    q.n_blocks--;
    cr_assert_not(plan_alike(&p, &q), "a layer less");
    q = p;
    q.kernels = NULL;
    cr_assert_not(plan_alike(&p, &q), "no memory yet");
}
