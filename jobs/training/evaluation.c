/* jobs/training/evaluation.c - what scores are worth, finding by finding and as means, beside what the base rates alone
 * would get, see evaluate.h. */
#include "by_sample.h"
#include "cxrd/metrics.h"
#include "evaluate.h"
#include "figure.h"
#include "operating.h"

#include <math.h>
#include <stdlib.h>

size_t scores_known(const struct scores *s) { return metrics_known(s->n * s->labels->n, s->truth, 1); }

double scores_loss(const struct scores *s)
{
    const size_t known = scores_known(s);

    return known ? metrics_loss_sum(s->n, s->labels->n, s->truth, s->prob) / (double)known : NAN;
}

double scores_top5(const struct scores *s)
{
    size_t hits, rows;

    metrics_top5(s->n, s->labels->n, s->truth, s->prob, &hits, &rows);
    return rows ? (double)hits / (double)rows : NAN;
}

/* Adds up values that may not be defined. */
struct mean {
    double sum;
    size_t n;
};

static void mean_add(struct mean *m, double value)
{
    if (isnan(value))
        return;
    m->sum += value;
    m->n++;
}

static double mean_of(const struct mean *m) { return m->n ? m->sum / (double)m->n : NAN; }

static const struct estimate NOT_DEFINED = { NAN, NAN, NAN, NAN };

/* Rows that have a finding. */
static size_t positives_of(const struct scores *s, size_t k)
{
    size_t positives = 0;

    for (size_t i = 0; i < s->n; i++)
        positives += s->truth[i * s->labels->n + k] == 1;
    return positives;
}

static size_t known_of(const struct scores *s, size_t k)
{
    return metrics_known(s->n, s->truth + k, s->labels->n);
}

/* Whether a finding has positive and negative rows. */
static bool both_kinds(const struct scores *s, size_t k)
{
    const size_t positives = positives_of(s, k);

    return positives > 0 && positives < known_of(s, k);
}

enum status macro_auroc(const struct scores *s, double *ret_each, double *ret_auroc)
{
    struct mean mean = { 0 };

    for (size_t k = 0; k < s->labels->n; k++) {
        if (metrics_auroc(s->n, s->truth + k, s->prob + k, s->labels->n, &ret_each[k]) != ST_OK)
            return ST_NOMEM;
        mean_add(&mean, ret_each[k]);
    }
    *ret_auroc = mean_of(&mean);
    return ST_OK;
}

enum status evaluate_thresholds(const struct scores *s, struct operating_points *ret_points)
{
    struct operating_points points = OPERATING_NONE;

    for (size_t k = 0; k < s->labels->n; k++) {
        float threshold[N_OPERATING];

        if (operating_choose(s->n, s->truth + k, s->prob + k, s->labels->n, threshold) != ST_OK)
            return ST_NOMEM;
        for (int kind = 0; kind < N_OPERATING; kind++)
            points.threshold[kind][k] = threshold[kind];
    }
    *ret_points = points;
    return ST_OK;
}

/* The same rows with the base rates as everyone's probabilities; only these are to be freed. */
static enum status guess_init(struct scores *guess, const struct scores *s, const double *rates)
{
    *guess = (struct scores){ .n = s->n,
                              .labels = s->labels,
                              .truth = s->truth,
                              .prob = malloc((s->n + 1) * s->labels->n * sizeof *s->prob) };
    for (size_t i = 0; guess->prob && i < s->n * s->labels->n; i++)
        guess->prob[i] = (float)rates[i % s->labels->n];
    return guess->prob ? ST_OK : ST_NOMEM;
}

static struct baseline baseline_of(const struct scores *guess)
{
    struct mean brier = { 0 };

    for (size_t k = 0; k < guess->labels->n; k++)
        mean_add(&brier, metrics_brier(guess->n, guess->truth + k, guess->prob + k, guess->labels->n));
    return (struct baseline){ scores_loss(guess), scores_top5(guess), mean_of(&brier) };
}

enum status evaluate_rates(const struct scores *s, const double *rates, struct baseline *ret)
{
    struct scores guess;
    const enum status st = guess_init(&guess, s, rates);

    if (st == ST_OK)
        *ret = baseline_of(&guess);
    free(guess.prob);
    return st;
}

/* The measures of one column that take a sort; NaN where it has one kind of rows only. */
static enum status ranking(size_t n, const uint8_t *truth, const float *prob, size_t stride, bool both,
                           double *ret_auroc, double *ret_precision)
{
    enum status st = metrics_auroc(n, truth, prob, stride, ret_auroc);

    if (st == ST_OK)
        st = metrics_average_precision(n, truth, prob, stride, ret_precision);
    if (st == ST_OK && !both)
        *ret_precision = NAN;
    return st;
}

/* An evaluation's sources: the scores, whose they are, and room for a number a row. */
struct judged {
    const struct scores *s;
    struct patients patients;
    double *values; /* [rows], owned */
};

static enum status judged_init(struct judged *j, const struct scores *s)
{
    *j = (struct judged){ .s = s, .values = malloc((s->n + 1) * sizeof *j->values) };
    return j->values ? patients_group(s->n, s->patients, &j->patients) : ST_NOMEM;
}

static void judged_release(struct judged *j)
{
    patients_release(&j->patients);
    free(j->values);
}

/* How often the call is right, of rows at or above a threshold, and of those below it. The call stands in place of the truth, and
 * the truth in place of the call. */
static enum status predictive_values(const struct judged *j, size_t k, float threshold,
                                     struct operating_report *ret)
{
    const size_t n = j->s->labels->n;
    uint8_t *called = malloc(j->s->n + 1);
    enum status st = called ? ST_OK : ST_NOMEM;

    for (size_t i = 0; called && i < j->s->n; i++) {
        const uint8_t truth = j->s->truth[i * n + k];

        called[i] = truth < TRUTH_UNKNOWN ? j->s->prob[i * n + k] >= threshold : TRUTH_UNKNOWN;
        j->values[i] = truth == 1;
    }
    if (st == ST_OK)
        st = rate_estimate(&j->patients, j->values, called, 1, 1, &ret->ppv);
    for (size_t i = 0; i < j->s->n; i++)
        j->values[i] = 1 - j->values[i];
    if (st == ST_OK)
        st = rate_estimate(&j->patients, j->values, called, 1, 0, &ret->npv);
    free(called);
    return st;
}

static enum status operate_at(const struct judged *j, size_t k, float threshold, struct operating_report *ret)
{
    const uint8_t *truth = j->s->truth + k;
    enum status st = predictive_values(j, k, threshold, ret);

    for (size_t i = 0; i < j->s->n; i++)
        j->values[i] = j->s->prob[i * j->s->labels->n + k] >= threshold;
    if (st == ST_OK)
        st = rate_estimate(&j->patients, j->values, NULL, 1, 0, &ret->positive_rate);
    if (st == ST_OK)
        st = rate_estimate(&j->patients, j->values, truth, j->s->labels->n, 1, &ret->sensitivity);
    for (size_t i = 0; i < j->s->n; i++)
        j->values[i] = 1 - j->values[i];
    return st == ST_OK ? rate_estimate(&j->patients, j->values, truth, j->s->labels->n, 0, &ret->specificity)
                       : st;
}

/* At its three thresholds; sensitivity and specificity are of ranking, and so need both kinds of rows. */
static enum status operate(const struct judged *j, size_t k, const struct operating_points *points, bool both,
                           struct finding_report *r)
{
    enum status st = ST_OK;

    for (int kind = 0; kind < N_OPERATING && st == ST_OK; kind++) {
        const float threshold = points->threshold[kind][k];
        struct operating_report *o = &r->operating[kind];

        *o = (struct operating_report){ (double)threshold, NOT_DEFINED, NOT_DEFINED,
                                        NOT_DEFINED,       NOT_DEFINED, NOT_DEFINED };
        if (isnan(threshold))
            continue;
        st = operate_at(j, k, threshold, o);
        if (!both)
            o->sensitivity = o->specificity = o->ppv = o->npv = NOT_DEFINED;
    }
    return st;
}

static enum status brier_estimate(const struct judged *j, size_t k, struct estimate *ret)
{
    const size_t n = j->s->labels->n;

    for (size_t i = 0; i < j->s->n; i++)
        j->values[i] = metrics_brier(1, j->s->truth + i * n + k, j->s->prob + i * n + k, 1);
    return mean_estimate(&j->patients, j->values, j->s->truth + k, n, ret);
}

/* The mean probability of the rows that are known. */
static double predicted_mean(const struct scores *s, size_t k, size_t known)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->truth[i * s->labels->n + k] < TRUTH_UNKNOWN)
            sum += (double)s->prob[i * s->labels->n + k];
    return known ? sum / (double)known : NAN;
}

static enum status evaluate_finding(const struct judged *j, size_t k, const struct operating_points *points,
                                    double rate, struct finding_report *r)
{
    const struct scores *s = j->s;
    const uint8_t *truth = s->truth + k;
    const float *prob = s->prob + k;
    const size_t known = known_of(s, k);
    const bool both = both_kinds(s, k);
    double area;
    enum status st;

    *r = (struct finding_report){ .base_rate = rate,
                                  .positives = positives_of(s, k),
                                  .unknown = s->n - known,
                                  .predicted_mean = predicted_mean(s, k, known) };
    r->prevalence = known ? (double)r->positives / (double)known : NAN;
    r->ece = metrics_ece(s->n, truth, prob, s->labels->n);
    metrics_ece_expected(s->n, truth, prob, s->labels->n, &r->ece_expected, &r->ece_expected_sd);
    r->baseline_brier =
        r->prevalence * (1 - rate) * (1 - rate) + (1 - r->prevalence) * rate * rate; /* NaN for no rows */
    st = patients_with(&j->patients, truth, s->labels->n, 1, &r->positive_patients);
    if (st == ST_OK)
        st = brier_estimate(j, k, &r->brier);
    if (st == ST_OK)
        st = operate(j, k, points, both, r);
    if (st == ST_OK)
        st = ranking(s->n, truth, prob, s->labels->n, both, &area, &r->average_precision);
    return st == ST_OK ? auroc_estimate(&j->patients, truth, prob, s->labels->n, &r->auroc) : st;
}

/* ---- of all findings ---- */

/* The mean is of all that is known, and a row's part of it is by what is known of the row: the influence of a ratio. Where all is
 * known it is the row's own mean. */
enum status figure_add_loss(struct figure *f, double weight, const struct scores *s, double *values)
{
    const size_t n = s->labels->n;
    const double loss = scores_loss(s), each = (double)scores_known(s) / (double)s->n;

    for (size_t i = 0; i < s->n; i++) {
        const double known = (double)metrics_known(n, s->truth + i * n, 1);

        values[i] = metrics_loss_sum(1, n, s->truth + i * n, s->prob + i * n) / each +
                    (known == each ? 0 : loss * (1 - known / each));
    }
    return figure_add_mean(f, weight, values, NULL, 1, 0);
}

/* The same of the mean of the findings' Brier scores, which `e` has. */
static enum status macro_brier_estimate(const struct judged *j, const struct evaluation *e,
                                        struct estimate *ret)
{
    const size_t n = j->s->labels->n;
    double defined = 0;

    for (size_t k = 0; k < n; k++)
        defined += e->findings[k].unknown < j->s->n;
    for (size_t i = 0; i < j->s->n; i++) {
        double sum = 0;

        for (size_t k = 0; k < n; k++) {
            const struct finding_report *r = &e->findings[k];
            const double each = (double)(j->s->n - r->unknown) / (double)j->s->n;
            const size_t at = i * n + k;
            const bool known = j->s->truth[at] < TRUTH_UNKNOWN;

            if (known)
                sum += metrics_brier(1, j->s->truth + at, j->s->prob + at, 1) / each;
            if (r->unknown > 0 && r->unknown < j->s->n)
                sum += r->brier.value * (1 - known / each);
        }
        j->values[i] = sum / defined;
    }
    return mean_estimate(&j->patients, j->values, NULL, 1, ret);
}

enum status figure_add_macro_auroc(struct figure *f, double weight, const struct scores *s)
{
    size_t defined = 0;
    enum status st = ST_OK;

    for (size_t k = 0; k < s->labels->n; k++)
        defined += both_kinds(s, k);
    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++)
        if (both_kinds(s, k))
            st = figure_add_auroc(f, weight / (double)defined, s->truth + k, s->prob + k, s->labels->n);
    if (!defined)
        f->value = NAN;
    return st;
}

static enum status loss_estimate(const struct judged *j, struct estimate *ret)
{
    struct figure loss = { 0 };
    enum status st = figure_init(&loss, &j->patients);

    if (st == ST_OK)
        st = figure_add_loss(&loss, 1, j->s, j->values);
    if (st == ST_OK)
        st = figure_estimate(&loss, ret);
    figure_release(&loss);
    estimate_cut(ret, 0, INFINITY);
    return st;
}

/* By how much the loss is lower than that of the base rates. */
static enum status gain_estimate(const struct judged *j, const struct scores *guess, struct estimate *ret)
{
    struct figure gain = { 0 };
    enum status st = figure_init(&gain, &j->patients);

    if (st == ST_OK)
        st = figure_add_loss(&gain, -1, j->s, j->values);
    if (st == ST_OK)
        st = figure_add_loss(&gain, 1, guess, j->values);
    if (st == ST_OK)
        st = figure_estimate(&gain, ret);
    if (st == ST_OK && ret->error < ROUNDING)
        ret->error = ret->low = ret->high = NAN; /* rows that are all alike are not many */
    figure_release(&gain);
    return st;
}

static enum status macro_auroc_estimate(const struct judged *j, struct estimate *ret)
{
    struct figure auroc = { 0 };
    enum status st = figure_init(&auroc, &j->patients);

    if (st == ST_OK)
        st = figure_add_macro_auroc(&auroc, 1, j->s);
    if (st == ST_OK)
        st = figure_estimate(&auroc, ret);
    figure_release(&auroc);
    estimate_cut(ret, 0, 1);
    return st;
}

/* The means of all findings with their errors, and how much better the loss is than that of the base rates. */
static enum status estimate_means(const struct judged *j, const struct scores *guess, struct evaluation *e)
{
    enum status st = loss_estimate(j, &e->loss);

    if (st == ST_OK)
        st = gain_estimate(j, guess, &e->loss_gain);
    if (st == ST_OK)
        st = macro_auroc_estimate(j, &e->macro_auroc);
    if (st == ST_OK)
        st = macro_brier_estimate(j, e, &e->macro_brier);
    estimate_cut(&e->macro_brier, 0, 1);
    return st;
}

static struct mean_report macro_means(const struct finding_report *findings, size_t n_labels)
{
    struct mean auroc = { 0 }, precision = { 0 }, brier = { 0 }, ece = { 0 }, expected = { 0 };
    double squares = 0; /* findings err on their own */

    for (size_t k = 0; k < n_labels; k++) {
        mean_add(&auroc, findings[k].auroc.value);
        mean_add(&precision, findings[k].average_precision);
        mean_add(&brier, findings[k].brier.value);
        mean_add(&ece, findings[k].ece);
        mean_add(&expected, findings[k].ece_expected);
        if (!isnan(findings[k].ece_expected_sd))
            squares += findings[k].ece_expected_sd * findings[k].ece_expected_sd;
    }
    return (struct mean_report){ mean_of(&auroc), mean_of(&precision), mean_of(&brier),
                                 mean_of(&ece),   mean_of(&expected),  sqrt(squares) / (double)expected.n };
}

static enum status evaluate_judged(const struct judged *j, const struct operating_points *points,
                                   const double *rates, struct evaluation *e)
{
    const struct scores *s = j->s;
    const size_t cells = s->n * s->labels->n, known = scores_known(s);
    struct scores guess;
    size_t positives = 0;
    enum status st = guess_init(&guess, s, rates);

    *e = (struct evaluation){ .rows = s->n, .patients = j->patients.n, .top5_accuracy = scores_top5(s) };
    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++) {
        st = evaluate_finding(j, k, points, rates[k], &e->findings[k]);
        positives += e->findings[k].positives;
    }
    if (st == ST_OK)
        st = ranking(cells, s->truth, s->prob, 1, positives > 0 && positives < known, &e->micro.auroc,
                     &e->micro.average_precision);
    if (st == ST_OK)
        st = estimate_means(j, &guess, e);
    if (st == ST_OK)
        st = evaluate_by_sample(s, &j->patients, points, rates, &e->by_sample);
    if (st == ST_OK)
        e->baseline = baseline_of(&guess);
    free(guess.prob);
    e->micro.brier = metrics_brier(cells, s->truth, s->prob, 1);
    e->micro.ece = metrics_ece(cells, s->truth, s->prob, 1);
    metrics_ece_expected(cells, s->truth, s->prob, 1, &e->micro.ece_expected, &e->micro.ece_expected_sd);
    e->macro = macro_means(e->findings, s->labels->n);
    return st;
}

enum status evaluate(const struct scores *s, const struct operating_points *points, const double *rates,
                     struct evaluation *ret_evaluation)
{
    struct evaluation e;
    struct judged j;
    enum status st = judged_init(&j, s);

    if (st == ST_OK)
        st = evaluate_judged(&j, points, rates, &e);
    judged_release(&j);
    if (st == ST_OK)
        *ret_evaluation = e;
    return st;
}
