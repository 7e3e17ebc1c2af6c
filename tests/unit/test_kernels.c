/* tests/unit/test_kernels.c - the kernels of every instruction set against the layers' plain loops, on odd sizes: what
 * they compute, that it does not depend on how tiles are shared out, and that no NaN is lost on the way. */
#include "cxrd/rng.h"
#include "each_set.h"
#include "model/core/floats.h"
#include "model/kernels/kernels.h"
#include "model/net/layer.h"
#include "support.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one block and its surroundings ---- */

struct bench {
    const struct kernels *k;
    struct block b;
    size_t n, pooled; /* images; pooled cells by channels of one */
    struct node conv;
    float *w, *bias;        /* [O][C][3][3], [O] */
    float *x, *y, *dx, *dy; /* in the kernels' layout */
    float *plain_x;         /* [n][C][h][w] */
    float *plain_dy;        /* [n][O][h/2][w/2] */
    float *u, *ut, *du, *dbias, *scratch;
    uint8_t *won;
};

static void randomise(struct rng *rng, float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = rng_uniform(rng, -1, 1);
}

static size_t x_at(const struct bench *t, size_t image, size_t c, size_t i, size_t j)
{
    return image * t->b.x_size + (i + 1) * t->b.x_row + (j + 1) * t->b.in_c + c;
}

static size_t y_at(const struct bench *t, size_t image, size_t o, size_t i, size_t j)
{
    return image * t->b.y_size + block_y_origin(&t->b) + i * t->b.y_row + j * t->b.out_c + o;
}

static struct block block_of(size_t h, size_t w, size_t C, size_t O)
{
    struct block b = {
        .h = h, .w = w, .in_c = C, .out_c = O, .tiles_y = (h + 3) / 4, .tiles_x = (w + 3) / 4
    };

    b.x_row = (b.tiles_x * 4 + 2) * C;
    b.x_size = (b.tiles_y * 4 + 2) * b.x_row;
    b.y_border = 1;
    b.y_row = (w / 2 + 2) * O;
    b.y_size = (h / 2 + 2) * b.y_row;
    return b;
}

static struct bench bench_new(const struct kernels *k, size_t n, size_t h, size_t w, size_t C, size_t O)
{
    struct bench t = { .k = k, .b = block_of(h, w, C, O), .n = n, .pooled = h / 2 * (w / 2) * O };
    struct described tensors[LAYER_MAX_TENSORS];
    size_t n_tensors;
    struct rng rng;

    t.conv = (struct node){ .ops = &LAYER_CONV,
                            .channels = O,
                            .window = WINDOW(3, 3, 1, 1, 1),
                            .bias = true,
                            .in = { { C, h, w } } };
    cr_assert_null(LAYER_CONV.shape(&t.conv, tensors, &n_tensors));
    t.w = floats_new(9 * C * O + O);
    t.bias = floats_new(O);
    t.x = floats_new(n * t.b.x_size);
    t.dx = floats_new(n * t.b.x_size);
    t.y = floats_new(n * t.b.y_size);
    t.dy = floats_new(n * t.b.y_size);
    t.plain_x = floats_new(n * C * h * w);
    t.plain_dy = floats_new(n * t.pooled);
    t.u = floats_new(WINOGRAD_POINTS * C * O);
    t.ut = floats_new(WINOGRAD_POINTS * C * O);
    t.du = floats_new(WINOGRAD_POINTS * C * O);
    t.dbias = floats_new(O);
    t.scratch = floats_new(block_scratch(&t.b));
    t.won = calloc(n * t.pooled, 1);
    rng_seed(&rng, 5, h * w + C);
    randomise(&rng, t.plain_x, n * C * h * w);
    randomise(&rng, t.plain_dy, n * t.pooled);
    randomise(&rng, t.w, 9 * C * O + O); /* the bias lies behind the weights, as the layer wants it */
    memcpy(t.bias, t.w + 9 * C * O, O * sizeof(float));
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < h; i++)
            for (size_t j = 0; j < w; j++)
                for (size_t c = 0; c < C; c++)
                    t.x[x_at(&t, s, c, i, j)] = t.plain_x[((s * C + c) * h + i) * w + j];
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < h / 2; i++)
            for (size_t j = 0; j < w / 2; j++)
                for (size_t o = 0; o < O; o++)
                    t.dy[y_at(&t, s, o, i, j)] = t.plain_dy[((s * O + o) * (h / 2) + i) * (w / 2) + j];
    return t;
}

static void bench_release(struct bench *t)
{
    float *const blocks[] = { t->w,        t->bias, t->x,  t->dx, t->y,     t->dy,     t->plain_x,
                              t->plain_dy, t->u,    t->ut, t->du, t->dbias, t->scratch };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
    free(t->won);
}

/* ---- the truth, by the layers ---- */

/* The convolution's result [n][O][h][w]; free() it. */
static float *convolved(const struct bench *t)
{
    float *y = floats_new(t->n * shape_size(t->conv.out));

    LAYER_CONV.forward(&t->conv, t->n, t->w, NULL, (const float *[]){ t->plain_x }, y, NULL);
    return y;
}

static uint8_t winner_of(const struct bench *t, const float *conv, size_t s, size_t o, size_t i, size_t j,
                         float *ret_value)
{
    const size_t h = t->b.h, w = t->b.w;
    const float *q = conv + ((s * t->b.out_c + o) * h + 2 * i) * w + 2 * j;
    const float v[4] = { q[0], q[1], q[w], q[w + 1] };
    uint8_t best = 0;

    for (uint8_t k = 1; k < 4; k++)
        if (v[k] > v[best])
            best = k;
    *ret_value = v[best] > 0 ? v[best] : 0;
    return v[best] > 0 ? best : NO_WINNER;
}

static size_t won_at(const struct bench *t, size_t s, size_t o, size_t i, size_t j)
{
    return s * t->pooled + (i * (t->b.w / 2) + j) * t->b.out_c + o;
}

/* Relative L2 error. */
struct error_sum {
    double error, size;
};

static void error_add(struct error_sum *e, float got, float expected)
{
    e->error += ((double)got - (double)expected) * ((double)got - (double)expected);
    e->size += (double)expected * (double)expected;
}

static void check_error(const struct error_sum *e, double tolerance, const struct bench *t, const char *what)
{
    cr_assert(sqrt(e->error) <= tolerance * sqrt(e->size), "%s, %zux%zu, %zu to %zu: %s is off by %g",
              t->k->name, t->b.h, t->b.w, t->b.in_c, t->b.out_c, what, sqrt(e->error / e->size));
}

/* Pooled results, and the winners: another one only where two results are as good as equal. */
static void check_forward(const struct bench *t)
{
    float *conv = convolved(t);
    struct error_sum e = { 0 };
    size_t others = 0;

    for (size_t s = 0; s < t->n; s++)
        for (size_t i = 0; i < t->b.h / 2; i++)
            for (size_t j = 0; j < t->b.w / 2; j++)
                for (size_t o = 0; o < t->b.out_c; o++) {
                    float value;
                    const uint8_t winner = winner_of(t, conv, s, o, i, j, &value);

                    error_add(&e, t->y[y_at(t, s, o, i, j)], value);
                    others += winner != t->won[won_at(t, s, o, i, j)];
                }
    check_error(&e, 1e-5, t, "the result");
    cr_assert_leq(others, t->n * t->pooled / 1000, "%s: %zu other winners", t->k->name, others);
    free(conv);
}

/* The layer's gradients for the slopes that the kernels' own winners pass on: the same inputs, the same masks. */
static void check_backward(const struct bench *t, const float *dw)
{
    const size_t h = t->b.h, w = t->b.w, C = t->b.in_c, O = t->b.out_c;
    float *slope = floats_new(t->n * O * h * w), *dx = floats_new(t->n * C * h * w);
    float *dparams = floats_new(9 * C * O + O);
    struct error_sum e_w = { 0 }, e_b = { 0 }, e_x = { 0 };

    for (size_t s = 0; s < t->n; s++)
        for (size_t i = 0; i < h / 2; i++)
            for (size_t j = 0; j < w / 2; j++)
                for (size_t o = 0; o < O; o++) {
                    const uint8_t k = t->won[won_at(t, s, o, i, j)];

                    if (k != NO_WINNER)
                        slope[((s * O + o) * h + 2 * i + k / 2) * w + 2 * j + k % 2] =
                            t->dy[y_at(t, s, o, i, j)];
                }
    LAYER_CONV.backward(&t->conv, t->n, t->w, NULL, (const float *[]){ t->plain_x }, NULL, slope,
                        (float *[]){ dx }, dparams);
    for (size_t i = 0; i < 9 * C * O; i++)
        error_add(&e_w, dw[i], dparams[i]);
    for (size_t o = 0; o < O; o++)
        error_add(&e_b, t->dbias[o], dparams[9 * C * O + o]);
    for (size_t s = 0; s < t->n && C > 1; s++) /* nobody asks the first block for dx */
        for (size_t c = 0; c < C; c++)
            for (size_t i = 0; i < h; i++)
                for (size_t j = 0; j < w; j++)
                    error_add(&e_x, t->dx[x_at(t, s, c, i, j)], dx[((s * C + c) * h + i) * w + j]);
    check_error(&e_w, 1e-5, t, "dw");
    check_error(&e_b, 1e-5, t, "dbias");
    check_error(&e_x, 1e-5, t, "dx");
    free(slope);
    free(dx);
    free(dparams);
}

/* ---- Winograd blocks ---- */

static void run_forward(struct bench *t, size_t at_once)
{
    const size_t tiles = t->n * t->b.tiles_y * t->b.tiles_x;

    t->k->weights_transform(t->b.in_c, t->b.out_c, t->w, 0, t->b.in_c, t->u, t->ut);
    for (size_t i = 0; i < tiles; i += at_once)
        t->k->block_forward(&t->b, i, i + at_once < tiles ? i + at_once : tiles, t->x, t->u, t->bias, t->y,
                            t->won, t->scratch);
}

static void run_backward(struct bench *t, size_t at_once)
{
    const size_t tiles = t->n * t->b.tiles_y * t->b.tiles_x;

    for (size_t i = 0; i < tiles; i += at_once)
        t->k->block_backward(&t->b, i, i + at_once < tiles ? i + at_once : tiles, t->x, t->ut, t->dy, t->won,
                             t->du, t->dbias, t->dx, t->scratch);
}

/* Images, rows, columns, channels in and out; tiles at once. Sides that are no multiple of a tile, one pooled cell,
 * tiles of several images in one call, and calls that end in the middle of a register tile. */
static const size_t SHAPES[][6] = { { 1, 2, 2, 32, 32, 64 },   { 2, 6, 10, 32, 64, 64 },
                                    { 1, 14, 18, 64, 32, 7 },  { 3, 8, 8, 96, 32, 5 },
                                    { 1, 10, 6, 32, 96, 1 },   { 2, 12, 4, 64, 64, 3 },
                                    { 1, 34, 30, 32, 32, 64 }, { 5, 4, 4, 128, 32, 64 } };
enum { N_SHAPES = sizeof SHAPES / sizeof SHAPES[0] };

EACH_SET(winograd, block_is_convolution_relu_and_pooling)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        const size_t *s = SHAPES[i];
        struct bench t = bench_new(k, s[0], s[1], s[2], s[3], s[4]);

        run_forward(&t, s[5]);
        check_forward(&t);
        bench_release(&t);
    }
}

EACH_SET(winograd, gradients_are_those_of_the_layer_on_the_same_masks)
{
    for (size_t i = 0; i < N_SHAPES; i++) {
        const size_t *s = SHAPES[i];
        struct bench t = bench_new(k, s[0], s[1], s[2], s[3], s[4]);
        float *dw = floats_new(9 * s[3] * s[4]);

        run_forward(&t, s[5]);
        run_backward(&t, s[5]);
        k->gradient_transform(s[3], s[4], t.du, 0, s[3], dw);
        check_backward(&t, dw);
        free(dw);
        bench_release(&t);
    }
}

/* The reason why one image over many threads has the bits of one thread. */
EACH_SET(winograd, result_does_not_depend_on_how_tiles_are_shared_out)
{
    struct bench t = bench_new(k, 2, 14, 18, 32, 64), other = bench_new(k, 2, 14, 18, 32, 64);

    run_forward(&t, TILE_BLOCK);
    for (size_t at_once = 1; at_once < 12; at_once++) {
        memset(other.y, 0, other.n * other.b.y_size * sizeof(float));
        run_forward(&other, at_once);
        cr_assert_eq(memcmp(t.y, other.y, t.n * t.b.y_size * sizeof(float)), 0, "%s: %zu tiles at once",
                     k->name, at_once);
        cr_assert_eq(memcmp(t.won, other.won, t.n * t.pooled), 0);
    }
    bench_release(&t);
    bench_release(&other);
}

/* The border belongs to the next block's padding: it must stay 0. */
EACH_SET(winograd, nothing_is_written_outside_the_picture)
{
    struct bench t = bench_new(k, 2, 10, 14, 32, 32);
    size_t touched = 0, inside = 0;

    run_forward(&t, TILE_BLOCK);
    for (size_t i = 0; i < t.n * t.b.y_size; i++)
        touched += t.y[i] != 0;
    for (size_t s = 0; s < t.n; s++)
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 7; j++)
                for (size_t o = 0; o < 32; o++)
                    inside += t.y[y_at(&t, s, o, i, j)] != 0;
    cr_assert_gt(inside, 0);
    cr_assert_eq(touched, inside);
    bench_release(&t);
}

/* ---- the first block ---- */

static const size_t FIRST_SHAPES[][2] = { { 2, 2 }, { 2, 6 }, { 10, 4 }, { 16, 16 }, { 34, 18 } };

static void first_weights(const struct bench *t, float *w)
{
    for (size_t o = 0; o < t->b.out_c; o++)
        for (size_t tap = 0; tap < 9; tap++)
            w[tap * t->b.out_c + o] = t->w[o * 9 + tap];
}

EACH_SET(first, block_and_gradients_are_those_of_the_layer)
{
    for (size_t i = 0; i < sizeof FIRST_SHAPES / sizeof FIRST_SHAPES[0]; i++) {
        struct bench t = bench_new(k, 1, FIRST_SHAPES[i][0], FIRST_SHAPES[i][1], 1, 64);
        float *w = floats_new(9 * 64), *dw = floats_new(9 * 64), *plain = floats_new(9 * 64);
        const size_t rows = t.b.h / 2, middle = rows / 2;

        first_weights(&t, w);
        k->first_forward(&t.b, 0, middle, t.x, w, t.bias, t.y, t.won);
        k->first_forward(&t.b, middle, rows, t.x, w, t.bias, t.y, t.won);
        check_forward(&t);
        k->first_backward(&t.b, 0, middle, t.x, t.dy, t.won, dw, t.dbias);
        k->first_backward(&t.b, middle, rows, t.x, t.dy, t.won, dw, t.dbias);
        for (size_t o = 0; o < 64; o++)
            for (size_t tap = 0; tap < 9; tap++)
                plain[o * 9 + tap] = dw[tap * 64 + o];
        check_backward(&t, plain);
        free(w);
        free(dw);
        free(plain);
        bench_release(&t);
    }
}

/* ---- NaN and infinity ---- */

static bool finite_all(const struct bench *t)
{
    for (size_t i = 0; i < t->n * t->b.y_size; i++)
        if (!isfinite(t->y[i]))
            return false;
    return true;
}

EACH_SET(kernels, not_a_number_and_infinity_reach_the_result)
{
    static const float BAD[] = { NAN, INFINITY, -INFINITY };

    for (size_t i = 0; i < 3; i++) {
        struct bench t = bench_new(k, 1, 8, 8, 32, 32), first = bench_new(k, 1, 8, 8, 1, 32);
        float *w = floats_new(9 * 32);

        run_forward(&t, TILE_BLOCK);
        cr_assert(finite_all(&t));
        t.x[x_at(&t, 0, 5, 3, 3)] = BAD[i];
        run_forward(&t, TILE_BLOCK);
        cr_assert_not(finite_all(&t), "%s loses %g", k->name, (double)BAD[i]);
        first_weights(&first, w);
        first.x[x_at(&first, 0, 0, 3, 3)] = BAD[i];
        k->first_forward(&first.b, 0, 4, first.x, w, first.bias, first.y, NULL);
        cr_assert_not(finite_all(&first), "%s loses %g in the first block", k->name, (double)BAD[i]);
        free(w);
        bench_release(&t);
        bench_release(&first);
    }
}

/* ---- the head ---- */

enum { HEAD_SIZE = 3 * HEAD_VECTOR, HEAD_ROW = HEAD_SIZE + HEAD_VECTOR };

static void check_head_sums(const struct kernels *k, size_t n, size_t outputs, const float *x, const float *w,
                            float *sums)
{
    memset(sums, 0x7f, n * outputs * sizeof *sums); /* overwritten, not added to */
    k->head_sums(n, outputs, HEAD_SIZE, x, w, HEAD_ROW, sums);
    for (size_t i = 0; i < n * outputs; i++) {
        double sum = 0;

        for (size_t f = 0; f < HEAD_SIZE; f++)
            sum += (double)x[i / outputs * HEAD_ROW + f] * (double)w[i % outputs * HEAD_ROW + f];
        cr_assert_float_eq((double)sums[i], sum, 1e-5, "%s, %zu pictures, %zu outputs, sum %zu: %g, not %g",
                           k->name, n, outputs, i, (double)sums[i], sum);
    }
}

EACH_SET(head, sums_are_those_of_the_definition)
{
    enum { N = 5, MOST = 64 };
    static const size_t OUTPUTS[] = { 1, 2, 3, 5, 14, 63, MOST };
    float *x = floats_new(N * HEAD_ROW), *w = floats_new(MOST * HEAD_ROW), sums[N * MOST];
    struct rng rng;

    rng_seed(&rng, 8, 1);
    randomise(&rng, x, N * HEAD_ROW);
    randomise(&rng, w, MOST * HEAD_ROW);
    for (size_t i = 0; i < sizeof OUTPUTS / sizeof OUTPUTS[0] * N; i++)
        check_head_sums(k, i % N + 1, OUTPUTS[i / N], x, w, sums);
    free(x);
    free(w);
}

Test(kernels, that_are_not_there_are_not_found)
{
    cr_assert_null(kernels_named("sse9"));
    cr_assert_not_null(kernels_named("generic"));
    cr_assert_not_null(kernels());
}
