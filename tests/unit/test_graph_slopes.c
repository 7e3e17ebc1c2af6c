/* tests/unit/test_graph_slopes.c - the way back of the kernels of graphs against the layers' plain loops, on sizes, windows and views
 * drawn at random: that slopes are added to what is there, that nothing outside the picture is written, and that what lies beyond the
 * network's channels or around the pictures reaches no result. */
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

enum kind { CONVOLUTION, WINOGRAD, DEPTHWISE, MAX_POOL, MEAN_POOL, GLOBAL_MEAN, MULTIPLY, ACTIVATE, ADD };
static const char *const KINDS[] = { "convolution", "winograd", "depthwise", "max_pool", "mean_pool",
                                     "global_mean", "multiply", "activate",  "add" };

static const struct layer_ops *const ACTIVATIONS[] = { NULL,
                                                       &LAYER_RELU,
                                                       &LAYER_RELU6,
                                                       &LAYER_SIGMOID,
                                                       &LAYER_SILU,
                                                       &LAYER_HARD_SWISH,
                                                       &LAYER_HARD_SIGMOID,
                                                       &LAYER_CLIP,
                                                       &LAYER_LEAKY_RELU };

/* The numbers that clip and leaky_relu are drawn with: exact in float32. */
#define LOW   (-1.5f)
#define HIGH  2.25f
#define BELOW 0.125f

struct trial {
    const struct kernels *k;
    enum kind kind;
    size_t n;
    struct geometry g;
    struct node node;
    bool spread, thin;
    struct picture x, b, y, dy, dx, db;
    float *params, *plain_x[2], *plain_y, *plain_dy; /* as the layer has them */
    float *truth_dx[2], *truth_dparams;
    float *before_x[2];              /* what dx and db hold before */
    float *scratch, *w, *dw, *dbias; /* w: of Winograd */
    uint8_t *tape;
};

static void window_draw(struct trial *t, struct rng *r)
{
    struct window *k = &t->node.window;

    *k = window_drawn(r, 5);
    if (t->kind == WINOGRAD) {
        k->h = k->w = 3;
        k->stride_h = k->stride_w = k->dilation_h = k->dilation_w = 1;
    }
}

static void node_draw(struct trial *t, struct rng *r)
{
    static const struct layer_ops *const OPS[] = {
        &LAYER_CONV,        &LAYER_CONV, &LAYER_CONV, &LAYER_MAX_POOL, &LAYER_MEAN_POOL,
        &LAYER_GLOBAL_POOL, &LAYER_MUL,  NULL,        &LAYER_ADD
    };
    const size_t P = t->k->panel;
    struct described ignored[LAYER_MAX_TENSORS];
    size_t n_tensors;

    t->node = (struct node){ .ops = t->kind == ACTIVATE ? ACTIVATIONS[t->g.activation] : OPS[t->kind],
                             .bias = coin(r),
                             .low = LOW,
                             .high = HIGH,
                             .slope = BELOW };
    do {
        const size_t groups = t->kind == CONVOLUTION && below(r, 4) == 0 ? 2 : 1;
        const size_t channels = t->thin ? 1 : groups * between(r, 1, P * 5 / (2 * groups));

        window_draw(t, r);
        t->node.in[0] = t->node.in[1] = (struct shape){ channels, between(r, 1, 19), between(r, 1, 19) };
        if (t->spread)
            t->node.in[1].h = t->node.in[1].w = 1;
        t->node.channels = t->kind == DEPTHWISE ? channels : groups * between(r, 1, P * 5 / (2 * groups));
        if (t->kind == WINOGRAD) {
            t->node.in[0].c = P * between(r, 1, 2);
            t->node.channels = P * between(r, 1, 2);
        }
        t->node.groups = t->kind == DEPTHWISE ? channels : t->thin ? 1 : groups;
    } while (t->node.ops->shape(&t->node, ignored, &n_tensors) != NULL);
}

static size_t taps_of(const struct trial *t) { return t->node.window.h * t->node.window.w; }

static size_t params_of(const struct trial *t)
{
    if (t->node.ops != &LAYER_CONV)
        return 1;
    return t->node.out.c * (t->node.in[0].c / t->node.groups * taps_of(t) + 1);
}

/* The pictures: results and slopes around which everything is NaN, or what nobody must touch. */
static void pictures_draw(struct trial *t, struct rng *r)
{
    const struct shape in[2] = { t->node.in[0], t->node.in[1] }, out = t->node.out;
    const size_t P = t->k->panel;
    struct picture *const slopes[] = { &t->dx, &t->db };

    t->x = picture_new(r, P, t->n, in[0], t->thin ? THIN : WHOLE_PANELS, NAN);
    t->b = picture_new(r, P, t->n, in[1], WHOLE_PANELS, NAN);
    t->y = picture_new(r, P, t->n, out, WHOLE_PANELS, NAN);
    t->dy = picture_alike(&t->y, NAN);
    t->dx = picture_alike(&t->x, UNTOUCHED);
    t->db = picture_alike(&t->b, UNTOUCHED);
    for (size_t i = 0; i < 2; i++) {
        t->plain_x[i] = drawn(r, t->n * shape_size(in[i]));
        for (size_t j = 0; j < t->n * shape_size(in[i]) && t->kind >= ACTIVATE; j++)
            t->plain_x[i][j] *= 8; /* beyond the kinks of all activations */
        t->before_x[i] = drawn(r, t->n * shape_size(in[i]));
        t->truth_dx[i] = floats_new(t->n * shape_size(in[i]));
        picture_fill(i ? &t->b : &t->x, r, t->plain_x[i]);
        picture_fill(slopes[i], r, t->before_x[i]);
    }
    t->plain_y = floats_new(t->n * shape_size(out));
    t->plain_dy = drawn(r, t->n * shape_size(out));
    picture_fill(&t->dy, r, t->plain_dy);
    t->g = (struct geometry){ t->x.s,          t->y.s, t->node.window, t->x.v, t->y.v, t->b.v,
                              t->g.activation, LOW,    HIGH,           BELOW };
    if (t->spread)
        t->g.b.row = t->g.b.pixel = 0;
    if (t->kind == GLOBAL_MEAN)
        t->g.window = (struct window)WINDOW(t->g.in.h, t->g.in.w, 1, 0, 0);
}

/* A sum that ends with an activation: its result, and what is left of the slope before. */
static void end_with_activation(struct trial *t)
{
    for (size_t i = 0; i < t->n * shape_size(t->node.out); i++) {
        const float v = t->plain_y[i];

        if (t->g.activation != ACT_NONE && v < 0)
            t->plain_y[i] = t->plain_dy[i] = 0;
        if (t->g.activation == ACT_RELU6 && v > 6) {
            t->plain_y[i] = 6;
            t->plain_dy[i] = 0;
        }
    }
}

/* The layer's own result. */
static void truth_make(struct trial *t, struct rng *r)
{
    const float *const x[] = { t->plain_x[0], t->plain_x[1] };
    float *const dx[] = { t->truth_dx[0], t->truth_dx[1] };

    t->params = drawn(r, params_of(t));
    t->truth_dparams = floats_new(params_of(t));
    t->tape = malloc(t->n * t->node.tape_bytes + 1);
    t->node.ops->forward(&t->node, t->n, t->params, NULL, x, t->plain_y, t->tape);
    if (t->kind == ADD)
        end_with_activation(t);
    t->node.ops->backward(&t->node, t->n, t->params, NULL, x, t->tape, t->plain_dy, dx, t->truth_dparams);
    picture_fill(&t->y, r, t->plain_y);
}

static struct trial trial_new(const struct kernels *k, enum kind kind, struct rng *r)
{
    struct trial t = { .k = k, .kind = kind, .n = between(r, 1, 3) };
    struct slope_matrix m;

    t.g.activation = kind == ACTIVATE ? (enum activation)between(r, ACT_RELU, ACT_LEAKY_RELU) : ACT_NONE;
    if (kind == ADD)
        t.g.activation = (enum activation)between(r, ACT_NONE, ACT_RELU6);
    t.spread = kind == MULTIPLY && coin(r);
    t.thin = kind == CONVOLUTION && below(r, 4) == 0;
    node_draw(&t, r);
    pictures_draw(&t, r);
    truth_make(&t, r);
    m = slope_matrix_of(k->panel, &t.g);
    t.scratch = floats_new(convolution_scratch(&t.g) + filters_slope_scratch(&t.g) + winograd_scratch(&t.g) +
                           (1 << 18));
    if (kind == WINOGRAD) {
        const size_t size = WINOGRAD_POINTS * t.g.in.c * t.g.out.c;

        t.w = floats_new(2 * size);
        k->weights_transform(t.g.in.c, t.g.out.c, t.params, 0, t.g.in.c, t.w, t.w + size);
    }
    t.dw = floats_new(WINOGRAD_POINTS * t.g.in.c * t.g.out.c + m.runs * m.rows * t.g.out.c);
    t.dbias = floats_new(t.g.out.c);
    return t;
}

static void trial_release(struct trial *t)
{
    float *const blocks[] = {
        t->x.memory,    t->b.memory,      t->y.memory,    t->dy.memory,   t->dx.memory, t->db.memory,
        t->params,      t->plain_x[0],    t->plain_x[1],  t->plain_y,     t->plain_dy,  t->truth_dx[0],
        t->truth_dx[1], t->truth_dparams, t->before_x[0], t->before_x[1], t->scratch,   t->w,
        t->dw,          t->dbias
    };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
    free(t->tape);
}

static void describe(const struct trial *t, char *text, size_t size)
{
    const struct shape in = t->node.in[0], out = t->node.out;
    const struct window *k = &t->g.window;

    snprintf(text, size,
             "%s %s of %zu: %zux%zux%zu to %zux%zux%zu, window %zux%zu by %zux%zu in a border from %zu, %zu "
             "on, %zux%zu apart, %zu "
             "groups, activation %d%s%s",
             t->k->name, KINDS[t->kind], t->n, in.c, in.h, in.w, out.c, out.h, out.w, k->h, k->w, k->stride_h,
             k->stride_w, k->top, k->left, k->dilation_h, k->dilation_w, t->node.groups, t->g.activation,
             t->spread ? ", spread" : "", t->thin ? ", thin" : "");
}

/* ---- the kernels ---- */

/* The slope of a convolution's input, phase by phase. */
static void phases_run(struct trial *t)
{
    const size_t C = t->g.in.c, O = t->g.out.c, P = t->k->panel, each = t->kind == DEPTHWISE ? C : C * O;
    const struct filters f = { t->node.out.c, t->node.in[0].c, t->node.groups, taps_of(t) };
    float *w = floats_new(each * taps_of(t)), *zeros = floats_new(C);
    struct phase p = { 0 };

    while (phase_next(&t->g, &p)) {
        const struct operands o = { .x = t->dy.first + p.dy,
                                    .b = t->dx.first + p.dx,
                                    .y = t->dx.first + p.dx,
                                    .w = w + p.taps * each,
                                    .bias = zeros };

        cr_assert_leq(p.taps + p.g.window.h * p.g.window.w, taps_of(t));
        if (t->kind == DEPTHWISE) {
            filters_pack_phase_depthwise(P, &t->g, &p, t->node.out.c, t->params, w + p.taps * each);
            t->k->depthwise(&p.g, 0, t->n * p.g.out.h, &o, NULL);
        } else {
            filters_pack_phase(P, &t->g, &p, &f, t->params, w + p.taps * each);
            t->k->convolution(&p.g, 0, t->n * p.g.out.h * p.g.out.w, &o, t->scratch);
        }
    }
    free(w);
    free(zeros);
}

static slope_kernel *kernel_of(const struct trial *t)
{
    const struct kernels *k = t->k;
    slope_kernel *const all[] = { k->filters_slope,  k->winograd_slope,  k->depthwise_slope,
                                  k->max_pool_slope, k->mean_pool_slope, k->mean_pool_slope,
                                  k->multiply_slope, k->activate_slope,  k->add_slope };

    return all[t->kind];
}

static size_t units_of(const struct trial *t)
{
    if (t->kind == WINOGRAD)
        return t->n * ((t->g.out.h + 3) / 4) * ((t->g.out.w + 3) / 4);
    return t->n * t->g.out.h * (t->kind == CONVOLUTION ? t->g.out.w : 1);
}

/* All of it, the batch in two calls. */
static void trial_run(struct trial *t, struct rng *r)
{
    const size_t units = units_of(t), cut = below(r, units + 1);
    struct slopes s = { .x = t->x.first,
                        .y = t->y.first,
                        .b = t->b.first,
                        .dy = t->dy.first,
                        .dx = t->dx.first,
                        .dw = t->dw,
                        .dbias = t->node.bias ? t->dbias : NULL };
    struct geometry g = t->g;

    if (t->w)
        s.w = t->w + WINOGRAD_POINTS * g.in.c * g.out.c;
    kernel_of(t)(&g, 0, cut, &s, t->scratch);
    kernel_of(t)(&g, cut, units, &s, t->scratch);
    if ((t->kind == CONVOLUTION && !t->thin) || t->kind == DEPTHWISE)
        phases_run(t);
    if (t->kind != MULTIPLY && t->kind != ADD)
        return;
    s.b = t->x.first;
    s.dx = t->db.first;
    g.x = t->g.b;
    g.b = t->g.x;
    kernel_of(t)(&g, 0, units, &s, t->scratch);
}

/* ---- what comes out ---- */

/* A sum of K rounded products is off by about sqrt(K / 2) units of 2^-24. */
static double tolerance(size_t terms) { return 6 * sqrt((double)terms + 8) * 0x1p-24; }

static void check_picture(const struct trial *t, size_t i, const char *what)
{
    const struct picture *p = i ? &t->db : &t->dx;
    double error = 0, size = 1e-3;
    size_t at_plain = 0;

    for (size_t s = 0; s < t->n; s++)
        for (size_t c = 0; c < p->c; c++)
            for (size_t row = 0; row < p->s.h; row++)
                for (size_t column = 0; column < p->s.w; column++, at_plain++) {
                    const double before = (double)t->before_x[i][at_plain];
                    const double truth = (double)t->truth_dx[i][at_plain] + before;
                    const double off = (double)p->memory[at(p, s, c, row, column)] - truth;

                    error += off * off;
                    size += truth * truth;
                }
    cr_assert(sqrt(error) <=
                  (t->kind == WINOGRAD ? 20 : 1) * tolerance(taps_of(t) * t->node.out.c + 400) * sqrt(size),
              "%s: slope %zu off by %g", what, i, sqrt(error / size));
    cr_assert(untouched_around(p), "%s: slope %zu written outside", what, i);
}

/* Where kernels.h says that the weight's slope lies. */
static float weight_slope(const struct trial *t, size_t o, size_t c, size_t tap)
{
    const size_t P = t->k->panel, taps = taps_of(t), O = t->g.out.c;
    const size_t rows = t->thin ? (taps + P - 1) / P * P : t->g.in.c;

    if (t->kind == DEPTHWISE)
        return t->dw[(o / P * taps + tap) * P + o % P];
    if (t->thin)
        return t->dw[(o / P * rows + tap) * P + o % P];
    return t->dw[tap * rows * O + (o / P * rows + c) * P + o % P];
}

static void check_weights(const struct trial *t, const float *found, const char *what)
{
    const size_t C = t->node.in[0].c / t->node.groups, O = t->node.out.c, taps = taps_of(t);
    const float *truth = t->truth_dparams;
    double error = 0, size = 1e-3;

    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < C; c++)
            for (size_t tap = 0; tap < taps; tap++, truth++) {
                const double off =
                    (double)(found ? found[truth - t->truth_dparams]
                                   : weight_slope(t, o, o / (O / t->node.groups) * C + c, tap)) -
                    (double)*truth;

                error += off * off;
                size += (double)*truth * (double)*truth;
            }
    cr_assert(sqrt(error) <= (found ? 20 : 1) * tolerance(400) * sqrt(size), "%s: weights off by %g", what,
              sqrt(error / size));
    for (size_t o = 0; o < O && t->node.bias; o++)
        cr_assert_float_eq(t->dbias[o], truth[o], 1e-4, "%s: bias %zu", what, o);
}

/* Winograd's transforms lose one digit more. */
static void check_tiles(const struct trial *t, const char *what)
{
    const size_t C = t->g.in.c, O = t->g.out.c;
    float *found = floats_new(C * O * 9);

    t->k->gradient_transform(C, O, t->dw, 0, C, found);
    check_weights(t, found, what);
    free(found);
}

static void check_kind(const struct kernels *k, enum kind kind, size_t trials)
{
    for (size_t i = 0; i < trials; i++) {
        struct rng r;
        char what[300];
        struct trial t;

        rng_seed(&r, 23, i * 16 + kind);
        t = trial_new(k, kind, &r);
        describe(&t, what, sizeof what);
        trial_run(&t, &r);
        if (kind == WINOGRAD)
            check_tiles(&t, what);
        else if (t.node.ops == &LAYER_CONV)
            check_weights(&t, NULL, what);
        if (!t.thin)
            check_picture(&t, 0, what);
        if (kind == MULTIPLY || kind == ADD)
            check_picture(&t, 1, what);
        trial_release(&t);
    }
}

EACH_SET(graph_slopes, convolution_is_the_layer) { check_kind(k, CONVOLUTION, 150); }
EACH_SET(graph_slopes, winograd_is_the_layer) { check_kind(k, WINOGRAD, 40); }
EACH_SET(graph_slopes, depthwise_is_the_layer) { check_kind(k, DEPTHWISE, 150); }
EACH_SET(graph_slopes, max_pool_is_the_layer) { check_kind(k, MAX_POOL, 150); }
EACH_SET(graph_slopes, mean_pool_is_the_layer) { check_kind(k, MEAN_POOL, 150); }
EACH_SET(graph_slopes, global_mean_is_the_layer) { check_kind(k, GLOBAL_MEAN, 60); }
EACH_SET(graph_slopes, multiply_is_the_layer) { check_kind(k, MULTIPLY, 100); }
EACH_SET(graph_slopes, add_is_the_layer) { check_kind(k, ADD, 100); }
EACH_SET(graph_slopes, activate_is_the_layer) { check_kind(k, ACTIVATE, 100); }

/* Of equal cells the first one wins, as in the layer. */
EACH_SET(graph_slopes, first_of_equal_cells_wins)
{
    const size_t P = k->panel;
    const struct geometry g = { .in = { P, 2, 2 },
                                .out = { P, 1, 1 },
                                .window = WINDOW(2, 2, 2, 0, 0),
                                .x = { P, 2 * P, 4 * P, 4 * P },
                                .y = { P, P, P, P } };
    float *x = floats_new(4 * P), *y = floats_new(P), *dy = floats_new(P), *dx = floats_new(4 * P);
    const struct slopes s = { .x = x, .y = y, .dy = dy, .dx = dx };

    for (size_t c = 0; c < P; c++) {
        x[2 * P + c] = x[3 * P + c] = y[c] = 2;
        dy[c] = 1;
    }
    k->max_pool_slope(&g, 0, 1, &s, NULL);
    for (size_t c = 0; c < P; c++) {
        cr_assert_eq(dx[2 * P + c], 1);
        cr_assert_eq(dx[c] + dx[P + c] + dx[3 * P + c], 0);
    }
    free(x);
    free(y);
    free(dy);
    free(dx);
}
