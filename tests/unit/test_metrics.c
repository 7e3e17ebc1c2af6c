/* tests/unit/test_metrics.c - every measure against numbers worked out by hand, against its definition written down
 * once more as slow loops over all pairs and thresholds, and what it says where it is not defined. */
#include "cxrd/metrics.h"
#include "cxrd/rng.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

TestSuite(metrics, .fini = check_no_leaks);

static double auroc(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    double value = -1;

    cr_assert_eq(metrics_auroc(n, truth, score, stride, &value), ST_OK);
    return value;
}

static double precision(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    double value = -1;

    cr_assert_eq(metrics_average_precision(n, truth, score, stride, &value), ST_OK);
    return value;
}

/* Equal but for the order in which sums are taken. */
static void check_equal(const char *what, double found, double expected)
{
    if (isnan(expected))
        cr_assert(isnan(found), "%s: %.17g, and it is not defined", what, found);
    else
        cr_assert(fabs(found - expected) <= 1e-12 * fmax(1, fabs(expected)), "%s: %.17g instead of %.17g",
                  what, found, expected);
}

/* ---- by hand ---- */

Test(metrics, auroc_counts_pairs_in_the_right_order_and_half_the_ties)
{
    static const uint8_t TRUTH[] = { 0, 0, 1, 1 };

    check_equal("one pair of four is wrong", auroc(4, TRUTH, (float[]){ .1f, .4f, .35f, .8f }, 1), 0.75);
    check_equal("all right", auroc(4, TRUTH, (float[]){ .1f, .2f, .3f, .4f }, 1), 1);
    check_equal("all wrong", auroc(4, TRUTH, (float[]){ .4f, .3f, .2f, .1f }, 1), 0);
    check_equal("all tied", auroc(4, TRUTH, (float[]){ .5f, .5f, .5f, .5f }, 1), 0.5);
    check_equal("one tie", auroc(4, TRUTH, (float[]){ .1f, .4f, .4f, .8f }, 1), 0.875);
}

/* scikit-learn's example for average_precision_score: 0.8333. */
Test(metrics, average_precision_adds_recall_steps_times_precision)
{
    static const uint8_t TRUTH[] = { 0, 0, 1, 1 };

    check_equal("scikit-learn's", precision(4, TRUTH, (float[]){ .1f, .4f, .35f, .8f }, 1),
                0.5 * 1 + 0.5 * 2 / 3);
    check_equal("all tied", precision(4, TRUTH, (float[]){ .5f, .5f, .5f, .5f }, 1), 0.5);
    check_equal("perfect", precision(4, TRUTH, (float[]){ 0, 0, 1, 1 }, 1), 1);
    check_equal("a tie of both kinds at the top", precision(4, TRUTH, (float[]){ .1f, .8f, .3f, .8f }, 1),
                0.5 * 1 / 2 + 0.5 * 2 / 3);
}

Test(metrics, brier_is_the_mean_squared_difference)
{
    static const uint8_t TRUTH[] = { 1, 0, 1 };

    check_equal("brier", metrics_brier(3, TRUTH, (float[]){ 0.75f, 0.5f, 1 }, 1), (0.0625 + 0.25 + 0) / 3);
}

Test(metrics, ece_weights_the_gap_of_each_tenth_by_its_rows)
{
    static const uint8_t TRUTH[] = { 1, 0, 0, 1, 1 };
    static const float SCORE[] = { 0.25f, 0.28125f, 0.9375f, 1, 0 }; /* bins 2, 2, 9, 9, 0 */

    check_equal("ece", metrics_ece(5, TRUTH, SCORE, 1),
                (2 * fabs(0.265625 - 0.5) + 2 * fabs(0.96875 - 0.5) + 1 * fabs(0.0 - 1)) / 5);
}

Test(metrics, ece_bins_begin_at_tenths_and_end_before_the_next)
{
    static const float EDGES[] = { 0, 0.5f, 1 }; /* exact in binary: bins 0, 5 and 9 */

    for (size_t i = 0; i < 3; i++) { /* in one bin a gap cancels, in two it does not */
        const float near_edge[] = { EDGES[i], i == 2 ? 0.95f : EDGES[i] + 0.05f };
        const uint8_t truth[] = { 1, 0 };
        const double gap = fabs((double)near_edge[0] + (double)near_edge[1] - 1) / 2;

        check_equal("one bin", metrics_ece(2, truth, near_edge, 1), gap);
    }
    check_equal("two bins", metrics_ece(2, (uint8_t[]){ 1, 0 }, (float[]){ 0.5f, 0.484375f }, 1),
                (0.5 + 0.484375) / 2);
}

Test(metrics, loss_is_the_sum_of_cross_entropies)
{
    uint8_t truth[2 * N_NIH_LABELS] = { 0 };
    float score[2 * N_NIH_LABELS];

    for (size_t i = 0; i < 2 * N_NIH_LABELS; i++)
        score[i] = 0.5f;
    truth[3] = 1;
    score[3] = 0.25f;
    score[20] = 0.75f;
    check_equal("loss", metrics_loss_sum(2, N_NIH_LABELS, truth, score),
                26 * log(2) - log(0.25) - log(1 - 0.75));
}

Test(metrics, loss_of_a_certain_mistake_is_finite_as_in_keras)
{
    uint8_t truth[N_NIH_LABELS] = { 1 };
    float score[N_NIH_LABELS] = { 0 };

    check_equal("certain", metrics_loss_sum(1, N_NIH_LABELS, truth, score), -log(1e-7) - 13 * log1p(-1e-7));
    truth[0] = 0;
    score[0] = 1;
    check_equal("the other way", metrics_loss_sum(1, N_NIH_LABELS, truth, score),
                -log1p(-(1 - 1e-7)) - 13 * log1p(-1e-7));
}

/* ---- scores that are no numbers ---- */

Test(metrics, of_scores_that_are_no_numbers_are_none)
{
    static const uint8_t TRUTH[] = { 0, 0, 1, 1, 1 };
    static const float SCORE[] = { .1f, NAN, .35f, .8f, NAN };
    uint8_t truth[N_NIH_LABELS] = { 1 };
    float score[N_NIH_LABELS];
    size_t hits, rows;

    cr_assert(isnan(auroc(5, TRUTH, SCORE, 1)) && isnan(precision(5, TRUTH, SCORE, 1)));
    cr_assert(isnan(metrics_brier(5, TRUTH, SCORE, 1)) && isnan(metrics_ece(5, TRUTH, SCORE, 1)));
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        score[k] = NAN;
    cr_assert(isnan(metrics_loss_sum(1, N_NIH_LABELS, truth, score)));
    metrics_top5(1, N_NIH_LABELS, truth, score, &hits, &rows);
    cr_assert(hits == 0 && rows == 1);
}

/* ---- against slow definitions ---- */

enum { MAX_ROWS = 60 };

struct sample {
    size_t n;
    uint8_t truth[MAX_ROWS * N_NIH_LABELS];
    float score[MAX_ROWS * N_NIH_LABELS];
};

/* Scores on a grid of `levels` values: few levels, many ties. */
static void sample_draw(struct sample *s, size_t n, uint64_t levels, uint64_t seed)
{
    struct rng rng;

    rng_seed(&rng, seed, 1);
    s->n = n;
    for (size_t i = 0; i < n * N_NIH_LABELS; i++) {
        s->truth[i] = rng_below(&rng, 3) == 0;
        s->score[i] = (float)rng_below(&rng, levels) / (float)(levels > 1 ? levels - 1 : 1);
    }
}

static double slow_auroc(const struct sample *s, size_t k)
{
    double wins = 0, pairs = 0;

    for (size_t i = k; i < s->n * N_NIH_LABELS; i += N_NIH_LABELS)
        for (size_t j = k; j < s->n * N_NIH_LABELS; j += N_NIH_LABELS)
            if (s->truth[i] && !s->truth[j]) {
                wins += s->score[i] > s->score[j] ? 1 : s->score[i] == s->score[j] ? 0.5 : 0;
                pairs++;
            }
    return pairs > 0 ? wins / pairs : NAN;
}

/* Rows, and positives among them, that score at least `threshold`. */
static void above(const struct sample *s, size_t k, float threshold, double *rows, double *positives)
{
    *rows = *positives = 0;
    for (size_t i = k; i < s->n * N_NIH_LABELS; i += N_NIH_LABELS)
        if (s->score[i] >= threshold) {
            ++*rows;
            *positives += s->truth[i];
        }
}

/* The sum over distinct thresholds, from the highest, of recall gained times precision there. */
static double slow_precision(const struct sample *s, size_t k)
{
    double all, total, sum = 0, before = 0;

    above(s, k, -1, &all, &total);
    for (float threshold = 2, next; total > 0; threshold = next) {
        double rows, positives;

        next = -1;
        for (size_t i = k; i < s->n * N_NIH_LABELS; i += N_NIH_LABELS)
            if (s->score[i] < threshold && s->score[i] > next)
                next = s->score[i];
        if (next < 0)
            break;
        above(s, k, next, &rows, &positives);
        sum += (positives - before) / total * (positives / rows);
        before = positives;
    }
    return total > 0 ? sum : NAN;
}

static double slow_ece(const struct sample *s, size_t k)
{
    double sum = 0;

    for (int bin = 0; bin < 10; bin++) {
        double rows = 0, scores = 0, positives = 0;

        for (size_t i = k; i < s->n * N_NIH_LABELS; i += N_NIH_LABELS) {
            const int its_bin = (int)fmin(floor((double)s->score[i] * 10), 9);

            if (its_bin == bin) {
                rows++;
                scores += (double)s->score[i];
                positives += s->truth[i];
            }
        }
        if (rows > 0)
            sum += rows / (double)s->n * fabs(scores / rows - positives / rows);
    }
    return s->n ? sum : NAN;
}

static void check_column(const struct sample *s, size_t k)
{
    check_equal("auroc", auroc(s->n, s->truth + k, s->score + k, N_NIH_LABELS), slow_auroc(s, k));
    check_equal("average precision", precision(s->n, s->truth + k, s->score + k, N_NIH_LABELS),
                slow_precision(s, k));
    check_equal("ece", metrics_ece(s->n, s->truth + k, s->score + k, N_NIH_LABELS), slow_ece(s, k));
}

Test(metrics, equal_their_definitions_on_random_scores_with_many_ties)
{
    static const uint64_t LEVELS[] = { 1, 2, 3, 9, 1000 };
    struct sample s;

    for (size_t n = 1; n <= MAX_ROWS; n = n * 2 + 1)
        for (size_t l = 0; l < sizeof LEVELS / sizeof LEVELS[0]; l++)
            for (uint64_t seed = 0; seed < 5; seed++) {
                sample_draw(&s, n, LEVELS[l], seed);
                for (size_t k = 0; k < N_NIH_LABELS; k++)
                    check_column(&s, k);
            }
}

Test(metrics, auroc_of_the_whole_table_is_that_of_one_long_column)
{
    struct sample s, column = { 0 };

    sample_draw(&s, 4, 5, 1);
    column.n = 4 * N_NIH_LABELS; /* 56 rows: each value of the table the first of a row */
    for (size_t i = 0; i < column.n; i++) {
        column.truth[i * N_NIH_LABELS] = s.truth[i];
        column.score[i * N_NIH_LABELS] = s.score[i];
    }
    check_equal("micro", auroc(4 * N_NIH_LABELS, s.truth, s.score, 1), slow_auroc(&column, 0));
}

Test(metrics, do_not_depend_on_the_order_of_rows)
{
    struct sample s, reversed;

    sample_draw(&s, 50, 4, 3);
    reversed.n = s.n;
    for (size_t i = 0; i < s.n; i++) {
        memcpy(reversed.truth + i * N_NIH_LABELS, s.truth + (s.n - 1 - i) * N_NIH_LABELS, N_NIH_LABELS);
        memcpy(reversed.score + i * N_NIH_LABELS, s.score + (s.n - 1 - i) * N_NIH_LABELS,
               N_NIH_LABELS * sizeof(float));
    }
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        check_equal("auroc", auroc(s.n, reversed.truth + k, reversed.score + k, N_NIH_LABELS),
                    slow_auroc(&s, k));
        check_equal("average precision", precision(s.n, reversed.truth + k, reversed.score + k, N_NIH_LABELS),
                    slow_precision(&s, k));
    }
}

/* ---- where there is nothing to say ---- */

Test(metrics, are_not_a_number_where_they_are_not_defined)
{
    static const uint8_t NEGATIVE[3] = { 0, 0, 0 }, POSITIVE[3] = { 1, 1, 1 };
    static const float SCORE[3] = { .1f, .2f, .3f };

    check_equal("no positive", auroc(3, NEGATIVE, SCORE, 1), NAN);
    check_equal("no negative", auroc(3, POSITIVE, SCORE, 1), NAN);
    check_equal("no positive", precision(3, NEGATIVE, SCORE, 1), NAN);
    check_equal("no negative", precision(3, POSITIVE, SCORE, 1), 1);
    check_equal("no row", auroc(0, NEGATIVE, SCORE, 1), NAN);
    check_equal("no row", precision(0, NEGATIVE, SCORE, 1), NAN);
    check_equal("no row", metrics_brier(0, NEGATIVE, SCORE, 1), NAN);
    check_equal("no row", metrics_ece(0, NEGATIVE, SCORE, 1), NAN);
    check_equal("no row", metrics_loss_sum(0, N_NIH_LABELS, NEGATIVE, SCORE), 0);
}

/* ---- top 5 ---- */

/* One row with those findings; 1: a hit, 0: a miss, -1: the row does not count. */
static int top5(const float score[N_NIH_LABELS], const uint8_t truth[N_NIH_LABELS])
{
    size_t hits, rows;

    metrics_top5(1, N_NIH_LABELS, truth, score, &hits, &rows);
    cr_assert(rows <= 1 && hits <= rows);
    return rows ? (int)hits : -1;
}

/* Falling scores: finding k is in place k. */
static const float FALLING[N_NIH_LABELS] = { .95f, .9f,  .85f, .8f,  .75f, .7f, .65f,
                                             .6f,  .55f, .5f,  .45f, .4f,  .3f, .2f };

Test(top5, is_a_hit_while_fewer_than_five_scores_are_greater)
{
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        uint8_t truth[N_NIH_LABELS] = { 0 };

        truth[k] = 1;
        cr_assert_eq(top5(FALLING, truth), k < 5, "the finding in place %zu", k);
    }
}

Test(top5, looks_at_the_first_positive_finding_in_class_order_only)
{
    uint8_t truth[N_NIH_LABELS] = { 0 };
    float rising[N_NIH_LABELS];

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        rising[k] = FALLING[N_NIH_LABELS - 1 - k];
    truth[2] = truth[13] = 1; /* 13 has the best score, 2 one of the worst: a miss, as Keras counts it */
    cr_assert_eq(top5(rising, truth), 0);
    truth[2] = 0;
    cr_assert_eq(top5(rising, truth), 1);
    cr_assert_eq(top5(FALLING, (uint8_t[N_NIH_LABELS]){ [4] = 1, [13] = 1 }), 1);
}

Test(top5, counts_only_scores_that_are_strictly_greater)
{
    float tied[N_NIH_LABELS];
    uint8_t truth[N_NIH_LABELS] = { 0 };

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        tied[k] = 0.5f;
    truth[13] = 1;
    cr_assert_eq(top5(tied, truth), 1, "thirteen equals are not greater");
    for (size_t k = 0; k < 4; k++)
        tied[k] = 0.75f;
    cr_assert_eq(top5(tied, truth), 1, "four are greater");
    tied[4] = 0.75f;
    cr_assert_eq(top5(tied, truth), 0, "five are greater");
}

Test(top5, leaves_out_rows_without_a_positive)
{
    uint8_t truth[3 * N_NIH_LABELS] = { 0 };
    float score[3 * N_NIH_LABELS];
    size_t hits, rows;

    for (size_t i = 0; i < 3; i++)
        memcpy(score + i * N_NIH_LABELS, FALLING, sizeof FALLING);
    truth[0 * N_NIH_LABELS + 1] = 1;  /* a hit */
    truth[2 * N_NIH_LABELS + 12] = 1; /* a miss */
    metrics_top5(3, N_NIH_LABELS, truth, score, &hits, &rows);
    cr_assert(hits == 1 && rows == 2, "%zu of %zu", hits, rows);
    cr_assert_eq(top5(FALLING, (uint8_t[N_NIH_LABELS]){ 0 }), -1);
    metrics_top5(0, N_NIH_LABELS, truth, score, &hits, &rows);
    cr_assert(hits == 0 && rows == 0);
}

/* ---- calibration by chance ---- */

/* The mean and the standard deviation of the ECE of truths that are drawn by their scores. */
static void drawn_ece(size_t n, const float *score, double *ret_mean, double *ret_sd)
{
    enum { DRAWS = 2000 };
    static uint8_t truth[400];
    struct rng rng;
    double sum = 0, squares = 0;

    rng_seed(&rng, 3, 3);
    for (int draw = 0; draw < DRAWS; draw++) {
        double ece;

        for (size_t i = 0; i < n; i++)
            truth[i] = rng_unit(&rng) < (double)score[i];
        ece = metrics_ece(n, truth, score, 1);
        sum += ece;
        squares += ece * ece;
    }
    *ret_mean = sum / DRAWS;
    *ret_sd = sqrt(squares / DRAWS - *ret_mean * *ret_mean);
}

Test(metrics, the_ece_of_a_model_without_a_fault_is_what_chance_makes_it)
{
    static const size_t ROWS[] = { 20, 60, 400 };
    static const float UP_TO[] = { 0.05f, 0.3f, 1 };

    for (size_t i = 0; i < 9; i++) {
        const size_t n = ROWS[i / 3];
        float score[400];
        struct rng rng;
        double mean, sd, found, found_sd;

        rng_seed(&rng, i, 4);
        for (size_t j = 0; j < n; j++)
            score[j] = rng_uniform(&rng, 0, UP_TO[i % 3]);
        drawn_ece(n, score, &mean, &sd);
        metrics_ece_expected(n, (uint8_t[400]){ 0 }, score, 1, &found, &found_sd);
        cr_assert(fabs(found - mean) < 0.12 * mean, "%zu rows up to %g: %g instead of %g", n,
                  (double)UP_TO[i % 3], found, mean);
        cr_assert(fabs(found_sd - sd) < 0.4 * sd, "%zu rows up to %g: sd %g instead of %g", n,
                  (double)UP_TO[i % 3], found_sd, sd);
    }
}

/* ---- rows as a whole ---- */

static void check_sample(const char *what, const uint8_t *truth, const float *score, const float *threshold,
                         const double expected[N_SAMPLE_MEASURES])
{
    double found[N_SAMPLE_MEASURES];

    metrics_sample(N_NIH_LABELS, truth, score, threshold, found);
    for (int m = 0; m < N_SAMPLE_MEASURES; m++) {
        char name[128];

        snprintf(name, sizeof name, "%s: %s", what, SAMPLE_MEASURE_NAMES[m]);
        check_equal(name, found[m], expected[m]);
    }
}

Test(metrics, of_a_row_by_hand)
{
    static const uint8_t TWO[N_NIH_LABELS] = { 1, 0, 1 }, NOTHING[N_NIH_LABELS] = { 0 };
    uint8_t all[N_NIH_LABELS];
    float score[N_NIH_LABELS] = { .9f, .7f, .5f, .5f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f, .1f },
          half[N_NIH_LABELS], never[N_NIH_LABELS], zero[N_NIH_LABELS] = { 0 };

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        half[k] = .5f;
        never[k] = NAN;
        all[k] = 1;
    }
    /* Four are called, two of them are there. The second is found behind one that is not and beside another. */
    check_sample("two of four", TWO, score, half,
                 (double[]){ 2. / 14, 0, 2. * 2 / 6, 2. / 4, (1 + 2. / 4) / 2, 4, 2. / 24 });
    check_sample("none of two", TWO, score, never,
                 (double[]){ 2. / 14, 0, 0, 0, (1 + 2. / 4) / 2, 4, 2. / 24 });
    check_sample("nothing there, four called", NOTHING, score, half, (double[]){ 4. / 14, 0, 0, 0, 1, 0, 0 });
    check_sample("nothing there or called", NOTHING, score, never, (double[]){ 0, 1, 0, 0, 1, 0, 0 });
    check_sample("all there and called", all, score, zero, (double[]){ 0, 1, 1, 1, 1, 14, 0 });
    check_sample("all tied", TWO, half, half, (double[]){ 12. / 14, 0, 4. / 16, 2. / 14, 2. / 14, 14, 1 });
    score[13] = NAN;
    check_sample("no number", TWO, score, half, (double[]){ NAN, NAN, NAN, NAN, NAN, NAN, NAN });
}

/* The same as sets and pairs. */
static void sample_by_pairs(const uint8_t *truth, const float *score, const float *threshold,
                            double ret[N_SAMPLE_MEASURES])
{
    double both = 0, either = 0, wrong = 0, pairs = 0, reversed = 0, precision = 0, there = 0, cover = 0;

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        const bool call = score[k] >= threshold[k];

        both += truth[k] && call;
        either += truth[k] || call;
        wrong += (truth[k] == 1) != call;
        there += truth[k];
    }
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        double rank = 0, right = 0;

        for (size_t j = 0; j < N_NIH_LABELS; j++) {
            rank += !(score[j] < score[k]);
            right += !(score[j] < score[k]) && truth[j];
            pairs += truth[k] && !truth[j];
            reversed += truth[k] && !truth[j] && !(score[k] > score[j]);
        }
        precision += truth[k] ? right / rank : 0;
        cover = truth[k] ? fmax(cover, rank) : cover;
    }
    ret[SAMPLE_HAMMING_LOSS] = wrong / N_NIH_LABELS;
    ret[SAMPLE_SUBSET_ACCURACY] = wrong > 0 ? 0 : 1;
    ret[SAMPLE_F1] = either > 0 ? 2 * both / (both + either) : 0;
    ret[SAMPLE_JACCARD] = either > 0 ? both / either : 0;
    ret[SAMPLE_RANKING_PRECISION] = there > 0 ? precision / there : 1;
    ret[SAMPLE_COVERAGE_ERROR] = cover;
    ret[SAMPLE_RANKING_LOSS] = pairs > 0 ? reversed / pairs : 0;
}

/* Rows of none to all 14 findings, scores of a few levels up to ones without a tie. */
Test(metrics, of_any_row_by_sets_and_pairs)
{
    struct rng rng;

    rng_seed(&rng, 24, 1);
    for (int i = 0; i < 3000; i++) {
        const double rate = rng_unit(&rng) * 1.2 - 0.1, levels = i % 3 ? 1 + i % 7 : 1e6;
        uint8_t truth[N_NIH_LABELS];
        float score[N_NIH_LABELS], threshold[N_NIH_LABELS];
        double expected[N_SAMPLE_MEASURES];

        for (size_t k = 0; k < N_NIH_LABELS; k++) {
            truth[k] = rng_unit(&rng) < rate;
            score[k] = (float)(floor(rng_unit(&rng) * levels) / levels);
            threshold[k] = rng_unit(&rng) < 0.1 ? NAN : (float)(floor(rng_unit(&rng) * levels) / levels);
        }
        sample_by_pairs(truth, score, threshold, expected);
        check_sample("drawn", truth, score, threshold, expected);
    }
}
