/* tests/unit/test_logistic.c - the logistic regression: at the least of its loss, which can be computed by hand in places. */
#include "cxrd/metrics.h"
#include "cxrd/rng.h"
#include "jobs/training/balance.h"
#include "jobs/training/cholesky.h"
#include "jobs/training/logistic.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(logistic, .fini = check_no_leaks);

enum { MOST = 4 + 2 * 64 }; /* numbers: the inputs of 64 findings */

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

/* Slopes of the loss by the weights and the bias, term by term. */
static void slopes_of(const struct logistic_rows *rows, const uint8_t *positive, const double *weights,
                      double bias, double *ret)
{
    for (size_t j = 0; j < rows->d; j++)
        ret[j] = LOGISTIC_RIDGE * weights[j];
    ret[rows->d] = sigmoid(bias) - 0.5;
    for (size_t i = 0; i < rows->n; i++) {
        double z = bias, error;

        for (size_t j = 0; j < rows->d; j++)
            z += weights[j] * (double)rows->x[i * rows->d + j];
        error = sigmoid(z) - positive[i];
        for (size_t j = 0; j < rows->d; j++)
            ret[j] += error * (double)rows->x[i * rows->d + j];
        ret[rows->d] += error;
    }
}

static void check_least(const char *what, const struct logistic_rows *rows, const uint8_t *positive)
{
    double fitted[MOST + 1], slopes[MOST + 1];

    cr_assert_eq(logistic_fit(rows, positive, fitted), ST_OK, "%s", what);
    slopes_of(rows, positive, fitted, fitted[rows->d], slopes);
    for (size_t j = 0; j <= rows->d; j++)
        cr_assert_float_eq(slopes[j], 0, 1e-4 * (double)(rows->n + 1), "%s: slope %zu is %g", what, j,
                           slopes[j]);
}

/* Of a number that is 0 in every row the weight is 0, and the bias is the log-odds of the counts. */
Test(logistic, without_anything_to_learn_from_says_the_base_rate)
{
    static const float X[10];
    static const uint8_t POSITIVE[10] = { 1, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
    double fitted[2] = { 7, 7 };

    cr_assert_eq(logistic_fit(&(struct logistic_rows){ 10, 1, X }, POSITIVE, fitted), ST_OK);
    cr_assert_float_eq(fitted[0], 0, 1e-12);
    cr_assert_float_eq(fitted[1], log_odds(2, 10), 1e-9);
}

/* Half the rows at +1 and half at -1, as many positives on the one side as negatives on the other: the bias is 0, and the
 * weight w solves n (sigmoid(w) - p) + ridge w = 0. With n = 1,000, p = 0.8 and a ridge of 50 it is 1.0779360, by bisection
 * of that equation. */
Test(logistic, of_one_number_is_what_one_equation_says)
{
    enum { N = 1000 };
    static float x[N];
    static uint8_t positive[N];
    double fitted[2];

    for (size_t i = 0; i < N; i++) {
        x[i] = i % 2 ? 1 : -1;
        positive[i] = i % 2 ? i % 10 != 1 : i % 10 == 0; /* four of five; one of five */
    }
    cr_assert_eq(logistic_fit(&(struct logistic_rows){ N, 1, x }, positive, fitted), ST_OK);
    cr_assert_float_eq(fitted[1], 0, 1e-9);
    cr_assert_float_eq(N * (sigmoid(fitted[0]) - 0.8) + LOGISTIC_RIDGE * fitted[0], 0, 1e-5);
    cr_assert_float_eq(fitted[0], 1.0779360, 1e-6);
}

/* Rows that one number parts without a fault: without the ridge there would be no least. */
Test(logistic, is_finite_where_the_rows_are_parted)
{
    static const float X[6] = { -3, -2, -1, 1, 2, 3 };
    static const uint8_t PARTED[6] = { 0, 0, 0, 1, 1, 1 }, NONE[6] = { 0 }, ALL[6] = { 1, 1, 1, 1, 1, 1 };
    const struct logistic_rows rows = { 6, 1, X };

    check_least("parted", &rows, PARTED);
    check_least("no positive", &rows, NONE);
    check_least("no negative", &rows, ALL);
}

/* As many numbers as there may be, some of them rare and some of them the same as others. */
Test(logistic, is_at_the_least_of_its_loss_whatever_the_rows)
{
    enum { N = 300, D = MOST };
    float *x = malloc(N * D * sizeof *x);
    uint8_t positive[N];
    struct rng rng;

    rng_seed(&rng, 1, 1);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < D; j++)
                x[i * D + j] = j % 3 == 0 ? rng_uniform(&rng, -2, 2) : rng_below(&rng, 40) == 0 ? 6 : -0.16f;
            x[i * D + 1] = x[i * D];
            positive[i] = rng_uniform(&rng, 0, 1) < (float)sigmoid((double)x[i * D] * (round + 1) - 1);
        }
        check_least("drawn", &(struct logistic_rows){ N, D, x }, positive);
        check_least("one row", &(struct logistic_rows){ 1, D, x }, positive);
    }
    free(x);
}

Test(logistic, of_numbers_that_are_none_is_an_error)
{
    const float x[2] = { NAN, 1 };
    const uint8_t positive[2] = { 0, 1 };
    double fitted[2];

    cr_assert_eq(logistic_fit(&(struct logistic_rows){ 2, 1, x }, positive, fitted), ST_NUMERIC);
}

/* ---- what numpy says, see tests/fixtures/logistic/make.py ---- */

static size_t floats_of(const json_t *array, float *ret)
{
    for (size_t i = 0; i < json_array_size(array); i++)
        ret[i] = (float)json_number_value(json_array_get(array, i));
    return json_array_size(array);
}

static void check_case(const json_t *c)
{
    enum { ROWS = 60, NUMBERS = 40 };
    static float x[ROWS * NUMBERS], weights[ROWS];
    static double ridge[NUMBERS], fitted[NUMBERS + 1];
    static uint8_t positive[ROWS];
    const size_t d = (size_t)json_integer_value(json_object_get(c, "d"));
    const json_t *expected = json_object_get(c, "fitted"), *truth = json_object_get(c, "positive");
    const size_t n = json_array_size(truth);

    cr_assert(d >= 1 && d <= NUMBERS && n <= ROWS && json_array_size(expected) == d + 1);
    cr_assert_eq(floats_of(json_object_get(c, "x"), x), n * d);
    cr_assert_eq(floats_of(json_object_get(c, "weights"), weights), n);
    for (size_t j = 0; j < d; j++)
        ridge[j] = json_number_value(json_array_get(json_object_get(c, "ridge"), j));
    for (size_t i = 0; i < n; i++)
        positive[i] = json_integer_value(json_array_get(truth, i)) == 1;
    cr_assert_eq(
        logistic_fit(&(struct logistic_rows){ .n = n, .d = d, .x = x, .ridge = ridge, .weights = weights },
                     positive, fitted),
        ST_OK);
    for (size_t j = 0; j <= d; j++) {
        const double theirs = json_number_value(json_array_get(expected, j));

        cr_assert_float_eq(fitted[j], theirs, 1e-6 * fmax(1, fabs(theirs)), "%s: %zu is %.12g, not %.12g",
                           json_string_value(json_object_get(c, "name")), j, fitted[j], theirs);
    }
}

Test(logistic, equals_numpys_to_a_millionth)
{
    json_error_t why;
    json_t *cases = json_load_file(FIXTURES "/logistic/logistic.json", JSON_REJECT_DUPLICATES, &why);

    cr_assert_not_null(cases, "%s", why.text);
    cr_assert_eq(json_array_size(cases), 3);
    for (size_t i = 0; i < json_array_size(cases); i++)
        check_case(json_array_get(cases, i));
    json_decref(cases);
}

/* ---- how the search goes ---- */

enum { DRAWN_ROWS = 200, DRAWN_NUMBERS = 30 };

/* Rows of which the first number says most. */
static void draw_rows(float x[DRAWN_ROWS * DRAWN_NUMBERS], uint8_t positive[DRAWN_ROWS])
{
    struct rng rng;

    rng_seed(&rng, 3, 1);
    for (size_t i = 0; i < DRAWN_ROWS * DRAWN_NUMBERS; i++)
        x[i] = rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < DRAWN_ROWS; i++)
        positive[i] = rng_uniform(&rng, 0, 1) < (float)sigmoid((double)x[i * DRAWN_NUMBERS] * 2 - 1);
}

/* Wherever it begins, and as nearly as it is asked to. */
Test(logistic, comes_to_the_same_least_from_anywhere)
{
    float x[DRAWN_ROWS * DRAWN_NUMBERS];
    uint8_t positive[DRAWN_ROWS];
    double from_0[DRAWN_NUMBERS + 1], from_far[DRAWN_NUMBERS + 1], rough[DRAWN_NUMBERS + 1];
    struct logistic_rows rows = { .n = DRAWN_ROWS, .d = DRAWN_NUMBERS, .x = x };

    draw_rows(x, positive);
    cr_assert_eq(logistic_fit(&rows, positive, from_0), ST_OK);
    for (size_t j = 0; j <= DRAWN_NUMBERS; j++)
        from_far[j] = j % 2 ? 3 : -3;
    rows.begin = from_far;
    cr_assert_eq(logistic_fit(&rows, positive, from_far), ST_OK);
    rows.begin = NULL;
    rows.precision = 1e-4;
    cr_assert_eq(logistic_fit(&rows, positive, rough), ST_OK);
    for (size_t j = 0; j <= DRAWN_NUMBERS; j++) {
        cr_assert_float_eq(from_far[j], from_0[j], 1e-7, "%zu: %g, not %g", j, from_far[j], from_0[j]);
        cr_assert_float_eq(rough[j], from_0[j], 0.02, "%zu: %g, not %g", j, rough[j], from_0[j]);
    }
}

/* A row that counts for two is that row twice; one that counts for none is not there. */
Test(logistic, counts_rows_by_their_weights)
{
    float x[DRAWN_ROWS * DRAWN_NUMBERS], twice[DRAWN_ROWS * DRAWN_NUMBERS], weights[DRAWN_ROWS];
    uint8_t positive[DRAWN_ROWS], positive_twice[DRAWN_ROWS];
    double weighed[DRAWN_NUMBERS + 1], repeated[DRAWN_NUMBERS + 1];

    draw_rows(x, positive);
    for (size_t i = 0; i < DRAWN_ROWS; i++) {
        weights[i] = i < DRAWN_ROWS / 2 ? 2 : 0;
        positive_twice[i] = positive[i / 2];
        for (size_t j = 0; j < DRAWN_NUMBERS; j++)
            twice[i * DRAWN_NUMBERS + j] = x[i / 2 * DRAWN_NUMBERS + j];
    }
    cr_assert_eq(
        logistic_fit(
            &(struct logistic_rows){ .n = DRAWN_ROWS, .d = DRAWN_NUMBERS, .x = x, .weights = weights },
            positive, weighed),
        ST_OK);
    cr_assert_eq(logistic_fit(&(struct logistic_rows){ .n = DRAWN_ROWS, .d = DRAWN_NUMBERS, .x = twice },
                              positive_twice, repeated),
                 ST_OK);
    for (size_t j = 0; j <= DRAWN_NUMBERS; j++)
        cr_assert_float_eq(weighed[j], repeated[j], 1e-8);
}

static bool yes(void *arg) { return ++*(size_t *)arg > 2; }

Test(logistic, is_stopped_when_asked)
{
    float x[DRAWN_ROWS * DRAWN_NUMBERS];
    uint8_t positive[DRAWN_ROWS];
    double fitted[DRAWN_NUMBERS + 1];
    size_t asked = 0;

    draw_rows(x, positive);
    cr_assert_eq(
        logistic_fit(
            &(struct logistic_rows){ .n = DRAWN_ROWS, .d = DRAWN_NUMBERS, .x = x, .stop = { yes, &asked } },
            positive, fitted),
        ST_CANCELLED);
    cr_assert_lt(asked, 8);
}

/* ---- as jobs of before were fitted ---- */

/* The least is one, whatever comes to it; only the last digits are the way's own. */
Test(logistic, by_cholesky_comes_to_the_same_least)
{
    float x[DRAWN_ROWS * DRAWN_NUMBERS];
    uint8_t positive[DRAWN_ROWS];
    double fitted[DRAWN_NUMBERS + 1], factors[DRAWN_NUMBERS + 1], slopes[DRAWN_NUMBERS + 1];
    const struct logistic_rows rows = { .n = DRAWN_ROWS, .d = DRAWN_NUMBERS, .x = x };

    draw_rows(x, positive);
    cr_assert_eq(logistic_fit(&rows, positive, fitted), ST_OK);
    cr_assert_eq(cholesky_fit(&rows, positive, factors), ST_OK);
    slopes_of(&rows, positive, factors, factors[DRAWN_NUMBERS], slopes);
    for (size_t j = 0; j <= DRAWN_NUMBERS; j++) {
        cr_assert_float_eq(factors[j], fitted[j], 1e-6);
        cr_assert_float_eq(slopes[j], 0, 1e-4);
    }
}

Test(logistic, by_cholesky_leaves_out_stops_and_refuses_as_the_other)
{
    float x[DRAWN_ROWS * DRAWN_NUMBERS];
    uint8_t positive[DRAWN_ROWS];
    double whole[DRAWN_NUMBERS + 1], part[DRAWN_NUMBERS + 1];
    struct logistic_rows rows = { .n = DRAWN_ROWS / 2, .d = DRAWN_NUMBERS, .x = x };
    size_t asked = 0;

    draw_rows(x, positive);
    cr_assert_eq(cholesky_fit(&rows, positive, part), ST_OK);
    rows.n = DRAWN_ROWS;
    memset(positive + DRAWN_ROWS / 2, TRUTH_UNKNOWN, DRAWN_ROWS - DRAWN_ROWS / 2);
    cr_assert_eq(cholesky_fit(&rows, positive, whole), ST_OK);
    cr_assert_arr_eq(whole, part, sizeof whole);
    rows.stop = (struct interruption){ yes, &asked };
    cr_assert_eq(cholesky_fit(&rows, positive, whole), ST_CANCELLED);
    rows.stop = (struct interruption){ 0 };
    x[0] = NAN;
    cr_assert_eq(cholesky_fit(&rows, positive, whole), ST_NUMERIC);
}
