/* tests/unit/test_drift.c - the reference that a training leaves in the weights, and what a server sees by it. */
#include "cxrd/rng.h"
#include "jobs/training/score_reference.h"
#include "server/api/drift.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 200 };

/* Scores (i + 1) / ROWS for every finding, backwards. */
static json_t *reference(void)
{
    float prob[ROWS * N_NIH_LABELS];
    struct scores s = { .n = ROWS, .labels = &NIH_LABELS, .prob = prob };
    char *text;
    json_t *rows;

    for (size_t i = 0; i < ROWS; i++)
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            prob[i * N_NIH_LABELS + k] = (float)(ROWS - i) / ROWS;
    text = score_reference_text(&s);
    cr_assert_not_null(text);
    rows = json_loads(text, 0, NULL);
    free(text);
    return rows;
}

Test(drift, a_reference_is_nine_deciles_a_finding)
{
    json_t *rows = reference();

    cr_assert_eq(json_array_size(rows), N_NIH_LABELS);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        cr_assert_eq(json_array_size(json_array_get(rows, k)), 9);
        for (size_t d = 0; d < 9; d++)
            cr_assert_float_eq(json_real_value(json_array_get(json_array_get(rows, k), d)),
                               0.1 * (double)(d + 1), 1e-6);
    }
    json_decref(rows);
}

static struct drift with_deciles(void)
{
    struct drift d = { .model = "m", .known = true, .reference = 400, .labels = NIH_LABELS };

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        for (size_t i = 0; i < DRIFT_BINS - 1; i++)
            d.deciles[k][i] = 0.1 * (double)(i + 1);
    return d;
}

/* n scores of every finding, spread evenly over 0..most, in no order. */
static void feed(struct drift *d, size_t n, double most)
{
    const struct loaded_model by = { .id = "m" };

    for (size_t i = 0; i < n; i++) {
        json_t *p = json_object();

        for (size_t k = 0; k < N_NIH_LABELS; k++)
            json_object_set_new(p, NIH_LABELS.names[k],
                                json_real(most * ((double)(i * 7 % n) + 0.5) / (double)n));
        drift_add(d, &by, p);
        json_decref(p);
    }
}

Test(drift, scores_like_those_of_validation_do_not_drift)
{
    struct drift d = with_deciles();
    double psi[MAX_LABELS], latest;

    feed(&d, 1000, 1);
    cr_assert(drift_psi(&d, psi, &latest));
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert(psi[k] > -0.05 && psi[k] < 0.01, "%g", psi[k]);
}

Test(drift, scores_that_are_half_as_high_do)
{
    struct drift d = with_deciles();
    double psi[MAX_LABELS], latest;

    feed(&d, 1000, 0.5);
    cr_assert(drift_psi(&d, psi, &latest));
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_gt(psi[k], 0.25);
}

Test(drift, too_few_say_nothing)
{
    struct drift d = with_deciles();
    double psi[MAX_LABELS], latest;

    feed(&d, DRIFT_LEAST - 1, 1);
    cr_assert_not(drift_psi(&d, psi, &latest));
}

Test(drift, the_latest_weigh_most)
{
    struct drift d = with_deciles();
    double psi[MAX_LABELS], latest;

    feed(&d, DRIFT_WINDOW, 0.5);
    for (int i = 0; i < 4; i++)
        feed(&d, DRIFT_WINDOW, 1);
    cr_assert(drift_psi(&d, psi, &latest));
    cr_assert_lt(psi[0], 0.1);
}

/* Deciles of 63 scores, and 500 later ones of the same kind: most often nothing is shown, where a plain PSI would show 0.16
 * on average. */
Test(drift, few_validation_rows_are_not_taken_for_drift)
{
    enum { REFERENCE = 63, TRIALS = 40 };
    struct rng rng;
    double sum = 0;
    size_t high = 0;

    rng_seed(&rng, 5, 5);
    for (int trial = 0; trial < TRIALS; trial++) {
        const struct loaded_model by = { .id = "m" };
        struct drift d = { .model = "m", .known = true, .reference = REFERENCE, .labels = NIH_LABELS };
        double scores[REFERENCE], psi[MAX_LABELS], latest;

        for (size_t i = 0; i < REFERENCE; i++) {
            size_t at = i;
            const double score = rng_unit(&rng);

            for (; at > 0 && scores[at - 1] > score; at--)
                scores[at] = scores[at - 1];
            scores[at] = score;
        }
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            for (size_t i = 1; i < DRIFT_BINS; i++)
                d.deciles[k][i - 1] = scores[(REFERENCE * i + 9) / 10 - 1];
        for (size_t i = 0; i < DRIFT_LEAST; i++) {
            json_t *p = json_object();

            for (size_t k = 0; k < N_NIH_LABELS; k++)
                json_object_set_new(p, NIH_LABELS.names[k], json_real(rng_unit(&rng)));
            drift_add(&d, &by, p);
            json_decref(p);
        }
        cr_assert(drift_psi(&d, psi, &latest));
        cr_assert_eq(latest, DRIFT_LEAST);
        sum += psi[0];
        high += psi[0] > 0.25;
    }
    cr_assert_lt(fabs(sum / TRIALS), 0.05, "%g on average", sum / TRIALS);
    cr_assert_leq(high, TRIALS / 20, "%zu of %d are above 0.25", high, TRIALS);
}

Test(drift, older_scores_are_worth_less)
{
    struct drift d = with_deciles();
    double psi[MAX_LABELS], latest;

    feed(&d, 600, 1);
    cr_assert(drift_psi(&d, psi, &latest));
    cr_assert_eq(latest, 600);
    feed(&d, DRIFT_WINDOW, 1);
    cr_assert(drift_psi(&d, psi, &latest));
    cr_assert(latest > DRIFT_WINDOW && latest < DRIFT_WINDOW + 600, "%g", latest);
}
