/* tests/unit/test_regression.c - the regressions of all findings: the same for any number of threads, and which ridge they get. */
#include "cxrd/rng.h"
#include "jobs/training/balance.h"
#include "jobs/training/folds.h"
#include "jobs/training/regression.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(regression, .fini = check_no_leaks);

enum { LABELS = 3, ROWS = 240, NUMBERS = 20, COPIES = 2 };

static const struct interruption NEVER = { NULL, NULL };
static const struct ridges RIDGES = { 5, { 10000, 1000, 100, 10, 1 } };

/* Rows of 40 patients, each twice. The first number says much of the first finding, the last one of the second; nobody has
 * the third. */
static struct regression drawn(void)
{
    struct regression g;
    struct rng rng;

    cr_assert_eq(regression_init(&g, LABELS, ROWS, NUMBERS), ST_OK);
    g.copies = COPIES;
    g.n_chosen = NUMBERS - 1;
    rng_seed(&rng, 5, 1);
    for (size_t i = 0; i < ROWS; i++) {
        float *x = g.x + i * NUMBERS;

        for (size_t j = 0; j < NUMBERS; j++)
            x[j] = rng_uniform(&rng, -1, 1);
        g.folds[i] = fold_of(i / COPIES / 3);
        g.positive[i] = i % COPIES ? g.positive[i - 1] : x[0] + rng_uniform(&rng, -1, 1) > 0;
        g.positive[ROWS + i] = x[NUMBERS - 1] > 0.3f;
        g.positive[2 * ROWS + i] = 0;
    }
    return g;
}

static void chosen_with(size_t threads, double ridge, struct ridge_choice *ret, double *ret_fitted)
{
    struct regression g = drawn();
    struct pool *pool = NULL;
    struct error err;

    cr_assert_eq(pool_new(threads, POOL_NORMAL, &pool, &err), ST_OK);
    cr_assert_eq(regression_choose(&g, &RIDGES, &NEVER, pool, ret), ST_OK);
    cr_assert_eq(regression_fit(&g, ridge, &NEVER, pool), ST_OK);
    memcpy(ret_fitted, g.fitted, LABELS * (NUMBERS + 1) * sizeof *ret_fitted);
    pool_free(pool);
    regression_release(&g);
}

Test(regression, is_the_same_for_any_number_of_threads)
{
    struct ridge_choice one, other;
    double fitted[LABELS * (NUMBERS + 1)], others[LABELS * (NUMBERS + 1)];

    chosen_with(1, 10, &one, fitted);
    for (size_t threads = 2; threads <= 3; threads++) {
        chosen_with(threads, 10, &other, others);
        cr_assert_eq(memcmp(fitted, others, sizeof fitted), 0, "%zu threads fit other weights", threads);
        cr_assert_eq(memcmp(&one, &other, sizeof one), 0, "%zu threads choose by other losses", threads);
    }
}

/* A finding that nobody has gets its base rate; the ridge is of the chosen numbers alone. */
Test(regression, fits_each_finding_by_its_rows)
{
    struct ridge_choice c;
    double fitted[LABELS * (NUMBERS + 1)];
    const double *third = fitted + 2 * (NUMBERS + 1);

    chosen_with(2, 1e9, &c, fitted);
    for (size_t j = 0; j < NUMBERS; j++)
        cr_assert_eq(third[j], 0);
    cr_assert_float_eq(third[NUMBERS], log_odds(0, (double)ROWS / COPIES), 1e-9);
    cr_assert_float_eq(fitted[0], 0, 1e-6, "the ridge does not hold it: %g", fitted[0]);
    cr_assert_gt(fitted[NUMBERS + 1 + NUMBERS - 1], 0.1);
    chosen_with(2, 1, &c, fitted);
    cr_assert_gt(fitted[0], 0.5);
}

/* By hand: each fold by the fit of the others, of the pictures as they are. */
static double loss_by_hand(double ridge)
{
    struct regression g = drawn();
    double ridges[NUMBERS], fitted[NUMBERS + 1], sum = 0;
    float weights[ROWS];

    for (size_t j = 0; j < NUMBERS; j++)
        ridges[j] = j < NUMBERS - 1 ? ridge : LOGISTIC_RIDGE;
    for (size_t k = 0; k < LABELS; k++)
        for (size_t fold = 0; fold < N_FOLDS; fold++) {
            double seen = 0;

            for (size_t i = 0; i < ROWS; i++) {
                weights[i] = fold_of(i / COPIES / 3) == fold ? 0 : 1.0f / COPIES;
                seen += (double)weights[i];
            }
            cr_assert_eq(logistic_fit(
                             &(struct logistic_rows){
                                 .n = ROWS, .d = NUMBERS, .x = g.x, .ridge = ridges, .weights = weights },
                             g.positive + k * ROWS, fitted),
                         ST_OK);
            if (k == 2) {
                memset(fitted, 0, sizeof fitted);
                fitted[NUMBERS] = log_odds(0, seen);
            }
            for (size_t i = 0; i < ROWS; i += COPIES)
                if (weights[i] == 0)
                    sum += logistic_loss(logistic_logit(fitted, g.x + i * NUMBERS, NUMBERS),
                                         g.positive[k * ROWS + i]);
        }
    regression_release(&g);
    return sum / ((double)ROWS / COPIES * LABELS);
}

Test(regression, chooses_the_ridge_by_patients_that_a_fit_has_not_seen)
{
    double fitted[LABELS * (NUMBERS + 1)];
    struct ridge_choice c;
    size_t best = 0;

    chosen_with(2, 1, &c, fitted);
    cr_assert(c.n_tried >= 3 && c.n_tried <= RIDGES.n);
    for (size_t i = 0; i < c.n_tried; i++) {
        cr_assert_float_eq(c.loss[i], loss_by_hand(RIDGES.at[i]), 1e-5, "ridge %g: %.9f, not %.9f",
                           RIDGES.at[i], c.loss[i], loss_by_hand(RIDGES.at[i]));
        if (c.loss[i] < c.loss[best])
            best = i;
    }
    cr_assert_eq(c.ridge, RIDGES.at[best]);
    cr_assert(best > 0 && best < RIDGES.n, "the rows say nothing of ridges");
}

/* Rows of one patient are in one fold, whoever's they are; each fold is somebody's. */
Test(regression, folds_are_of_patients)
{
    size_t n[N_FOLDS] = { 0 };

    for (uint64_t patient = 0; patient < 1000; patient++) {
        cr_assert_lt(fold_of(patient), N_FOLDS);
        n[fold_of(patient)]++;
    }
    for (size_t fold = 0; fold < N_FOLDS; fold++)
        cr_assert(n[fold] > 150 && n[fold] < 250, "fold %zu has %zu of 1000 patients", fold, n[fold]);
}

static bool yes(void *arg) { return ++*(size_t *)arg > 5; }

Test(regression, is_stopped_when_asked_by_any_thread)
{
    struct regression g = drawn();
    struct ridge_choice c;
    struct pool *pool = NULL;
    struct error err;
    size_t asked = 0;
    const struct interruption stop = { yes, &asked };

    cr_assert_eq(pool_new(3, POOL_NORMAL, &pool, &err), ST_OK);
    cr_assert_eq(regression_choose(&g, &RIDGES, &stop, pool, &c), ST_CANCELLED);
    cr_assert_eq(asked, 6, "it goes on asking after a yes");
    cr_assert_eq(regression_tell(ST_CANCELLED, "x", &err), ST_CANCELLED);
    pool_free(pool);
    regression_release(&g);
}
