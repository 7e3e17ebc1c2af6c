/* tests/unit/test_int12.c - Winograd in integers: the products of every instruction set are those of plain loops to the bit, the
 * filters are the nearest integers, blocks and steps are convolutions, and networks say the same, nearly. */
#define KERNEL_SETS "avx512vnni", "avx512", "avx2", "generic"

#include "cxrd/narrowing.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "each_set.h"
#include "leaks.h"
#include "model/core/floats.h"
#include "model/net/model_parts.h"
#include "tiny_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int32_t largest(size_t C) { return (int32_t)sqrt((double)INT32_MAX / (double)C); }

static void randomise(struct rng *rng, float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = rng_uniform(rng, -1, 1);
}

/* ---- products ---- */

static int32_t drawn(struct rng *rng, int32_t most, bool extreme)
{
    return extreme ? most : (int32_t)rng_below(rng, 2 * (uint64_t)most + 1) - most;
}

/* A row's word `i`, of channels i / VL * P + i % VL and VL further. */
static int32_t word(int32_t lower, int32_t upper)
{
    return (int32_t)(((uint32_t)lower & 0xffff) | ((uint32_t)upper << 16));
}

/* c [T x N] by the definition: [T][K] and [K][N] integers, summed in 64 bits. */
static float product(const int32_t *a, const int32_t *b, size_t K, size_t N, float a_scale, float b_scale)
{
    int64_t sum = 0;

    for (size_t k = 0; k < K; k++)
        sum += (int64_t)a[k] * b[k * N];
    cr_assert(llabs(sum) <= INT32_MAX);
    return (float)sum * b_scale * a_scale;
}

static void check_products(const struct kernels *k, size_t T, size_t K, size_t N, bool extreme)
{
    const size_t P = k->panel, VL = P / 2;
    int32_t *a = malloc(T * K * sizeof *a), *b = malloc(K * N * sizeof *b);
    int32_t *a_words = (int32_t *)(void *)floats_new(T * K / 2),
            *b_words = (int32_t *)(void *)floats_new(K * N / 2);
    float *a_scale = floats_new(T), *b_scale = floats_new(N), *c = floats_new(T * N);
    struct rng rng;

    rng_seed(&rng, T, K * 1000 + N);
    randomise(&rng, a_scale, T);
    randomise(&rng, b_scale, N);
    for (size_t i = 0; i < T * K; i++)
        a[i] = drawn(&rng, largest(K), extreme);
    for (size_t i = 0; i < K * N; i++)
        b[i] = extreme ? -largest(K) : drawn(&rng, largest(K), false);
    for (size_t i = 0; i < K / 2; i++) {
        const size_t channel = i / VL * P + i % VL;

        for (size_t t = 0; t < T; t++)
            a_words[(i / VL * T + t) * VL + i % VL] = word(a[t * K + channel], a[t * K + channel + VL]);
        for (size_t n = 0; n < N; n++)
            b_words[(n / P * (K / 2) + i) * P + n % P] = word(b[channel * N + n], b[(channel + VL) * N + n]);
    }
    k->int12_products(T, K, N, a_words, b_words, a_scale, b_scale, c);
    for (size_t t = 0; t < T; t++)
        for (size_t n = 0; n < N; n++) {
            const float want = product(a + t * K, b + n, K, N, a_scale[t], b_scale[n]);

            cr_assert_eq(c[(n / P * T + t) * P + n % P], want, "%zu x %zu x %zu at %zu, %zu: %a, not %a", T,
                         K, N, t, n, (double)c[(n / P * T + t) * P + n % P], (double)want);
        }
    free(a);
    free(b);
    free(a_words);
    free(b_words);
    free(a_scale);
    free(b_scale);
    free(c);
}

EACH_SET(int12, products_are_those_of_plain_loops_to_the_bit)
{
    for (size_t T = 1; T <= 17; T++)
        check_products(k, T, k->panel * (1 + T % 3), k->panel * (1 + T % 2), false);
    check_products(k, 64, 4 * k->panel, 2 * k->panel, false);
    check_products(k, 9, INT12_CHANNELS, k->panel, true); /* the longest sum of the largest integers */
    check_products(k, 9, 2 * k->panel, k->panel, true);
}

/* ---- filters ---- */

/* G of Lavin & Gray. */
static const double G[6][3] = { { 1.0 / 4, 0, 0 },
                                { -1.0 / 6, -1.0 / 6, -1.0 / 6 },
                                { -1.0 / 6, 1.0 / 6, -1.0 / 6 },
                                { 1.0 / 24, 1.0 / 12, 1.0 / 6 },
                                { 1.0 / 24, -1.0 / 12, 1.0 / 6 },
                                { 0, 0, 1 } };

static double transformed(const float *w, size_t p)
{
    double sum = 0;

    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            sum += G[p / 6][i] * G[p % 6][j] * (double)w[i * 3 + j];
    return sum;
}

/* The integer of input channel c and result o in a matrix of words. */
static int32_t integer_at(const int32_t *words, size_t P, size_t C, size_t c, size_t o)
{
    const size_t VL = P / 2, i = c / P * VL + c % VL;
    const int32_t both = words[(o / P * (C / 2) + i) * P + o % P];

    return c % P < VL ? (int16_t)(both & 0xffff) : both >> 16;
}

static void check_filters(const struct kernels *k, size_t C, size_t O, bool scaled)
{
    float *w = floats_new(C * O * 9), *scale = floats_new(O), *scales = floats_new(WINOGRAD_POINTS * O);
    int32_t *words = (int32_t *)(void *)floats_new(WINOGRAD_POINTS * C * O / 2);
    struct rng rng;

    rng_seed(&rng, 3, C * O);
    randomise(&rng, w, C * O * 9);
    for (size_t o = 0; o < O; o++)
        scale[o] = scaled ? (float)(o + 1) : 1;
    memset(w + 9 * C, 0, 9 * C * sizeof *w); /* a result of nothing but zeros */
    k->int12_weights(C, O, w, scaled ? scale : NULL, words, scales);
    for (size_t p = 0; p < WINOGRAD_POINTS; p++)
        for (size_t o = 0; o < O; o++) {
            const double unit = (double)scales[p * O + o];
            int32_t most = 0;

            for (size_t c = 0; c < C; c++) {
                const int32_t v = integer_at(words + p * C * O / 2, k->panel, C, c, o);
                const double u = transformed(w + (o * C + c) * 9, p) * (double)scale[o];

                cr_assert(fabs(v * unit - u) <= 0.51 * unit, "point %zu, %zu to %zu: %d units of %g for %g",
                          p, c, o, v, unit, u);
                most = abs(v) > most ? abs(v) : most;
            }
            cr_assert_eq(most, o == 1 ? 0 : largest(C));
        }
    free(w);
    free(scale);
    free(scales);
    free(words);
}

EACH_SET(int12, filters_are_the_nearest_integers)
{
    check_filters(k, k->panel, 2 * k->panel, false);
    check_filters(k, 3 * k->panel, k->panel, true);
}

/* ---- a step, and a block ---- */

struct subject {
    const struct kernels *k;
    struct geometry g;
    size_t n;
    float *x, *w, *bias, *y, *scales, *scratch;
    int32_t *words;
};

static struct view panels(struct shape s, size_t P)
{
    return (struct view){ P, s.w * P, s.h * s.w * P, shape_size(s) };
}

static struct subject subject_new(const struct kernels *k, size_t n, size_t h, size_t w)
{
    const size_t P = k->panel;
    struct subject s = { .k = k, .n = n };
    struct rng rng;

    s.g = (struct geometry){ .in = { 2 * P, h, w }, .out = { P, h, w }, .window = WINDOW(3, 3, 1, 1, 1) };
    s.g.x = panels(s.g.in, P);
    s.g.y = panels(s.g.out, P);
    s.x = floats_new(n * shape_size(s.g.in));
    s.y = floats_new(n * shape_size(s.g.out));
    s.w = floats_new(9 * s.g.in.c * s.g.out.c);
    s.bias = floats_new(s.g.out.c);
    s.words = (int32_t *)(void *)floats_new(WINOGRAD_POINTS * s.g.in.c * s.g.out.c / 2);
    s.scales = floats_new(WINOGRAD_POINTS * s.g.out.c);
    s.scratch = floats_new(winograd_scratch(&s.g));
    rng_seed(&rng, 8, h * w);
    randomise(&rng, s.x, n * shape_size(s.g.in));
    randomise(&rng, s.w, 9 * s.g.in.c * s.g.out.c);
    randomise(&rng, s.bias, s.g.out.c);
    k->int12_weights(s.g.in.c, s.g.out.c, s.w, NULL, s.words, s.scales);
    return s;
}

static void subject_release(struct subject *s)
{
    float *const blocks[] = { s->x, s->w, s->bias, s->y, s->scales, s->scratch };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
    free(s->words);
}

static size_t tiles_of(const struct subject *s)
{
    return s->n * ((s->g.out.h + 3) / 4) * ((s->g.out.w + 3) / 4);
}

static void run(struct subject *s, size_t begin, size_t end)
{
    const struct operands o = {
        .x = s->x, .bias = s->bias, .y = s->y, .int12 = { s->words, s->scales, s->k->int12_products }
    };

    s->k->winograd_int12(&s->g, begin, end, &o, s->scratch);
}

static size_t at(const struct view *v, size_t P, size_t image, size_t c, size_t i, size_t j)
{
    return image * v->image + c / P * v->panel + i * v->row + j * v->pixel + c % P;
}

static double convolved(const struct subject *s, size_t image, size_t o, size_t i, size_t j)
{
    const size_t C = s->g.in.c;
    double sum = (double)s->bias[o];

    for (size_t c = 0; c < C; c++)
        for (size_t tap = 0; tap < 9; tap++) {
            const size_t row = i + tap / 3 - 1, column = j + tap % 3 - 1; /* wrap above 0 */

            if (row < s->g.in.h && column < s->g.in.w)
                sum += (double)s->w[(o * C + c) * 9 + tap] *
                       (double)s->x[at(&s->g.x, s->k->panel, image, c, row, column)];
        }
    return sum;
}

EACH_SET(int12, step_is_a_convolution)
{
    static const size_t SIDES[][2] = { { 1, 1 }, { 3, 5 }, { 4, 4 }, { 7, 10 }, { 13, 6 } };

    for (size_t i = 0; i < sizeof SIDES / sizeof SIDES[0]; i++) {
        struct subject s = subject_new(k, 2, SIDES[i][0], SIDES[i][1]);
        double gap = 0, most = 0;

        run(&s, 0, tiles_of(&s));
        for (size_t image = 0; image < s.n; image++)
            for (size_t o = 0; o < s.g.out.c; o++)
                for (size_t p = 0; p < s.g.out.h * s.g.out.w; p++) {
                    const double want = convolved(&s, image, o, p / s.g.out.w, p % s.g.out.w);
                    const float y = s.y[at(&s.g.y, k->panel, image, o, p / s.g.out.w, p % s.g.out.w)];

                    gap = fmax(gap, fabs(want - (double)y));
                    most = fmax(most, fabs(want));
                }
        cr_assert_leq(gap, 1e-2 * most, "%zu x %zu: %g of %g", SIDES[i][0], SIDES[i][1], gap, most);
        cr_assert_gt(gap, 0);
        subject_release(&s);
    }
}

EACH_SET(int12, result_does_not_depend_on_how_tiles_are_shared_out)
{
    struct subject s = subject_new(k, 3, 37, 30);
    const size_t size = s.n * shape_size(s.g.out), tiles = tiles_of(&s);
    float *once = floats_new(size);

    run(&s, 0, tiles);
    memcpy(once, s.y, size * sizeof *once);
    for (size_t step = 1; step < 70; step += 23) {
        memset(s.y, 0, size * sizeof *s.y);
        for (size_t i = 0; i < tiles; i += step)
            run(&s, i, i + step < tiles ? i + step : tiles);
        cr_assert_arr_eq(s.y, once, size * sizeof *once);
    }
    free(once);
    subject_release(&s);
}

EACH_SET(int12, neither_nan_nor_infinity_is_lost_and_zeros_stay)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };
    struct subject s = subject_new(k, 1, 8, 8);
    const size_t size = shape_size(s.g.in), centre = at(&s.g.x, k->panel, 0, k->panel + 1, 2, 5);

    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const float was = s.x[centre];
        const float *y = s.y + at(&s.g.y, k->panel, 0, 3, 2, 5);

        s.x[centre] = BAD[i];
        run(&s, 0, tiles_of(&s));
        cr_assert_not(isfinite(*y), "%g gave %g", (double)BAD[i], (double)*y);
        s.x[centre] = was;
    }
    memset(s.x, 0, size * sizeof *s.x);
    run(&s, 0, tiles_of(&s));
    for (size_t i = 0; i < shape_size(s.g.out); i++)
        cr_assert_eq(s.y[i], s.bias[i % k->panel]);
    subject_release(&s);
}

/* ---- networks ---- */

static struct model *narrowed(const struct model *m)
{
    struct model *narrow;

    cr_assert_eq(model_in_precision(m, PRECISION_INT12, &narrow, NULL), ST_OK);
    return narrow;
}

/* Logits of `n` pictures, one picture after the other but the first `together`. */
static void logits_of(const struct model *m, size_t n, size_t together, const float *x, float *ret)
{
    const size_t plane = model_preprocess(m)->size * model_preprocess(m)->size;
    struct session *s;

    cr_assert_eq(session_new(&s), ST_OK);
    for (size_t i = 0; i < n; i += together)
        cr_assert_eq(session_run(s, m, together, x + i * plane, ret + i * N_NIH_LABELS), ST_OK);
    session_free(s);
}

TEST_WITHOUT_LEAKS(int12, network_says_nearly_the_same_whatever_is_beside_a_picture)
{
    struct model *models[] = { tiny_model(1, 1, NULL), tiny_model_with_norms(1) };
    enum { N = 4, PLANE = 64 * 64 };
    float *x = floats_new(N * PLANE);
    struct rng rng;

    rng_seed(&rng, 2, 2);
    for (size_t i = 0; i < N * PLANE; i++)
        x[i] = rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < 2; i++) {
        struct model *narrow = narrowed(models[i]);
        float wide[N * N_NIH_LABELS], alone[N * N_NIH_LABELS], together[N * N_NIH_LABELS];
        double gap = 0;

        cr_assert_eq(model_precision(narrow), PRECISION_INT12);
        logits_of(models[i], N, 2, x, wide);
        logits_of(narrow, N, 1, x, alone);
        logits_of(narrow, N, 4, x, together);
        cr_assert_arr_eq(alone, together, sizeof alone);
        for (size_t k = 0; k < N * N_NIH_LABELS; k++)
            gap = fmax(gap, fabs((double)wide[k] - (double)alone[k]));
        cr_assert_lt(gap, 2e-3);
        if (i == 0) /* MobileNetV2 has no 3x3 over channels */
            cr_assert_gt(gap, 0);
        model_unref(narrow);
        model_unref(models[i]);
    }
    free(x);
}

TEST_WITHOUT_LEAKS(int12, every_3x3_of_many_channels_is_in_integers)
{
    static const struct {
        const char *name;
        size_t narrow;
    } CASES[] = { { "cnn4", 3 }, { "mlp", 0 }, { "densenet121", 58 }, { "mobilenet_v2", 0 } };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct network *net;
        struct plan *p;
        size_t narrow = 0;

        cr_assert_eq(network_new(&(struct network_spec){ CASES[i].name, 64, N_NIH_LABELS, 0 }, &net, NULL),
                     ST_OK);
        cr_assert_eq(plan_new(net, kernels(), FOR_INFERENCE, PRECISION_INT12, &p), ST_OK);
        for (size_t k = 0; k < p->n_ops; k++)
            narrow += p->ops[k].kind == &OP_WINOGRAD_INT12 || p->ops[k].kind == &OP_TILES_INT12;
        cr_assert_eq(narrow, CASES[i].narrow, "%s: %zu", CASES[i].name, narrow);
        plan_free(p);
        network_unref(net);
    }
}

static size_t offset_of(const struct network *net, const char *name)
{
    for (size_t i = 0; i < net->n_tensors; i++)
        if (strcmp(net->tensors[i].name, name) == 0)
            return net->tensors[i].offset;
    cr_assert(false, "no tensor '%s'", name);
    return 0;
}

/* Integers cannot follow it: nobody reads the first channel, and beside it all others are next to nothing. */
static struct model *uneven(const struct model *m)
{
    const struct network *net = model_network(m);
    float *params = malloc(net->n_params * sizeof *params);
    struct model *ret;

    memcpy(params, model_params(m), net->n_params * sizeof *params);
    params[offset_of(net, "conv1.bias")] = 1e6f;
    for (size_t o = 0; o < 64; o++)
        memset(params + offset_of(net, "conv2.weight") + o * 32 * 9, 0, 9 * sizeof *params);
    cr_assert_eq(model_new(net, model_labels(m), model_preprocess(m), params, NULL, &ret, NULL), ST_OK);
    free(params);
    return ret;
}

TEST_WITHOUT_LEAKS(int12, model_is_narrowed_only_where_nobody_sees_it)
{
    struct model *plain = tiny_model(4, 1, NULL), *bad = uneven(plain), *before = bad;
    struct error err = { 0 };

    cr_assert_eq(model_narrow(&plain, PRECISION_FLOAT32, &err), ST_OK);
    cr_assert_eq(model_precision(plain), PRECISION_FLOAT32);
    cr_assert_eq(model_narrow(&plain, PRECISION_INT12, &err), ST_OK, "%s", err.text);
    cr_assert_eq(model_precision(plain), PRECISION_INT12);
    cr_assert_eq(model_narrow(&bad, PRECISION_INT12, &err), ST_UNUSABLE);
    cr_assert_not_null(strstr(err.text, "in int12 a probability of this model moves by 0.0"), "%s", err.text);
    cr_assert_eq(bad, before);
    cr_assert_eq(model_precision(bad), PRECISION_FLOAT32);
    model_unref(plain);
    model_unref(bad);
}
