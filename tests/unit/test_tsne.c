/* tests/unit/test_tsne.c - principal components and t-SNE against their definitions: eigenvectors of a matrix that is multiplied
 * out by plain loops, the perplexity of every row, the slope of the divergence by differences; and what a map is for. */
#include "cxrd/metrics.h"
#include "cxrd/principal.h"
#include "cxrd/rng.h"
#include "jobs/training/neighbourhood.h"
#include "jobs/training/tsne.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(principal, .fini = check_no_leaks);
TestSuite(tsne, .fini = check_no_leaks);
TestSuite(neighbours, .fini = check_no_leaks);

static const struct interruption NEVER = { 0 };

static struct pool *pool_of(size_t threads)
{
    struct pool *pool = NULL;

    if (threads > 1)
        cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, NULL), ST_OK);
    return pool;
}

static double normal(struct rng *rng)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    return sum;
}

/* ---- principal components ---- */

/* Rows that differ much in a few directions and little in the others, about a mean that is not 0. */
static float *rows_make(size_t n, size_t d, uint64_t seed)
{
    float *rows = malloc(n * d * sizeof *rows);
    struct rng rng;

    rng_seed(&rng, seed, 1);
    for (size_t i = 0; i < n; i++) {
        const double a = normal(&rng), b = normal(&rng);

        for (size_t j = 0; j < d; j++)
            rows[i * d + j] =
                (float)(3 + a * sin((double)j) + 0.5 * b * cos((double)j * 2) + 0.1 * normal(&rng));
    }
    return rows;
}

static double *components(size_t n, size_t d, const float *rows, size_t k, size_t threads, double *ret_share)
{
    float *copy = malloc(n * d * sizeof *copy);
    double *ret = malloc(n * k * sizeof *ret);
    struct pool *pool = pool_of(threads);

    memcpy(copy, rows, n * d * sizeof *copy);
    cr_assert_eq(principal_components(n, d, copy, k, pool, &NEVER, ret, ret_share), ST_OK);
    pool_free(pool);
    free(copy);
    return ret;
}

/* Inner products of the rows less their mean, [n][n]. */
static double *gram(size_t n, size_t d, const float *rows)
{
    double *g = calloc(n * n, sizeof *g);

    for (size_t at = 0; at < d; at++) {
        double mean = 0;

        for (size_t i = 0; i < n; i++)
            mean += (double)rows[i * d + at] / (double)n;
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                g[i * n + j] += ((double)rows[i * d + at] - mean) * ((double)rows[j * d + at] - mean);
    }
    return g;
}

/* Each component c of a matrix G fulfils G c = (c . c) c, is at a right angle to the others, and has no more than the one
 * before it; those that are there in full give back the distances. */
static void check_components(size_t n, size_t d, size_t k)
{
    float *rows = rows_make(n, d, n + d);
    double share, trace = 0, held = 0, before = INFINITY, *g = gram(n, d, rows),
                  *c = components(n, d, rows, k, 1, &share);

    for (size_t i = 0; i < n; i++)
        trace += g[i * n + i];
    for (size_t a = 0; a < k; a++) {
        double value = 0;

        for (size_t i = 0; i < n; i++)
            value += c[i * k + a] * c[i * k + a];
        cr_assert(value <= before * (1 + 1e-9), "%zu x %zu: component %zu", n, d, a);
        for (size_t i = 0; i < n; i++) {
            double product = 0;

            for (size_t j = 0; j < n; j++)
                product += g[i * n + j] * c[j * k + a];
            cr_assert_float_eq(product, value * c[i * k + a], 1e-5 * trace * sqrt(trace),
                               "%zu x %zu: component %zu", n, d, a);
        }
        for (size_t b = 0; b < a; b++) {
            double dot = 0;

            for (size_t i = 0; i < n; i++)
                dot += c[i * k + a] * c[i * k + b];
            cr_assert_float_eq(dot, 0, 1e-9 * trace);
        }
        held += value;
        before = value;
    }
    cr_assert_float_eq(share, held / trace, 1e-5);
    if (k == n)
        cr_assert_float_eq(share, 1, 1e-5);
    free(c);
    free(g);
    free(rows);
}

Test(principal, components_are_eigenvectors_of_the_products)
{
    check_components(3, 2, 3);
    check_components(7, 5000, 7); /* more numbers than are added up at once */
    check_components(67, 130, 12);
    check_components(129, 33, 50); /* more components than numbers: the rest has nothing */
}

Test(principal, the_first_are_those_that_vary_most)
{
    enum { N = 40, D = 300 };
    float *rows = rows_make(N, D, 5);
    double share, *c = components(N, D, rows, 2, 1, &share);

    cr_assert(share > 0.9 && share < 1, "%g", share);
    for (size_t a = 0; a < 2; a++) {
        double most = 0;

        for (size_t i = 0; i < N; i++)
            most = fabs(c[i * 2 + a]) > fabs(most) ? c[i * 2 + a] : most;
        cr_assert_gt(most, 0, "of component %zu", a);
    }
    free(c);
    free(rows);
}

Test(principal, threads_change_no_bit)
{
    enum { N = 150, D = 3000, K = 20 };
    float *rows = rows_make(N, D, 9);
    double share[2], *one = components(N, D, rows, K, 1, &share[0]);

    for (size_t threads = 2; threads <= 5; threads += 3) {
        double *more = components(N, D, rows, K, threads, &share[1]);

        cr_assert_eq(memcmp(one, more, N * K * sizeof *one), 0, "%zu threads", threads);
        cr_assert_eq(share[0], share[1]);
        free(more);
    }
    free(one);
    free(rows);
}

static bool at_once(void *arg) { return arg == NULL; }

Test(principal, of_what_has_none_is_an_answer)
{
    float rows[6] = { 2, 7, 2, 7, 2, 7 }, bad[6] = { 1, 2, INFINITY, 3, 4, 5 };
    double c[6], share = 0;

    cr_assert_eq(principal_components(3, 2, rows, 2, NULL, &NEVER, c, &share), ST_OK);
    cr_assert(isnan(share), "rows that are all alike do not vary: %g", share);
    for (size_t i = 0; i < 6; i++)
        cr_assert_eq(c[i], 0);
    cr_assert_eq(principal_components(3, 2, bad, 2, NULL, &NEVER, c, &share), ST_NUMERIC);
    cr_assert_eq(principal_components(3, 2, rows, 4, NULL, &NEVER, c, &share), ST_INVALID);
    cr_assert_eq(principal_components(3, 2, rows, 0, NULL, &NEVER, c, &share), ST_INVALID);
    cr_assert_eq(
        principal_components(3, 2, rows, 2, NULL, &(struct interruption){ at_once, NULL }, c, &share),
        ST_CANCELLED);
}

/* ---- similarities ---- */

static double perplexity_of(size_t n, const double *p)
{
    double entropy = 0;

    for (size_t j = 0; j < n; j++)
        entropy -= p[j] > 0 ? p[j] * log(p[j]) : 0;
    return exp(entropy);
}

/* Some near, some far, some a thousand times as far. */
Test(tsne, every_row_has_the_perplexity_that_is_asked_for)
{
    enum { N = 101 };
    struct rng rng;

    rng_seed(&rng, 3, 1);
    for (int scale = -30; scale <= 30; scale += 15)
        for (size_t self = 0; self < N; self += 10) {
            double squares[N], p[N], sum = 0;

            for (size_t j = 0; j < N; j++)
                squares[j] = j == self ? 0 : pow(10, scale) * exp(4 * normal(&rng));
            tsne_neighbours(N, self, squares, 30, p);
            for (size_t j = 0; j < N; j++) {
                cr_assert(p[j] >= 0 && isfinite(p[j]));
                sum += p[j];
            }
            cr_assert_eq(p[self], 0);
            cr_assert_float_eq(sum, 1, 1e-12);
            cr_assert_float_eq(perplexity_of(N, p), 30, 1e-5, "10^%d, row %zu: %g", scale, self,
                               perplexity_of(N, p));
        }
    cr_assert_float_eq(tsne_perplexity(1000), 30, 0);
    cr_assert_float_eq(tsne_perplexity(91), 30, 0);
    cr_assert_float_eq(tsne_perplexity(31), 10, 0);
}

/* More rows in one place than the perplexity: all of them, and none of the others. */
Test(tsne, rows_that_are_alike_are_as_likely)
{
    enum { N = 61 };
    double squares[N], p[N];

    for (size_t j = 0; j < N; j++)
        squares[j] = j <= 40 ? 0 : 5;
    tsne_neighbours(N, 0, squares, 30, p);
    for (size_t j = 1; j < N; j++)
        cr_assert_float_eq(p[j], j <= 40 ? 1.0 / 40 : 0, 1e-9, "row %zu: %g", j, p[j]);
    memset(squares, 0, sizeof squares);
    tsne_neighbours(N, 7, squares, 20, p);
    for (size_t j = 0; j < N; j++)
        cr_assert_float_eq(p[j], j == 7 ? 0 : 1.0 / (N - 1), 1e-12);
}

/* `n` rows in two groups of normal rows, `apart` standard deviations from one another in each of the k directions. */
static double *groups(size_t n, size_t k, double apart)
{
    double *x = malloc(n * k * sizeof *x);
    struct rng rng;

    rng_seed(&rng, 11, 1);
    for (size_t i = 0; i < n * k; i++)
        x[i] = normal(&rng) + (i / k % 2 ? apart : 0);
    return x;
}

static double *similarities(size_t n, size_t k, const double *x)
{
    double *p = malloc(n * n * sizeof *p);

    cr_assert_eq(tsne_similarities(n, k, x, tsne_perplexity(n), &NEVER, p), ST_OK);
    return p;
}

Test(tsne, similarities_are_symmetric_and_add_up_to_one)
{
    enum { N = 53, K = 3 };
    double *x = groups(N, K, 2), *p = similarities(N, K, x), sum = 0;

    for (size_t i = 0; i < N; i++) {
        cr_assert_eq(p[i * N + i], 0);
        for (size_t j = 0; j < N; j++) {
            cr_assert_eq(p[i * N + j], p[j * N + i]);
            sum += p[i * N + j];
        }
    }
    cr_assert_float_eq(sum, 1, 1e-12);
    free(p);
    free(x);
}

/* ---- the map ---- */

/* What tsne_gradient() is the slope of, but for what does not depend on y. */
static double cost(size_t n, const double *p, double exaggeration, const double *y)
{
    double sum = 0, pull = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double square = pow(y[2 * i] - y[2 * j], 2) + pow(y[2 * i + 1] - y[2 * j + 1], 2);

            sum += i == j ? 0 : 1 / (1 + square);
            pull += i == j ? 0 : p[i * n + j] * log(1 + square);
        }
    return exaggeration * pull + log(sum);
}

Test(tsne, gradient_matches_central_differences)
{
    enum { N = 37, K = 4 };
    const double h = 1e-5;
    double *x = groups(N, K, 1), *p = similarities(N, K, x), y[2 * N], slope[2 * N], room[2 * N];
    struct rng rng;

    rng_seed(&rng, 4, 1);
    for (size_t i = 0; i < sizeof y / sizeof y[0]; i++)
        y[i] = 2 * normal(&rng);
    for (double exaggeration = 1; exaggeration < 20; exaggeration += 11) {
        tsne_gradient(N, p, exaggeration, y, room, slope);
        for (size_t i = 0; i < sizeof y / sizeof y[0]; i++) {
            const double at = y[i];
            double up, down;

            y[i] = at + h;
            up = cost(N, p, exaggeration, y);
            y[i] = at - h;
            down = cost(N, p, exaggeration, y);
            y[i] = at;
            cr_assert_float_eq(slope[i], (up - down) / (2 * h), 1e-8, "place %zu, times %g", i, exaggeration);
        }
    }
    free(p);
    free(x);
}

Test(tsne, divergence_is_that_of_its_definition)
{
    enum { N = 20, K = 2 };
    double *x = groups(N, K, 1), *p = similarities(N, K, x), entropy = 0;

    for (size_t i = 0; i < (size_t)N * N; i++)
        entropy += p[i] > 0 ? p[i] * log(p[i]) : 0;
    cr_assert_float_eq(tsne_divergence(N, p, x), entropy + cost(N, p, 1, x), 1e-12);
    free(p);
    free(x);
}

/* The first two numbers of each row, nearly in one place. */
static double *map(size_t n, size_t k, const double *x, double *ret_first, double *ret_last)
{
    double *y = malloc(2 * n * sizeof *y), *p;

    for (size_t i = 0; i < n; i++) {
        y[2 * i] = 1e-4 * x[i * k];
        y[2 * i + 1] = 1e-4 * x[i * k + 1];
    }
    p = similarities(n, k, x);
    *ret_first = tsne_divergence(n, p, y);
    cr_assert_eq(tsne_map(n, p, &NEVER, y, ret_last), ST_OK);
    cr_assert_eq(*ret_last, tsne_divergence(n, p, y));
    free(p);
    return y;
}

/* Each row's nearest one on the map is of its own group, the groups are wider apart than wide, and the divergence has fallen. */
Test(tsne, what_is_apart_stays_apart)
{
    enum { N = 151, K = 50 };
    double *x = groups(N, K, 3), first, last, *y = map(N, K, x, &first, &last), middle[2][2] = { 0 },
           width = 0, gap;

    cr_assert(last >= 0 && last < 0.6 * first, "%g of %g", last, first);
    for (size_t i = 0; i < N; i++) {
        double best = INFINITY;
        size_t next = i;

        for (size_t j = 0; j < N; j++) {
            const double square = pow(y[2 * i] - y[2 * j], 2) + pow(y[2 * i + 1] - y[2 * j + 1], 2);

            if (j != i && square < best) {
                best = square;
                next = j;
            }
        }
        cr_assert_eq(next % 2, i % 2, "row %zu is nearest to row %zu", i, next);
        for (size_t c = 0; c < 2; c++)
            middle[i % 2][c] += y[2 * i + c] / (double)((N + 1 - i % 2) / 2);
    }
    for (size_t i = 0; i < N; i++)
        width = fmax(width, hypot(y[2 * i] - middle[i % 2][0], y[2 * i + 1] - middle[i % 2][1]));
    gap = hypot(middle[0][0] - middle[1][0], middle[0][1] - middle[1][1]);
    cr_assert_gt(gap, width, "%g apart, %g wide", gap, width);
    free(y);
    free(x);
}

/* Rows in one place stay in one place; nothing divides by the distance between them. */
Test(tsne, rows_that_are_alike_lie_on_one_another)
{
    enum { N = 30, K = 2 };
    double *x = groups(N, K, 4), first, last, *y;

    for (size_t i = 1; i < 5; i++)
        memcpy(x + i * K, x, K * sizeof *x);
    y = map(N, K, x, &first, &last);
    for (size_t i = 0; i < (size_t)2 * N; i++)
        cr_assert(isfinite(y[i]));
    for (size_t i = 1; i < 5; i++)
        cr_assert_float_eq(hypot(y[2 * i] - y[0], y[2 * i + 1] - y[1]), 0, 1e-6);
    free(y);
    free(x);
}

static bool after_some(void *arg) { return --*(int *)arg == 0; }

Test(tsne, can_be_cancelled)
{
    enum { N = 40, K = 2 };
    int questions = 2;
    double *x = groups(N, K, 0), *p = similarities(N, K, x), y[2 * N] = { 0 }, divergence = -1;

    cr_assert_eq(tsne_map(N, p, &(struct interruption){ after_some, &questions }, y, &divergence),
                 ST_CANCELLED);
    cr_assert(questions == 0 && divergence == -1);
    questions = 2;
    cr_assert_eq(tsne_similarities(N, K, x, 10, &(struct interruption){ after_some, &questions }, p),
                 ST_CANCELLED);
    free(p);
    free(x);
}

/* ---- neighbours ---- */

static double apart(size_t k, const double *x, size_t i, size_t j)
{
    double sum = 0;

    for (size_t c = 0; c < k; c++)
        sum += pow(x[i * k + c] - x[j * k + c], 2);
    return sum;
}

/* The parts of one row by counting, for each other row, how many are nearer; no two are as near. */
static void count(size_t n, size_t k, const double *x, const uint64_t *ids, const uint8_t *truth, size_t f,
                  size_t i, double *ret_near, double *ret_chance)
{
    double near = 0, all = 0, others = 0;

    for (size_t j = 0; j < n; j++) {
        size_t nearer = 0;

        if (ids[j] == ids[i])
            continue;
        for (size_t l = 0; l < n; l++)
            nearer += ids[l] != ids[i] && apart(k, x, i, l) < apart(k, x, i, j);
        near += nearer < NEIGHBOURS && truth[j * N_NIH_LABELS + f];
        all += truth[j * N_NIH_LABELS + f];
        others++;
    }
    *ret_near = near / NEIGHBOURS;
    *ret_chance = all / others;
}

/* Rows of a patient lie together and share their findings, and say nothing for it. */
Test(neighbours, are_those_of_other_patients)
{
    enum { N = 61, K = 3 };
    double *x = groups(N, K, 2);
    uint64_t ids[N];
    uint8_t truth[N * N_NIH_LABELS] = { 0 };
    struct patients patients;
    struct neighbourhood found[N_NIH_LABELS];
    struct rng rng;

    rng_seed(&rng, 8, 1);
    for (size_t i = 0; i < N; i++) {
        ids[i] = i / 4;
        for (size_t c = 0; c < K && i % 4; c++)
            x[i * K + c] = x[(i - i % 4) * K + c] + 0.01 * normal(&rng);
        for (size_t f = 0; f < N_NIH_LABELS - 1; f++) /* the last one nobody has */
            truth[i * N_NIH_LABELS + f] = i % 4 ? truth[(i - 1) * N_NIH_LABELS + f] : rng_unit(&rng) < 0.3;
    }
    cr_assert_eq(patients_group(N, ids, &patients), ST_OK);
    cr_assert_eq(neighbourhoods(N, K, x, &patients, N_NIH_LABELS, truth, found), ST_OK);
    for (size_t f = 0; f < N_NIH_LABELS - 1; f++) {
        double near = 0, chance = 0, rows = 0;

        for (size_t i = 0; i < N; i++) {
            double of_row, by_chance;

            if (!truth[i * N_NIH_LABELS + f])
                continue;
            count(N, K, x, ids, truth, f, i, &of_row, &by_chance);
            near += of_row;
            chance += by_chance;
            rows++;
        }
        cr_assert_eq((double)found[f].rows, rows);
        cr_assert_float_eq(found[f].near.value, near / rows, 1e-12);
        cr_assert_float_eq(found[f].by_chance, chance / rows, 1e-12);
        cr_assert(found[f].near.low <= found[f].near.value && found[f].near.value <= found[f].near.high);
    }
    cr_assert(found[N_NIH_LABELS - 1].rows == 0 && isnan(found[N_NIH_LABELS - 1].near.value) &&
              isnan(found[N_NIH_LABELS - 1].by_chance));
    patients_release(&patients);
    free(x);
}

/* Rows of which a finding is not known are no neighbours without it. */
Test(neighbours, are_counted_where_it_is_known)
{
    enum { N = 36, K = 1 };
    double x[N];
    uint8_t truth[N];
    struct patients patients;
    struct neighbourhood found;

    for (
        size_t i = 0; i < N;
        i++) { /* three clusters: each has the finding, or it is not known; all unknown but one; without it */
        x[i] = (double)(i / 12) * 1000 + (double)(i % 12);
        truth[i] = i < 12 ? (i % 2 ? TRUTH_UNKNOWN : 1) : i == 12 ? 1 : i < 24 ? TRUTH_UNKNOWN : 0;
    }
    cr_assert_eq(patients_group(N, NULL, &patients), ST_OK);
    cr_assert_eq(neighbourhoods(N, K, x, &patients, 1, truth, &found), ST_OK);
    cr_assert_eq(found.rows, 6, "%zu", found.rows);
    cr_assert_float_eq(found.near.value, 1, 1e-12, "%g", found.near.value);
    cr_assert_float_eq(found.by_chance, 6.0 / 18, 1e-12, "%g", found.by_chance);
    patients_release(&patients);
}

/* Structure in the rows is found: a finding that a group has, beside one that goes by chance. */
Test(neighbours, share_what_groups_have)
{
    enum { N = 200, K = 2 };
    double *x = groups(N, K, 6);
    uint8_t truth[N * N_NIH_LABELS] = { 0 };
    struct patients patients;
    struct neighbourhood found[N_NIH_LABELS];

    for (size_t i = 0; i < N; i++) {
        truth[i * N_NIH_LABELS] = i % 2;
        truth[i * N_NIH_LABELS + 1] = i / 2 % 2;
    }
    cr_assert_eq(patients_group(N, NULL, &patients), ST_OK);
    cr_assert_eq(neighbourhoods(N, K, x, &patients, N_NIH_LABELS, truth, found), ST_OK);
    cr_assert(found[0].near.low > 0.95, "%g", found[0].near.low);
    cr_assert(found[1].near.low < 0.5 && found[1].near.high > 0.5, "%g to %g", found[1].near.low,
              found[1].near.high);
    patients_release(&patients);
    cr_assert_eq(patients_group(NEIGHBOURS, NULL, &patients), ST_OK);
    cr_assert_eq(neighbourhoods(NEIGHBOURS, K, x, &patients, N_NIH_LABELS, truth, found), ST_OK);
    cr_assert(isnan(found[0].near.value) && isnan(found[0].by_chance), "each has nine others");
    patients_release(&patients);
    free(x);
}
