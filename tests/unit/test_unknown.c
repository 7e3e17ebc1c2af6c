/* tests/unit/test_unknown.c - a truth that is not known is passed over: every figure is what it would be without the row in its
 * column, whatever is said of it. */
#include "cxrd/metrics.h"
#include "cxrd/rng.h"
#include "jobs/training/balance.h"
#include "jobs/training/calibrate.h"
#include "jobs/training/decision.h"
#include "jobs/training/evaluate.h"
#include "jobs/training/folds.h"
#include "jobs/training/logistic.h"
#include "jobs/training/operating.h"
#include "jobs/training/regression.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(unknown, .fini = check_no_leaks);

enum { ROWS = 240, FINDINGS = 4, PATIENTS = 90 };

static const struct labels LABELS = { FINDINGS, { "One", "Two", "Three", "Never known" } };

/* Scores that say something of the truth; of the first finding all is known, of the last nothing. */
struct case_of {
    uint8_t truth[ROWS * FINDINGS];
    float prob[ROWS * FINDINGS], logits[ROWS * FINDINGS];
    uint64_t patients[ROWS];
    uint32_t rows[ROWS];
    struct scores s;
};

static void case_make(struct case_of *c, uint64_t seed)
{
    struct rng rng;

    rng_seed(&rng, seed, 7);
    for (size_t i = 0; i < ROWS; i++) {
        c->patients[i] = 1 + (uint64_t)(rng_unit(&rng) * PATIENTS);
        c->rows[i] = (uint32_t)i;
        for (size_t k = 0; k < FINDINGS; k++) {
            const size_t at = i * FINDINGS + k;
            const bool there = rng_unit(&rng) < 0.3, known = rng_unit(&rng) < (double[]){ 1, 0.7, 0.4, 0 }[k];

            c->logits[at] = rng_uniform(&rng, -3, 2) + (there ? 1.5f : 0);
            c->prob[at] = 1 / (1 + expf(-c->logits[at]));
            c->truth[at] = known ? there : TRUTH_UNKNOWN;
        }
    }
    c->s = (struct scores){ .n = ROWS,
                            .labels = &LABELS,
                            .rows = c->rows,
                            .patients = c->patients,
                            .truth = c->truth,
                            .prob = c->prob,
                            .logits = c->logits };
}

/* The rows of one finding of which it is known, as scores of this finding alone. */
struct packed {
    struct labels labels;
    uint8_t truth[ROWS];
    float prob[ROWS], logits[ROWS];
    uint64_t patients[ROWS];
    uint32_t rows[ROWS];
    struct scores s;
};

static void pack(const struct case_of *c, size_t k, struct packed *p)
{
    size_t n = 0;

    for (size_t i = 0; i < ROWS; i++) {
        const size_t at = i * FINDINGS + k;

        if (c->truth[at] == TRUTH_UNKNOWN)
            continue;
        p->truth[n] = c->truth[at];
        p->prob[n] = c->prob[at];
        p->logits[n] = c->logits[at];
        p->patients[n] = c->patients[i];
        p->rows[n++] = (uint32_t)i;
    }
    p->labels = (struct labels){ 1, { "One" } };
    p->s = (struct scores){ .n = n,
                            .labels = &p->labels,
                            .rows = p->rows,
                            .patients = p->patients,
                            .truth = p->truth,
                            .prob = p->prob,
                            .logits = p->logits };
}

static void check_equal(const char *what, size_t k, double found, double expected)
{
    cr_assert((isnan(found) && isnan(expected)) || fabs(found - expected) < 1e-12, "%s of %zu: %.17g, %.17g",
              what, k, found, expected);
}

static void check_estimate(const char *what, size_t k, const struct estimate *found,
                           const struct estimate *expected)
{
    check_equal(what, k, found->value, expected->value);
    check_equal(what, k, found->error, expected->error);
    check_equal(what, k, found->low, expected->low);
    check_equal(what, k, found->high, expected->high);
}

static struct operating_points points_of(const struct scores *s)
{
    struct operating_points points;

    cr_assert_eq(evaluate_thresholds(s, &points), ST_OK);
    return points;
}

static void check_finding(size_t k, const struct finding_report *found, const struct finding_report *expected)
{
    cr_assert_eq(found->positives, expected->positives);
    cr_assert_eq(found->positive_patients, expected->positive_patients);
    check_equal("prevalence", k, found->prevalence, expected->prevalence);
    check_equal("predicted mean", k, found->predicted_mean, expected->predicted_mean);
    check_estimate("auroc", k, &found->auroc, &expected->auroc);
    check_equal("average precision", k, found->average_precision, expected->average_precision);
    check_estimate("brier", k, &found->brier, &expected->brier);
    check_equal("baseline brier", k, found->baseline_brier, expected->baseline_brier);
    check_equal("ece", k, found->ece, expected->ece);
    check_equal("ece expected", k, found->ece_expected, expected->ece_expected);
    check_equal("its spread", k, found->ece_expected_sd, expected->ece_expected_sd);
    for (int kind = 0; kind < N_OPERATING; kind++) {
        check_equal("threshold", k, found->operating[kind].threshold, expected->operating[kind].threshold);
        check_estimate("sensitivity", k, &found->operating[kind].sensitivity,
                       &expected->operating[kind].sensitivity);
        check_estimate("specificity", k, &found->operating[kind].specificity,
                       &expected->operating[kind].specificity);
    }
}

Test(unknown, a_finding_is_judged_by_the_rows_that_are_known)
{
    static struct case_of c;
    static struct packed p;
    const double rates[FINDINGS] = { 0.3, 0.3, 0.3, 0.5 };

    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct operating_points points;
        static struct evaluation all, one;

        case_make(&c, seed);
        points = points_of(&c.s);
        cr_assert_eq(evaluate(&c.s, &points, rates, &all), ST_OK);
        for (size_t k = 0; k < FINDINGS; k++) {
            struct operating_points own;

            pack(&c, k, &p);
            own = points_of(&p.s);
            cr_assert_eq(evaluate(&p.s, &own, rates + k, &one), ST_OK);
            cr_assert_eq(all.findings[k].unknown, ROWS - p.s.n);
            check_finding(k, &all.findings[k], &one.findings[0]);
        }
        cr_assert(isnan(all.findings[3].auroc.value) && isnan(all.findings[3].brier.value));
        check_equal(
            "macro brier", 0, all.macro.brier,
            (all.findings[0].brier.value + all.findings[1].brier.value + all.findings[2].brier.value) / 3);
        check_equal("macro brier with its error", 0, all.macro_brier.value, all.macro.brier);
    }
}

/* The mean over all that is known, and the error of such a ratio by patient. */
Test(unknown, the_loss_is_the_mean_of_what_is_known)
{
    static struct case_of c;
    static struct evaluation e;
    const double rates[FINDINGS] = { 0.3, 0.3, 0.3, 0.5 };
    const struct operating_points points = OPERATING_NONE;
    double sum = 0, known = 0, squares = 0, patients = 0;

    case_make(&c, 1);
    cr_assert_eq(evaluate(&c.s, &points, rates, &e), ST_OK);
    for (size_t at = 0; at < ROWS * FINDINGS; at++)
        if (c.truth[at] != TRUTH_UNKNOWN) {
            sum -= c.truth[at] ? log((double)c.prob[at]) : log1p(-(double)c.prob[at]);
            known++;
        }
    check_equal("loss", 0, e.loss.value, sum / known);
    for (uint64_t id = 1; id <= PATIENTS; id++) {
        double of_patient = 0, rows = 0;

        for (size_t i = 0; i < ROWS; i++)
            for (size_t k = 0; k < FINDINGS && c.patients[i] == id; k++) {
                const size_t at = i * FINDINGS + k;

                rows++;
                if (c.truth[at] != TRUTH_UNKNOWN)
                    of_patient -=
                        (c.truth[at] ? log((double)c.prob[at]) : log1p(-(double)c.prob[at])) + sum / known;
            }
        squares += of_patient * of_patient / known / known;
        patients += rows > 0;
    }
    cr_assert_float_eq(e.loss.error, sqrt(squares * patients / (patients - 1)), 1e-12);
    cr_assert_eq(e.patients, (size_t)patients);
    check_equal("what it gains", 0, e.loss_gain.value, e.baseline.loss - e.loss.value);
}

/* All that is said where nothing is known may be anything. */
Test(unknown, what_is_said_of_it_changes_nothing)
{
    static struct case_of c;
    static struct evaluation before, after;
    static struct decisions decided, again;
    const double rates[FINDINGS] = { 0.3, 0.3, 0.3, 0.5 }, log_odds[FINDINGS] = { -1, -1, -1, 0 };
    const struct calibration_rows rows = { ROWS, FINDINGS, c.logits, c.truth, c.patients, log_odds };
    struct calibration_fit fit, refit;
    struct operating_points points;

    case_make(&c, 2);
    points = points_of(&c.s);
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    cr_assert_eq(evaluate(&c.s, &points, rates, &before), ST_OK);
    cr_assert_eq(decide(&c.s, &points, &decided), ST_OK);
    cr_assert_eq(calibrate(&rows, CALIBRATION_OF_TRAINING, &fit), ST_OK);
    for (size_t at = 0; at < ROWS * FINDINGS; at++)
        if (c.truth[at] == TRUTH_UNKNOWN) {
            c.prob[at] = at % 2 ? 0.999f : 0.001f;
            c.logits[at] = at % 2 ? 40 : -40;
        }
    cr_assert_eq(evaluate(&c.s, &points, rates, &after), ST_OK);
    for (size_t k = 0; k < FINDINGS; k++)
        check_finding(k, &after.findings[k], &before.findings[k]);
    check_estimate("loss", 0, &after.loss, &before.loss);
    check_estimate("macro auroc", 0, &after.macro_auroc, &before.macro_auroc);
    check_estimate("macro brier", 0, &after.macro_brier, &before.macro_brier);
    check_equal("micro auroc", 0, after.micro.auroc, before.micro.auroc);
    check_equal("top 5", 0, after.top5_accuracy, before.top5_accuracy);
    for (int m = 0; m < N_SAMPLE_MEASURES - N_CALL_MEASURES; m++)
        check_estimate("order", (size_t)m, &after.by_sample.order[m], &before.by_sample.order[m]);
    for (int m = 0; m < N_CALL_MEASURES; m++)
        check_estimate("calls", (size_t)m, &after.by_sample.operating[0].measure[m],
                       &before.by_sample.operating[0].measure[m]);
    cr_assert_eq(decide(&c.s, &points, &again), ST_OK);
    for (size_t k = 0; k < FINDINGS; k++) {
        const struct decision_finding *a = &decided.findings[k], *b = &again.findings[k];

        cr_assert(a->true_positives == b->true_positives && a->false_positives == b->false_positives &&
                  a->true_negatives == b->true_negatives && a->false_negatives == b->false_negatives);
        cr_assert_eq(a->true_positives + a->false_negatives,
                     isnan(a->threshold) ? 0 : before.findings[k].positives);
        check_estimate("ppv", k, &a->ppv, &b->ppv);
        check_estimate("slope", k, &a->slope, &b->slope);
        check_estimate("benefit", k, &a->benefit[1].gain, &b->benefit[1].gain);
    }
    cr_assert_eq(calibrate(&rows, CALIBRATION_OF_TRAINING, &refit), ST_OK);
    check_equal("loss before calibration", 0, refit.loss_before, fit.loss_before);
    check_equal("loss after it", 0, refit.loss_after, fit.loss_after);
    for (size_t k = 0; k < FINDINGS; k++)
        check_equal("scale", k, (double)refit.calibration.scale[k], (double)fit.calibration.scale[k]);
}

/* The fit of a column is the fit of its rows that are known. */
Test(unknown, a_regression_leaves_the_row_out)
{
    static struct case_of c;
    static struct packed p;
    float x[ROWS], known[ROWS];
    uint8_t truth[ROWS];
    double fitted[2], own[2];

    case_make(&c, 3);
    pack(&c, 2, &p);
    for (size_t i = 0; i < ROWS; i++) {
        x[i] = c.logits[i * FINDINGS + 2];
        truth[i] = c.truth[i * FINDINGS + 2];
    }
    for (size_t i = 0; i < p.s.n; i++)
        known[i] = p.logits[i];
    cr_assert_eq(logistic_fit(&(struct logistic_rows){ .n = ROWS, .d = 1, .x = x }, truth, fitted), ST_OK);
    cr_assert_eq(logistic_fit(&(struct logistic_rows){ .n = p.s.n, .d = 1, .x = known }, p.truth, own),
                 ST_OK);
    check_equal("weight", 0, fitted[0], own[0]);
    check_equal("bias", 0, fitted[1], own[1]);
}

/* 8 rows: finding 0 is there in 2 of the 4 that are known, finding 1 in all of none. */
Test(unknown, rates_are_of_the_rows_that_are_known)
{
    struct table_row rows[8] = { { 0 } };
    uint32_t index[8];
    struct table t = { .labels = { 2, { "One", "Two" } }, .rows = rows, .n_rows = 8 };
    const struct rows train = { 8, index };

    for (uint32_t i = 0; i < 8; i++) {
        index[i] = i;
        rows[i].labels = i < 2;
        rows[i].unknown = (i >= 4) | 2;
    }
    for (int how = BALANCE_NONE; how <= BALANCE_WEIGHT; how++) {
        const float logits[] = { 3, 5 };
        const uint8_t truth[] = { 1, TRUTH_UNKNOWN };
        struct balance b;

        cr_assert_eq(balance_init(&b, (enum balancing)how, &t, &train), ST_OK);
        cr_assert_float_eq(b.log_odds[0] - b.shift[0], 0, 1e-6, "%d: %g", how, b.log_odds[0]);
        cr_assert_float_eq(b.log_odds[1], 0, 1e-6); /* of nothing: neither more nor less likely than not */
        cr_assert_float_eq(balance_unweighted_loss(&b, logits, truth),
                           log1p(exp(-(3 - b.shift[0]))) / 2 *
                               (b.row_weights ? b.mean_often / (double)b.row_weights[0] : 1),
                           1e-6);
        balance_release(&b);
    }
}

/* So is the choice of its ridge by folds of patients. */
Test(unknown, cross_validation_leaves_the_row_out)
{
    static struct case_of c;
    static struct packed p;
    const struct ridges ridges = { 3, { 100, 10, 1 } };
    struct interruption never = { 0 };
    struct regression with, without;
    struct ridge_choice found, expected;

    case_make(&c, 4);
    pack(&c, 1, &p);
    cr_assert_eq(regression_init(&with, 1, ROWS, 1), ST_OK);
    cr_assert_eq(regression_init(&without, 1, p.s.n, 1), ST_OK);
    with.n_chosen = without.n_chosen = 1;
    for (size_t i = 0; i < ROWS; i++) {
        with.x[i] = c.logits[i * FINDINGS + 1];
        with.positive[i] = c.truth[i * FINDINGS + 1];
        with.folds[i] = fold_of(c.patients[i]);
    }
    for (size_t i = 0; i < p.s.n; i++) {
        without.x[i] = p.logits[i];
        without.positive[i] = p.truth[i];
        without.folds[i] = fold_of(p.patients[i]);
    }
    cr_assert_eq(regression_choose(&with, &ridges, &never, NULL, &found), ST_OK);
    cr_assert_eq(regression_choose(&without, &ridges, &never, NULL, &expected), ST_OK);
    cr_assert_eq(found.n_tried, expected.n_tried);
    for (size_t i = 0; i < found.n_tried; i++)
        check_equal("loss of a ridge", i, found.loss[i], expected.loss[i]);
    cr_assert_eq(regression_fit(&with, 1, &never, NULL), ST_OK);
    cr_assert_eq(regression_fit(&without, 1, &never, NULL), ST_OK);
    check_equal("weight", 0, regression_fitted(&with, 0)[0], regression_fitted(&without, 0)[0]);
    regression_release(&with);
    regression_release(&without);
}
