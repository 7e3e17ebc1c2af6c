/* tests/unit/test_logistic.c - the logistic regression: at the least of its loss, which can be computed by hand in places. */
#include "cxrd/rng.h"
#include "jobs/training/balance.h"
#include "jobs/training/logistic.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

TestSuite(logistic, .fini = check_no_leaks);

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
    double weights[LOGISTIC_MAX], bias, slopes[LOGISTIC_MAX + 1];

    cr_assert_eq(logistic_fit(rows, positive, weights, &bias), ST_OK, "%s", what);
    slopes_of(rows, positive, weights, bias, slopes);
    for (size_t j = 0; j <= rows->d; j++)
        cr_assert_float_eq(slopes[j], 0, 1e-4 * (double)(rows->n + 1), "%s: slope %zu is %g", what, j,
                           slopes[j]);
}

/* Of a number that is 0 in every row the weight is 0, and the bias is the log-odds of the counts. */
Test(logistic, without_anything_to_learn_from_says_the_base_rate)
{
    static const float X[10];
    static const uint8_t POSITIVE[10] = { 1, 1, 0, 0, 0, 0, 0, 0, 0, 0 };
    double weight = 7, bias = 7;

    cr_assert_eq(logistic_fit(&(struct logistic_rows){ 10, 1, X }, POSITIVE, &weight, &bias), ST_OK);
    cr_assert_float_eq(weight, 0, 1e-12);
    cr_assert_float_eq(bias, log_odds(2, 10), 1e-9);
}

/* Half the rows at +1 and half at -1, as many positives on the one side as negatives on the other: the bias is 0, and the
 * weight w solves n (sigmoid(w) - p) + ridge w = 0. With n = 1,000, p = 0.8 and a ridge of 50 it is 1.0779360, by bisection
 * of that equation. */
Test(logistic, of_one_number_is_what_one_equation_says)
{
    enum { N = 1000 };
    static float x[N];
    static uint8_t positive[N];
    double weight, bias;

    for (size_t i = 0; i < N; i++) {
        x[i] = i % 2 ? 1 : -1;
        positive[i] = i % 2 ? i % 10 != 1 : i % 10 == 0; /* four of five; one of five */
    }
    cr_assert_eq(logistic_fit(&(struct logistic_rows){ N, 1, x }, positive, &weight, &bias), ST_OK);
    cr_assert_float_eq(bias, 0, 1e-9);
    cr_assert_float_eq(N * (sigmoid(weight) - 0.8) + LOGISTIC_RIDGE * weight, 0, 1e-5);
    cr_assert_float_eq(weight, 1.0779360, 1e-6);
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
    enum { N = 300, D = LOGISTIC_MAX };
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
    double weight, bias;

    cr_assert_eq(logistic_fit(&(struct logistic_rows){ 2, 1, x }, positive, &weight, &bias), ST_NUMERIC);
}
