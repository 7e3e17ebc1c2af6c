/* tests/unit/test_graph_kernels.c - the kernels of graphs against the layers' plain loops, on sizes, windows and views drawn at
 * random: what they compute, that they read and write nothing outside the picture, that the bits do not depend on how the work
 * is cut, and that no NaN is lost on the way. */
#include "cxrd/rng.h"
#include "each_set.h"
#include "model/core/floats.h"
#include "model/kernels/kernels.h"
#include "model/net/layer.h"
#include "picture.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one step of a graph, its operands and the truth ---- */

enum kind {
    CONVOLUTION,
    WINOGRAD,
    DEPTHWISE,
    MAX_POOL,
    MEAN_POOL,
    GLOBAL_MEAN,
    ADD,
    MULTIPLY,
    NORM,
    ACTIVATE
};
static const char *const KINDS[] = { "convolution", "winograd", "depthwise", "max_pool", "mean_pool",
                                     "global_mean", "add",      "multiply",  "norm",     "activate" };

/* The numbers that clip and leaky_relu are drawn with: exact in float32. */
#define LOW   (-1.5f)
#define HIGH  2.25f
#define BELOW 0.125f

struct trial {
    const struct kernels *k;
    enum kind kind;
    graph_kernel *kernel;
    size_t n, units;
    struct geometry g;
    struct operands o;
    struct node node; /* the same as a layer */
    struct picture x, y, b;
    bool has_b, spread, scaled,
        thin; /* b of [c][1][1]; a normalisation folded or read through; a thin picture */
    float *plain_x, *plain_b, *truth, *scratch; /* truth [n][out]: before the activation */
    float *params, *fold, *w, *bias, *scale, *shift;
};

static bool is_convolution(enum kind kind) { return kind <= DEPTHWISE; }
static bool is_elementwise(enum kind kind) { return kind >= ADD; }

static graph_kernel *kernel_of(const struct kernels *k, enum kind kind)
{
    graph_kernel *const all[] = { k->convolution, k->winograd, k->depthwise, k->max_pool, k->mean_pool,
                                  k->global_mean, k->add,      k->multiply,  k->norm,     k->activate };

    return all[kind];
}

static size_t units_of(const struct trial *t)
{
    const struct shape out = t->node.out;

    if (t->kind == CONVOLUTION)
        return t->n * out.h * out.w;
    if (t->kind == WINOGRAD)
        return t->n * ((out.h + 3) / 4) * ((out.w + 3) / 4);
    return t->kind == GLOBAL_MEAN ? t->n * t->x.panels : t->n * out.h;
}

/* A kernel's promise for a window. */
static void window_draw(struct trial *t, struct rng *r)
{
    struct window *k = &t->node.window;

    *k = window_drawn(r, 5);
    if (below(r, 8) == 0)
        *k = window_drawn(r, 15);
    if (t->kind == DEPTHWISE && coin(r)) { /* those that have a kernel of their own */
        k->h = k->w = coin(r) ? 3 : 5;
        k->stride_w = between(r, 1, 2);
        k->dilation_h = k->dilation_w = 1;
    }
    if (t->kind == WINOGRAD) {
        k->h = k->w = 3;
        k->stride_h = k->stride_w = k->dilation_h = k->dilation_w = 1;
    }
    if (t->scaled && t->kind == CONVOLUTION)
        *k = (struct window)WINDOW(1, 1, k->stride_h, 0, 0);
}

static void node_draw(struct trial *t, struct rng *r)
{
    static const struct layer_ops *const OPS[] = { &LAYER_CONV,     &LAYER_CONV,      &LAYER_CONV,
                                                   &LAYER_MAX_POOL, &LAYER_MEAN_POOL, &LAYER_GLOBAL_POOL,
                                                   &LAYER_ADD,      &LAYER_MUL,       &LAYER_NORM,
                                                   &LAYER_RELU };
    const size_t P = t->k->panel;
    struct described tensors[LAYER_MAX_TENSORS];
    size_t n_tensors;

    t->thin = t->kind == CONVOLUTION && !t->scaled && below(r, 4) == 0;
    t->node = (struct node){ .ops = OPS[t->kind], .bias = true, .groups = 1, .epsilon = 1e-5 };
    do {
        const size_t channels = t->thin ? between(r, 1, 3) : between(r, 1, P * 5 / 2);

        window_draw(t, r);
        t->node.in[0] = (struct shape){ channels, between(r, 1, 19), between(r, 1, 19) };
        t->node.in[1] = t->node.in[0];
        if (t->spread)
            t->node.in[1].h = t->node.in[1].w = 1;
        t->node.channels = t->kind == DEPTHWISE ? channels : between(r, 1, P * 5 / 2);
        t->node.groups = t->kind == DEPTHWISE ? channels : 1;
        if (t->kind != DEPTHWISE && !t->thin && below(r, 4) == 0) { /* as ResNeXt has them */
            t->node.groups = between(r, 2, 3);
            t->node.in[0].c *= t->node.groups;
            t->node.in[1].c = t->node.in[0].c;
            t->node.channels *= t->node.groups;
        }
    } while (t->node.ops->shape(&t->node, tensors, &n_tensors) != NULL);
}

/* Filters with their groups written out as zeros, and whole panels of channels: [out][in][taps], as weights_transform() wants them. */
static void write_out(const struct geometry *g, const struct filters *f, const float *w, const float *scale,
                      float *ret)
{
    const size_t in = f->in / f->groups, out = f->out / f->groups;

    for (size_t o = 0; o < f->out; o++)
        for (size_t c = 0; c < in; c++)
            for (size_t t = 0; t < f->taps; t++)
                ret[(o * g->in.c + o / out * in + c) * f->taps + t] =
                    w[(o * in + c) * f->taps + t] * scale[o];
}

/* Weights, in the layer's form and in the kernels'. */
static void weights_draw(struct trial *t, struct rng *r)
{
    const struct shape in = t->node.in[0], out = t->node.out;
    const size_t P = t->k->panel, taps = t->g.window.h * t->g.window.w, each = in.c / t->node.groups * taps;
    const struct filters f = { out.c, in.c, t->node.groups, taps };
    float *dense;

    t->params = drawn(r, out.c * each + out.c);
    t->fold = drawn(r, out.c);
    t->bias = floats_new(t->g.out.c);
    memcpy(t->bias, t->params + out.c * each, out.c * sizeof(float));
    t->w = floats_new(WINOGRAD_POINTS * t->g.out.c * t->g.in.c + t->g.out.c * t->g.in.c * taps);
    if (t->kind == DEPTHWISE) {
        filters_pack_depthwise(P, &t->g, out.c, t->params, t->fold, t->w);
    } else if (t->kind == CONVOLUTION) {
        filters_pack(P, &t->g, &f, t->params, t->fold, t->w);
    } else {
        dense = floats_new(t->g.out.c * t->g.in.c * taps);
        write_out(&t->g, &f, t->params, t->fold, dense);
        t->k->weights_transform(t->g.in.c, t->g.out.c, dense, 0, t->g.in.c, t->w, NULL);
        free(dense);
    }
    for (size_t i = 0; i < out.c * each; i++)
        t->params[i] *= t->fold[i / each];
    t->o.w = t->w;
    t->o.bias = t->bias;
}

static float relu(float v) { return v > 0 ? v : 0; }

/* The step before its activation, by the layer. */
static void truth_make(struct trial *t)
{
    const struct shape in = t->node.in[0], out = t->node.out;
    float *x = floats_new(t->n * shape_size(in));
    const bool read_through = t->scaled && t->kind == CONVOLUTION;

    t->truth = floats_new(t->n * shape_size(out));
    for (size_t i = 0; i < t->n * shape_size(in); i++) {
        const size_t c = i / (in.h * in.w) % in.c;

        x[i] = read_through || t->kind == NORM ? t->plain_x[i] * t->scale[c] + t->shift[c] : t->plain_x[i];
        if (read_through)
            x[i] = relu(x[i]);
    }
    if (t->kind == NORM || t->kind == ACTIVATE)
        memcpy(t->truth, x, t->n * shape_size(out) * sizeof *x);
    else
        t->node.ops->forward(&t->node, t->n, t->params, NULL, (const float *[]){ x, t->plain_b }, t->truth,
                             NULL);
    for (size_t i = 0; i < t->n * shape_size(out) && t->has_b && is_convolution(t->kind); i++)
        t->truth[i] += t->plain_b[i];
    free(x);
}

static void operands_draw(struct trial *t, struct rng *r)
{
    const struct shape in = t->node.in[0], out = t->node.out,
                       second = is_elementwise(t->kind) ? t->node.in[1] : out;
    const size_t P = t->k->panel;

    const bool known = t->kind != WINOGRAD && coin(r);
    const enum form form = known ? HALF_PANELS : WHOLE_PANELS;

    t->x = picture_new(r, P, t->n, in, t->thin ? THIN : form, NAN);
    t->y = picture_new(r, P, t->n, out, form, UNTOUCHED);
    t->b = picture_new(r, P, t->n, second, form, NAN);
    t->plain_x = drawn(r, t->n * shape_size(in));
    t->plain_b = drawn(r, t->n * shape_size(second));
    for (size_t i = 0; i < t->n * shape_size(in) && is_elementwise(t->kind); i++)
        t->plain_x[i] *= 8; /* beyond the kinks of all activations */
    picture_fill(&t->x, r, t->plain_x);
    picture_fill(&t->b, r, t->plain_b);
    t->scale = drawn(r, t->x.s.c);
    t->shift = drawn(r, t->x.s.c);
    t->g = (struct geometry){ t->x.s,          t->y.s, t->node.window, t->x.v, t->y.v, t->b.v,
                              t->g.activation, LOW,    HIGH,           BELOW };
    t->g.w_step = t->x.s.c * t->y.s.c;
    if (known) {
        t->g.unused_in = t->x.s.c - in.c;
        t->g.unused_out = t->y.s.c - out.c;
    }
    if (t->spread)
        t->g.b.row = t->g.b.pixel = 0;
    t->o = (struct operands){ .x = t->x.first, .y = t->y.first };
    if (t->has_b)
        t->o.b = t->b.first;
    if (t->scaled) {
        t->o.scale = t->scale;
        t->o.shift = t->shift;
    }
}

static struct trial trial_new(const struct kernels *k, enum kind kind, enum activation activation,
                              struct rng *r)
{
    struct trial t = { .k = k, .kind = kind, .kernel = kernel_of(k, kind), .n = between(r, 1, 3) };

    t.g.activation = activation;
    t.has_b = kind == ADD || kind == MULTIPLY || (is_convolution(kind) && coin(r));
    t.spread = kind == MULTIPLY && coin(r);
    t.scaled = kind == NORM || (kind == CONVOLUTION && below(r, 3) == 0);
    node_draw(&t, r);
    t.units = 0;
    operands_draw(&t, r);
    t.units = units_of(&t);
    if (is_convolution(kind))
        weights_draw(&t, r);
    t.scratch = floats_new(kind == WINOGRAD ? winograd_scratch(&t.g) : convolution_scratch(&t.g));
    return t;
}

static void trial_release(struct trial *t)
{
    float *const blocks[] = { t->x.memory, t->y.memory, t->b.memory, t->plain_x, t->plain_b,
                              t->truth,    t->scratch,  t->params,   t->fold,    t->w,
                              t->bias,     t->scale,    t->shift };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
}

static void describe(const struct trial *t, char *text, size_t size)
{
    const struct shape in = t->node.in[0], out = t->node.out;
    const struct window *k = &t->node.window;

    snprintf(text, size,
             "%s %s of %zu: %zux%zux%zu to %zux%zux%zu, window %zux%zu by %zux%zu in a border from %zu, %zu "
             "on, %zux%zu apart, %zu "
             "groups, "
             "activation %d%s%s%s%s",
             t->k->name, KINDS[t->kind], t->n, in.c, in.h, in.w, out.c, out.h, out.w, k->h, k->w, k->stride_h,
             k->stride_w, k->top, k->left, k->dilation_h, k->dilation_w, t->node.groups, t->g.activation,
             t->has_b ? ", b" : "", t->spread ? " spread" : "", t->scaled ? ", scaled" : "",
             t->thin ? ", thin" : "");
}

/* Relative to the sums before the activation, whose slope is nowhere far above 1. A sum of K rounded products is off by about
 * sqrt(K / 2) units of 2^-24; Winograd's transforms lose one digit more. */
static double tolerance(const struct trial *t)
{
    const size_t terms = is_elementwise(t->kind)  ? 2
                         : t->kind == GLOBAL_MEAN ? 400
                                                  : t->g.window.h * t->g.window.w * t->node.in[0].c;

    return (t->kind == WINOGRAD ? 60 : 3) * sqrt((double)terms + 8) * 0x1p-24;
}

static double activation_of(double v, enum activation activation)
{
    static const struct layer_ops *const OPS[] = { NULL,
                                                   &LAYER_RELU,
                                                   &LAYER_RELU6,
                                                   &LAYER_SIGMOID,
                                                   &LAYER_SILU,
                                                   &LAYER_HARD_SWISH,
                                                   &LAYER_HARD_SIGMOID,
                                                   &LAYER_CLIP,
                                                   &LAYER_LEAKY_RELU };
    const struct node one = { .in = { { 1, 1, 1 } }, .low = LOW, .high = HIGH, .slope = BELOW };
    const float x = (float)v;
    float y = x;

    if (activation != ACT_NONE)
        OPS[activation]->forward(&one, 1, NULL, NULL, (const float *[]){ &x }, &y, NULL);
    return (double)y;
}

static void check_result(const struct trial *t, const char *what)
{
    double error = 0, size = 0;
    const float *truth = t->truth;

    for (size_t s = 0; s < t->n; s++)
        for (size_t c = 0; c < t->node.out.c; c++)
            for (size_t i = 0; i < t->node.out.h; i++)
                for (size_t j = 0; j < t->node.out.w; j++, truth++) {
                    const double got = (double)t->y.memory[at(&t->y, s, c, i, j)];
                    const double off = got - activation_of((double)*truth, t->g.activation);

                    error += off * off;
                    size += (double)*truth * (double)*truth;
                }
    cr_assert(sqrt(error) <= tolerance(t) * sqrt(size), "%s: off by %g of %g", what, sqrt(error / size),
              tolerance(t));
}

/* Once more into the same memory as at first, in pieces. */
static void check_cuts(struct trial *t, struct rng *r, const char *what)
{
    float *whole = t->y.memory, *pieces = floats_new(t->y.size);

    for (size_t i = 0; i < t->y.size; i++)
        pieces[i] = UNTOUCHED;
    t->o.y = pieces + (t->y.first - whole);
    for (size_t begin = 0, end; begin < t->units; begin = end) {
        end = begin + between(r, 1, coin(r) ? 5 : 60);
        end = end < t->units ? end : t->units;
        t->kernel(&t->g, begin, end, &t->o, t->scratch);
    }
    cr_assert_eq(memcmp(whole, pieces, t->y.size * sizeof *whole), 0, "%s: other bits in pieces", what);
    free(pieces);
    t->o.y = t->y.first;
}

static void check_padding(const struct trial *t, const char *what)
{
    for (size_t s = 0; s < t->n; s++)
        for (size_t c = t->y.c; c < t->y.lies; c++)
            for (size_t i = 0; i < t->y.s.h; i++)
                for (size_t j = 0; j < t->y.s.w; j++)
                    cr_assert(isfinite(t->y.memory[at(&t->y, s, c, i, j)]), "%s: channel %zu", what, c);
}

static enum activation activation_draw(enum kind kind, struct rng *r)
{
    if (kind == MAX_POOL || kind == MEAN_POOL || kind == GLOBAL_MEAN)
        return ACT_NONE;
    return (enum activation)below(r, ACT_LEAKY_RELU + 1);
}

static void check_kind(const struct kernels *k, enum kind kind, size_t trials)
{
    for (size_t i = 0; i < trials; i++) {
        struct rng r;
        char what[300];
        struct trial t;

        rng_seed(&r, 17, i * 16 + kind);
        t = trial_new(k, kind, activation_draw(kind, &r), &r);
        describe(&t, what, sizeof what);
        truth_make(&t);
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        check_result(&t, what);
        check_padding(&t, what);
        cr_assert(untouched_around(&t.y), "%s: written outside", what);
        check_cuts(&t, &r, what);
        trial_release(&t);
    }
}

EACH_SET(graph_kernels, convolution_is_the_layer) { check_kind(k, CONVOLUTION, 150); }
EACH_SET(graph_kernels, winograd_is_the_layer) { check_kind(k, WINOGRAD, 40); }
EACH_SET(graph_kernels, depthwise_is_the_layer) { check_kind(k, DEPTHWISE, 150); }
EACH_SET(graph_kernels, max_pool_is_the_layer) { check_kind(k, MAX_POOL, 150); }
EACH_SET(graph_kernels, mean_pool_is_the_layer) { check_kind(k, MEAN_POOL, 150); }
EACH_SET(graph_kernels, global_mean_is_the_layer) { check_kind(k, GLOBAL_MEAN, 60); }
EACH_SET(graph_kernels, add_is_the_layer) { check_kind(k, ADD, 100); }
EACH_SET(graph_kernels, multiply_is_the_layer) { check_kind(k, MULTIPLY, 100); }
EACH_SET(graph_kernels, norm_is_the_definition) { check_kind(k, NORM, 100); }
EACH_SET(graph_kernels, activate_is_the_layer) { check_kind(k, ACTIVATE, 100); }

/* ---- NaN and infinity ---- */

static bool finite_all(const struct trial *t)
{
    for (size_t i = 0; i < t->y.size; i++)
        if (!isfinite(t->y.memory[i]))
            return false;
    return true;
}

/* Whether some window looks at row or column `i`. */
static bool is_seen(size_t i, size_t window, size_t stride, size_t dilation, size_t pad, size_t out)
{
    for (size_t at_out = 0; at_out < out; at_out++)
        for (size_t u = 0; u < window; u++)
            if (i + pad == at_out * stride + u * dilation)
                return true;
    return false;
}

static bool cell_is_seen(const struct trial *t, size_t i, size_t j)
{
    const struct window *k = &t->g.window;

    if (is_elementwise(t->kind) || t->kind == GLOBAL_MEAN)
        return true;
    return is_seen(i, k->h, k->stride_h, k->dilation_h, k->top, t->g.out.h) &&
           is_seen(j, k->w, k->stride_w, k->dilation_w, k->left, t->g.out.w);
}

static void check_bad(struct trial *t, struct rng *r, float bad)
{
    const size_t s = below(r, t->n), c = below(r, t->x.c), i = below(r, t->x.s.h), j = below(r, t->x.s.w);
    char what[300];

    describe(t, what, sizeof what);
    t->kernel(&t->g, 0, t->units, &t->o, t->scratch);
    cr_assert(finite_all(t), "%s: not finite", what);
    if (!cell_is_seen(t, i, j))
        return;
    t->x.memory[at(&t->x, s, c, i, j)] = bad;
    t->kernel(&t->g, 0, t->units, &t->o, t->scratch);
    cr_assert_not(finite_all(t), "%s loses %g at %zu, %zu", what, (double)bad, i, j);
}

EACH_SET(graph_kernels, lose_neither_nan_nor_infinity)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };

    for (size_t i = 0; i < 600; i++) {
        const enum kind kind = (enum kind)(i % 10);
        struct rng r;
        struct trial t;

        rng_seed(&r, 18, i);
        t = trial_new(k, kind, activation_draw(kind, &r), &r);
        check_bad(&t, &r, BAD[i / 10 % 3]);
        trial_release(&t);
    }
}

/* ---- what graphs make of views ---- */

/* Floats of the weights before those of a result. */
static size_t weights_of(const struct trial *t)
{
    const size_t taps = t->g.window.h * t->g.window.w;

    if (!is_convolution(t->kind))
        return 0;
    return t->kind == WINOGRAD ? t->g.in.c : t->kind == DEPTHWISE ? taps : taps * t->g.in.c;
}

/* One panel of results. */
static void panel_alone(const struct trial *t, size_t panel)
{
    const bool by_channel = t->kind == DEPTHWISE || is_elementwise(t->kind);
    struct geometry g = t->g;
    struct operands o = t->o;

    g.out.c = t->k->panel;
    g.unused_out = panel + 1 == t->y.panels ? g.unused_out : 0;
    if (by_channel) {
        g.in.c = g.out.c;
        g.unused_in = g.unused_out;
        o.x += panel * g.x.panel;
    }
    if (is_convolution(t->kind)) {
        o.w += panel * t->k->panel * weights_of(t);
        o.bias += panel * t->k->panel;
    }
    o.y += panel * g.y.panel;
    o.b = o.b ? o.b + panel * g.b.panel : NULL;
    for (size_t u = 0; u < t->units; u++)
        t->kernel(&g, u, u + 1, &o, t->scratch);
}

/* A range of results is a step of its own: threads that share few pixels cut there. */
EACH_SET(graph_kernels, range_of_results_is_a_step_of_its_own)
{
    static const enum kind CUT[] = { CONVOLUTION, WINOGRAD, DEPTHWISE, ADD, MULTIPLY };

    for (size_t i = 0; i < 100; i++) {
        struct rng r;
        struct trial t;
        float *whole;

        rng_seed(&r, 19, i);
        t = trial_new(k, CUT[i % 5], ACT_RELU, &r);
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        whole = floats_new(t.y.size);
        memcpy(whole, t.y.memory, t.y.size * sizeof *whole);
        for (size_t at = 0; at < t.y.size; at++)
            t.y.memory[at] = UNTOUCHED;
        for (size_t panel = 0; panel < t.y.panels; panel++)
            panel_alone(&t, panel);
        cr_assert_eq(memcmp(whole, t.y.memory, t.y.size * sizeof *whole), 0, "%s", KINDS[t.kind]);
        free(whole);
        trial_release(&t);
    }
}

/* A residual that nobody reads later is the place of the sum. */
EACH_SET(graph_kernels, residual_may_lie_where_the_result_goes)
{
    for (size_t i = 0; i < 60; i++) {
        struct rng r;
        struct trial t;
        size_t differ = 0;

        rng_seed(&r, 21, i);
        t = trial_new(k, (enum kind)(i % 3), ACT_RELU, &r);
        t.o.b = t.b.first;
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        t.g.y = t.g.b;
        t.o.y = t.b.first;
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        for (size_t s = 0; s < t.n; s++)
            for (size_t c = 0; c < t.y.lies; c++)
                for (size_t row = 0; row < t.y.s.h; row++)
                    for (size_t j = 0; j < t.y.s.w; j++)
                        differ += t.b.memory[at(&t.b, s, c, row, j)] != t.y.memory[at(&t.y, s, c, row, j)];
        cr_assert_eq(differ, 0, "%s %s: %zu differ", k->name, KINDS[t.kind], differ);
        trial_release(&t);
    }
}

/* In place, as a network that is short of memory has it. */
EACH_SET(graph_kernels, elementwise_steps_work_in_place)
{
    for (enum kind kind = ADD; kind <= ACTIVATE; kind++) {
        struct rng r;
        struct trial t;
        size_t differ = 0;

        rng_seed(&r, 20, kind);
        t = trial_new(k, kind, ACT_SILU, &r);
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        t.g.y = t.g.x;
        t.o.y = t.x.first;
        t.kernel(&t.g, 0, t.units, &t.o, t.scratch);
        for (size_t s = 0; s < t.n; s++)
            for (size_t c = 0; c < t.x.lies; c++)
                for (size_t i = 0; i < t.x.s.h; i++)
                    for (size_t j = 0; j < t.x.s.w; j++)
                        differ += t.x.memory[at(&t.x, s, c, i, j)] != t.y.memory[at(&t.y, s, c, i, j)];
        cr_assert_eq(differ, 0, "%s %s in place: %zu differ", k->name, KINDS[kind], differ);
        trial_release(&t);
    }
}
