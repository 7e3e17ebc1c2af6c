/* tests/unit/test_optimiser.c - groups of parameters that move alike, the norm of a gradient, and the average of weights: by the
 * plain loops, at sizes that no stretch divides, and the same bits for any number of threads. */
#include "cxrd/pool.h"
#include "cxrd/rng.h"
#include "cxrd/training.h"
#include "double_net.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(optimiser, .fini = check_no_leaks);

static const size_t SIZES[] = { 1, 7, 63, 64, 65, 129, 1001, 100003 };
enum { N_SIZES = sizeof SIZES / sizeof SIZES[0], STEPS = 12 };

static float *drawn(uint64_t seed, size_t n, float most)
{
    float *values = malloc((n + 1) * sizeof *values);
    struct rng rng;

    cr_assert_not_null(values);
    rng_seed(&rng, seed, n);
    for (size_t i = 0; i < n; i++)
        values[i] = rng_uniform(&rng, -most, most) * powf(10, -(float)(i % 5));
    return values;
}

static double *widened(const float *values, size_t n)
{
    double *wide = malloc((n + 1) * sizeof *wide);

    cr_assert_not_null(wide);
    for (size_t i = 0; i < n; i++)
        wide[i] = (double)values[i];
    return wide;
}

static struct pool *pool_of(size_t threads)
{
    struct pool *pool = NULL;

    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, NULL), ST_OK);
    return pool;
}

/* ---- groups ---- */

/* Two that leave out the first third and one parameter between them. */
static size_t groups_in(size_t n, struct adam_group ret[2])
{
    ret[0] = (struct adam_group){ n / 3, n / 2, 1e-3, 0.5 };
    ret[1] = (struct adam_group){ n / 2 + (n > 1), n, 1e-4, 0 };
    return 2;
}

static bool in_group(const struct adam_group *groups, size_t i)
{
    return (i >= groups[0].begin && i < groups[0].end) || (i >= groups[1].begin && i < groups[1].end);
}

/* Some steps along scaled gradients; returns what came of the parameters. */
static float *stepped(size_t n, double scale, struct pool *pool, struct adam *a)
{
    float *params = drawn(1, n, 1);
    struct adam_group groups[2];
    const size_t n_groups = groups_in(n, groups);

    cr_assert_eq(adam_init(a, n, NULL), ST_OK);
    for (uint64_t t = 1; t <= STEPS; t++) {
        float *g = drawn(10 + t, n, 1);

        adam_update(a, g, scale, groups, n_groups, pool, params);
        free(g);
    }
    return params;
}

static void check_groups(size_t n)
{
    const double scale = 0.25; /* a power of two: a scaled float32 is exact */
    float *begun = drawn(1, n, 1);
    double *wide = widened(begun, n), *m = calloc(n + 1, sizeof *m), *v = calloc(n + 1, sizeof *v);
    struct adam_group groups[2];
    const size_t n_groups = groups_in(n, groups);
    struct adam a;
    float *params = stepped(n, scale, NULL, &a);

    for (uint64_t t = 1; t <= STEPS; t++) {
        float *g = drawn(10 + t, n, 1);
        double *wide_g = widened(g, n);

        for (size_t i = 0; i < n; i++)
            wide_g[i] *= scale;
        for (size_t k = 0; k < n_groups; k++) {
            const size_t at = groups[k].begin;

            double_adam(groups[k].end - at, (double)t, groups[k].learning_rate, groups[k].weight_decay,
                        wide_g + at, m + at, v + at, wide + at);
        }
        free(g);
        free(wide_g);
    }
    for (size_t i = 0; i < n; i++) {
        if (!in_group(groups, i))
            cr_assert(params[i] == begun[i] && a.m[i] == 0 && a.v[i] == 0, "%zu of %zu has moved", i, n);
        cr_assert_float_eq((double)params[i], wide[i], 1e-6 * fmax(fabs(wide[i]), 1e-3 * STEPS),
                           "%zu of %zu is %.9g, not %.9g", i, n, (double)params[i], wide[i]);
    }
    adam_release(&a);
    free(begun), free(params), free(wide), free(m), free(v);
}

Test(optimiser, groups_move_by_their_own_rates_and_what_is_in_none_stays)
{
    for (size_t i = 0; i < N_SIZES; i++)
        check_groups(SIZES[i]);
}

/* ---- the norm ---- */

static double plain_norm(const float *g, size_t n)
{
    long double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (long double)g[i] * (long double)g[i];
    return (double)sqrtl(sum);
}

Test(optimiser, norm_is_that_of_the_plain_sum)
{
    const float far[3] = { 3e38f, 0, -3e38f }, near[2] = { 3e-44f, 4e-44f };

    for (size_t i = 0; i < N_SIZES; i++) {
        float *g = drawn(3, SIZES[i], 2);
        const double expected = plain_norm(g, SIZES[i]);

        cr_assert_float_eq(gradient_norm(SIZES[i], g, NULL), expected, 1e-13 * expected);
        free(g);
    }
    cr_assert_eq(gradient_norm(0, NULL, NULL), 0);
    cr_assert_float_eq(gradient_norm(3, far, NULL), plain_norm(far, 3), 1e25);
    cr_assert_float_eq(gradient_norm(2, near, NULL), plain_norm(near, 2), 1e-57);
}

Test(optimiser, norm_of_what_is_no_number_is_none)
{
    const float endless[2] = { INFINITY, 1 }, none[2] = { 1, NAN };

    cr_assert(isinf(gradient_norm(2, endless, NULL)) && isnan(gradient_norm(2, none, NULL)));
}

/* ---- the average ---- */

/* Values at step t, of which every third never changes. */
static void values_at(size_t n, uint64_t t, float *values)
{
    float *drawn_now = drawn(20 + t, n, 1);

    for (size_t i = 0; i < n; i++)
        if (t == 0 || i % 3 > 0)
            values[i] = drawn_now[i];
    free(drawn_now);
}

static float *averaged(size_t n, double decay, struct pool *pool)
{
    float *values = malloc((n + 1) * sizeof *values), *ema = malloc((n + 1) * sizeof *ema);

    values_at(n, 0, values);
    memcpy(ema, values, n * sizeof *ema);
    for (uint64_t t = 1; t <= STEPS; t++) {
        values_at(n, t, values);
        ema_update(n, values, decay, t, pool, ema);
    }
    free(values);
    return ema;
}

static void check_average(size_t n, double decay)
{
    float *values = malloc((n + 1) * sizeof *values), *ema = averaged(n, decay, NULL);
    double *expected;

    values_at(n, 0, values);
    expected = widened(values, n);
    for (uint64_t t = 1; t <= STEPS; t++) {
        const double warm = (1 + (double)t) / (10 + (double)t), d = warm < decay ? warm : decay;

        values_at(n, t, values);
        for (size_t i = 0; i < n; i++)
            expected[i] = d * expected[i] + (1 - d) * (double)values[i];
    }
    for (size_t i = 0; i < n; i++) {
        cr_assert_float_eq((double)ema[i], expected[i], 1e-6, "%zu of %zu is %.9g, not %.9g", i, n,
                           (double)ema[i], expected[i]);
        cr_assert(i % 3 > 0 || ema[i] == values[i], "%zu has moved, which never did", i);
    }
    free(values), free(ema), free(expected);
}

Test(optimiser, average_is_that_of_the_plain_loop_and_warms_up)
{
    for (size_t i = 0; i < N_SIZES; i++) {
        check_average(SIZES[i], 0.999); /* the warm-up in all steps */
        check_average(SIZES[i], 0.4);   /* ... in the first five */
    }
}

/* By hand: after one step 2/11 of the beginning are left, after the second 3/12 of that. */
Test(optimiser, average_forgets_where_it_began)
{
    const float one = 1;
    float ema = 0;

    ema_update(1, &one, 0.999, 1, NULL, &ema);
    cr_assert_float_eq((double)ema, 9.0 / 11, 1e-7);
    ema_update(1, &one, 0.999, 2, NULL, &ema);
    cr_assert_float_eq((double)ema, 1 - 2.0 / 11 * 3 / 12, 1e-7);
    ema_update(1, &one, 0, 3, NULL, &ema);
    cr_assert_eq(ema, 1);
}

/* ---- threads ---- */

static void check_threads(size_t n, size_t threads)
{
    struct pool *pool = pool_of(threads);
    float *g = drawn(3, n, 2), *average = averaged(n, 0.9, NULL), *by_many = averaged(n, 0.9, pool);
    struct adam a, b;
    float *alone = stepped(n, 0.3, NULL, &a), *shared = stepped(n, 0.3, pool, &b);
    const double norm = gradient_norm(n, g, NULL), shared_norm = gradient_norm(n, g, pool);

    cr_assert_eq(memcmp(&norm, &shared_norm, sizeof norm), 0, "%zu threads: another norm", threads);
    cr_assert_arr_eq(average, by_many, n * sizeof *average, "%zu threads: another average", threads);
    cr_assert_arr_eq(alone, shared, n * sizeof *alone, "%zu threads: other parameters", threads);
    cr_assert(memcmp(a.m, b.m, n * sizeof *a.m) == 0 && memcmp(a.v, b.v, n * sizeof *a.v) == 0);
    adam_release(&a);
    adam_release(&b);
    free(g), free(average), free(by_many), free(alone), free(shared);
    pool_free(pool);
}

Test(optimiser, has_the_same_bits_for_any_number_of_threads)
{
    static const size_t THREADS[] = { 1, 2, 3, 5, 8 };

    for (size_t k = 0; k < sizeof THREADS / sizeof THREADS[0]; k++)
        for (size_t i = 0; i < N_SIZES; i++)
            check_threads(SIZES[i], THREADS[k]);
}
