/* tests/unit/test_layers_kinds.c - what each layer kind does, by hand, and what it cannot take. */
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
        cr_assert_eq(p.y[i], y[i], "%s: y[%zu] is %g, not %g", probe_describe(&p), i, (double)p.y[i],
                     (double)y[i]);
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
            cr_assert(any_nan(p.y, p.ny), "%s loses a NaN in place %zu", probe_describe(&p), place);
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
