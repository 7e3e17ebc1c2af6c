/* tests/unit/test_decision.c - decisions: equal to figures worked out elsewhere, and of odd sizes no nonsense. */
#include "jobs/training/decision.h"
#include "jobs/training/plots.h"
#include "jobs/training/recalibration.h"

#include "cxrd/metrics.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

TestSuite(decision, .fini = check_no_leaks);

enum { MASS = 9, FILMS = 240 };

/* Two films of each of 120 patients, of Mass; the same numbers as in test_groups.c, from which a page of Python made the
 * expected figures. All other findings are missing, with scores of 0.1. */
static void films(struct scores *s)
{
    uint32_t lot = 12345;

    cr_assert_eq(scores_init(s, &NIH_LABELS, FILMS), ST_OK);
    for (unsigned i = 0; i < FILMS; i++) {
        const unsigned patient = i / 2;
        const bool woman = patient % 3 == 0, positive = (patient * 7 + i % 2 * 3) % 5 < 2;

        lot = lot * 1664525u + 1013904223u;
        for (size_t k = 0; k < N_NIH_LABELS; k++) {
            s->truth[i * N_NIH_LABELS + k] = k == MASS && positive;
            s->prob[i * N_NIH_LABELS + k] =
                k == MASS ? (float)((lot >> 8) % 1000 / 1000.0 * 0.7 + (positive ? (woman ? 0.05 : 0.3) : 0))
                          : 0.1f;
        }
        s->rows[i] = i;
        s->patients[i] = patient;
    }
    s->n = FILMS;
}

static struct operating_points half(void)
{
    struct operating_points p = OPERATING_NONE;

    p.threshold[OPERATE_YOUDEN][MASS] = 0.5f;
    return p;
}

static struct decisions decisions_of(const struct scores *s)
{
    const struct operating_points p = half();
    struct decisions d;

    cr_assert_eq(decide(s, &p, &d), ST_OK);
    return d;
}

static void check_figure(const struct estimate *e, double value, double error, const char *what)
{
    cr_assert_float_eq(e->value, value, 1e-9, "%s: %.12g, not %.12g", what, e->value, value);
    cr_assert_float_eq(e->error, error, 1e-9, "%s: error %.12g, not %.12g", what, e->error, error);
}

/* Python: counts; a rate's error from sums within patients, as in test_groups.c. */
Test(decision, counts_and_predictive_values_are_those_of_the_rows)
{
    struct scores s;
    struct decisions d;
    const struct decision_finding *f;

    films(&s);
    d = decisions_of(&s);
    f = &d.findings[MASS];
    cr_assert(d.rows == FILMS && d.patients == FILMS / 2);
    cr_assert(f->true_positives == 60 && f->false_positives == 40 && f->true_negatives == 104 &&
              f->false_negatives == 36);
    check_figure(&f->ppv, 0.6, 0.0446385483635, "PPV");
    check_figure(&f->npv, 0.742857142857, 0.0304681506645, "NPV");
    cr_assert(f->ppv.low < 0.6 && f->ppv.high > 0.6);
    f = &d.findings[MASS - 1];
    cr_assert(isnan(f->threshold) && isnan(f->ppv.value) && isnan(f->slope.value) &&
              isnan(f->benefit[0].model));
    scores_release(&s);
}

/* Python: the intercept by halving where the gradient changes sign, the slope by halving over such intercepts; errors from the
 * inverse of the information times each row's gradient, summed within patients. No Newton in it. */
Test(decision, calibration_is_where_the_gradient_is_nothing)
{
    struct scores s;
    struct decisions d;

    films(&s);
    d = decisions_of(&s);
    check_figure(&d.findings[MASS].intercept, -0.26927126943, 0.114503336043, "intercept");
    check_figure(&d.findings[MASS].slope, 0.848400307924, 0.145862629474, "slope");
    cr_assert(d.findings[MASS].slope.low < 1 && d.findings[MASS].slope.high > 1);
    scores_release(&s);
}

Test(decision, net_benefit_is_true_alarms_less_what_false_ones_cost)
{
    static const double EXPECTED[N_BENEFITS][4] = {
        { 0.370175438596, 0.368421052632, 0.00175438596491, 0.000601749421553 },
        { 0.321296296296, 0.333333333333, -0.012037037037, 0.0093023429644 },
        { 0.283333333333, 0.294117647059, -0.0107843137255, 0.0113588192188 },
        { 0.240625, 0.25, -0.009375, 0.0142784634523 },
        { 0.223611111111, 0.2, 0.0236111111111, 0.0156923217705 },
        { 0.198214285714, 0.142857142857, 0.0553571428571, 0.0182570761167 }
    };
    struct scores s;
    struct decisions d;

    films(&s);
    d = decisions_of(&s);
    for (size_t i = 0; i < N_BENEFITS; i++) {
        const struct benefit *b = &d.findings[MASS].benefit[i];

        cr_assert_float_eq(b->model, EXPECTED[i][0], 1e-9);
        cr_assert_float_eq(b->treat_all, EXPECTED[i][1], 1e-9);
        check_figure(&b->gain, EXPECTED[i][2], EXPECTED[i][3], "gain");
    }
    scores_release(&s);
}

/* Where treating all costs more than it brings, nobody is treated, and that is what the model is held against. */
Test(decision, a_model_that_calls_nobody_gains_nothing_over_treating_none)
{
    struct scores s;
    struct decisions d;

    films(&s);
    for (size_t i = 0; i < FILMS; i++) {
        s.truth[i * N_NIH_LABELS + MASS] = i < 12;
        s.prob[i * N_NIH_LABELS + MASS] = 0.01f;
    }
    d = decisions_of(&s);
    for (size_t i = 1; i < N_BENEFITS; i++) {
        const struct benefit *b = &d.findings[MASS].benefit[i];

        cr_assert(b->model == 0 && b->treat_all < 0 && b->gain.value == 0);
    }
    scores_release(&s);
}

/* Log-odds that were doubled ask for a slope of half; a shift of one for an intercept of minus one. */
Test(decision, a_change_of_the_log_odds_is_found_again)
{
    struct scores s;
    struct patients p;
    uint8_t truth[FILMS];
    float score[FILMS], changed[FILMS];
    struct estimate slope, intercept, again, shifted;

    films(&s);
    for (size_t i = 0; i < FILMS; i++) {
        truth[i] = s.truth[i * N_NIH_LABELS + MASS];
        score[i] = fminf(fmaxf(s.prob[i * N_NIH_LABELS + MASS], 0.05f), 0.95f);
    }
    cr_assert_eq(patients_group(FILMS, s.patients, &p), ST_OK);
    cr_assert_eq(recalibrate(&p, truth, score, &slope, &intercept), ST_OK);
    for (size_t i = 0; i < FILMS; i++)
        changed[i] = 1 / (1 + expf(-2 * logf(score[i] / (1 - score[i]))));
    cr_assert_eq(recalibrate(&p, truth, changed, &again, &shifted), ST_OK);
    cr_assert_float_eq(again.value, slope.value / 2, 1e-4);
    for (size_t i = 0; i < FILMS; i++)
        changed[i] = 1 / (1 + expf(-1 - logf(score[i] / (1 - score[i]))));
    cr_assert_eq(recalibrate(&p, truth, changed, &again, &shifted), ST_OK);
    cr_assert_float_eq(shifted.value, intercept.value - 1, 1e-4);
    cr_assert_float_eq(again.value, slope.value, 1e-4);
    patients_release(&p);
    scores_release(&s);
}

/* ---- odd sizes ---- */

Test(decision, what_cannot_be_fitted_is_not_known)
{
    enum { ROWS = 40 };
    uint8_t truth[ROWS];
    float score[ROWS];
    struct patients p;
    struct estimate slope, intercept;

    cr_assert_eq(patients_group(ROWS, NULL, &p), ST_OK);
    for (int kind = 0; kind < 6; kind++) {
        for (size_t i = 0; i < ROWS; i++) {
            truth[i] = kind == 0   ? 0
                       : kind == 1 ? 1
                       : kind == 2 ? 2
                                   : i % 2; /* none, all, nobody takes part */
            score[i] = kind == 3 ? 0.3f : kind == 4 ? (i % 2 ? 1 : 0) : (float)i / ROWS; /* ties; no fault */
        }
        if (kind == 5)
            score[7] = NAN;
        cr_assert_eq(recalibrate(&p, truth, score, &slope, &intercept), ST_OK);
        cr_assert(isnan(slope.value) && isnan(slope.low), "kind %d: %g", kind, slope.value);
        cr_assert_eq(isnan(intercept.value), kind != 3 && kind != 4, "kind %d: %g", kind, intercept.value);
    }
    patients_release(&p);
    cr_assert_eq(patients_group(0, NULL, &p), ST_OK);
    cr_assert_eq(recalibrate(&p, truth, score, &slope, &intercept), ST_OK);
    cr_assert(isnan(slope.value) && isnan(intercept.value));
    patients_release(&p);
}

Test(decision, of_few_rows_and_of_one_patient_nothing_is_claimed)
{
    static const size_t SIZES[] = { 0, 1, 2, 19, 40 };
    struct scores s;

    films(&s);
    for (size_t i = 0; i < FILMS; i++)
        s.patients[i] = 5;
    for (size_t size = 0; size < sizeof SIZES / sizeof SIZES[0]; size++) {
        struct decisions d;
        const struct decision_finding *f = &d.findings[MASS];

        s.n = SIZES[size];
        d = decisions_of(&s);
        cr_assert(d.rows == s.n && d.patients == (s.n > 0));
        cr_assert_eq(f->true_positives + f->false_positives + f->true_negatives + f->false_negatives, s.n);
        cr_assert_eq(isnan(f->ppv.value), s.n < 40);
        cr_assert(isnan(f->ppv.low) && isnan(f->slope.low) && isnan(f->benefit[0].gain.low), "one patient");
    }
    s.n = FILMS;
    scores_release(&s);
}

/* ---- curves ---- */

static double at(const json_t *list, size_t i, size_t j)
{
    return json_number_value(json_array_get(json_array_get(list, i), j));
}

/* scikit-learn's average precision is the sum over thresholds of the step in recall times the precision: the area under the
 * curve as it is drawn, in steps, where no point was left out. */
Test(decision, the_area_under_a_precision_recall_curve_is_the_average_precision)
{
    struct scores s;
    json_t *plots = json_object(), *curve;
    double area = 0, before = 0, precision;

    films(&s);
    s.n = 60; /* of 60 rows every point moves further than 1/200 */
    cr_assert_eq(plots_precision_recall(plots, &s), ST_OK);
    cr_assert_eq(metrics_average_precision(s.n, s.truth + MASS, s.prob + MASS, N_NIH_LABELS, &precision),
                 ST_OK);
    curve = json_object_get(json_object_get(plots, "precision_recall"), "Mass");
    for (size_t i = 0; i < json_array_size(curve); i++) {
        area += (at(curve, i, 0) - before) * at(curve, i, 1);
        before = at(curve, i, 0);
    }
    cr_assert_float_eq(before, 1, 1e-12);
    cr_assert_float_eq(area, precision, 1e-9);
    cr_assert(json_is_null(json_object_get(json_object_get(plots, "precision_recall"), "Nodule")));
    json_decref(plots);
    s.n = FILMS;
    scores_release(&s);
}

Test(decision, bins_of_a_finding_hold_every_row_once)
{
    static const size_t SIZES[] = { 0, 4, 5, 49, 50, 237, FILMS };
    struct scores s;

    films(&s);
    for (size_t size = 0; size < sizeof SIZES / sizeof SIZES[0]; size++) {
        json_t *plots = json_object(), *bins, *bin;
        size_t i, rows = 0;
        double last = 2;

        s.n = SIZES[size];
        cr_assert_eq(plots_reliability_findings(plots, &s), ST_OK);
        cr_assert_eq(plots_net_benefit(plots, &s), ST_OK);
        bins = json_object_get(json_object_get(plots, "reliability_findings"), "Mass");
        cr_assert_eq(json_is_null(bins), s.n < 5);
        cr_assert_leq(json_array_size(bins), 10);
        json_array_foreach (bins, i, bin) {
            rows += (size_t)json_integer_value(json_object_get(bin, "rows"));
            cr_assert_leq(json_number_value(json_object_get(bin, "predicted")), last);
            last = json_number_value(json_object_get(bin, "predicted"));
        }
        cr_assert_eq(rows, s.n < 5 ? 0 : s.n);
        bins =
            json_object_get(json_object_get(plots, "reliability_findings"), "Nodule"); /* all scores equal */
        cr_assert_eq(json_array_size(bins), s.n < 5 ? 0 : 1);
        json_decref(plots);
    }
    s.n = FILMS;
    scores_release(&s);
}
