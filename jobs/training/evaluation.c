/* jobs/training/evaluation.c - what scores are worth, finding by finding and as means, beside what the base rates alone
 * would get, see evaluate.h. */
#include "cxrd/metrics.h"
#include "evaluate.h"
#include "operating.h"

#include <math.h>
#include <stdlib.h>

double scores_loss(const struct scores *s)
{
    return s->n ? metrics_loss_sum(s->n, s->truth, s->prob) / (double)(s->n * N_LABELS) : NAN;
}

double scores_top5(const struct scores *s)
{
    size_t hits, rows;

    metrics_top5(s->n, s->truth, s->prob, &hits, &rows);
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

enum status macro_auroc(const struct scores *s, double ret_each[N_LABELS], double *ret_auroc)
{
    struct mean mean = { 0 };

    for (size_t k = 0; k < N_LABELS; k++) {
        if (metrics_auroc(s->n, s->truth + k, s->prob + k, N_LABELS, &ret_each[k]) != ST_OK)
            return ST_NOMEM;
        mean_add(&mean, ret_each[k]);
    }
    *ret_auroc = mean_of(&mean);
    return ST_OK;
}

enum status evaluate_thresholds(const struct scores *s, struct operating_points *ret_points)
{
    struct operating_points points = OPERATING_NONE;

    for (size_t k = 0; k < N_LABELS; k++) {
        float threshold[N_OPERATING];

        if (operating_choose(s->n, s->truth + k, s->prob + k, N_LABELS, threshold) != ST_OK)
            return ST_NOMEM;
        for (int kind = 0; kind < N_OPERATING; kind++)
            points.threshold[kind][k] = threshold[kind];
    }
    *ret_points = points;
    return ST_OK;
}

enum status evaluate_rates(const struct scores *s, const double rates[N_LABELS], struct baseline *ret)
{
    struct scores guess = *s;
    struct mean brier = { 0 };

    guess.prob = malloc((guess.n + 1) * N_LABELS * sizeof *guess.prob);
    if (!guess.prob)
        return ST_NOMEM;
    for (size_t i = 0; i < guess.n * N_LABELS; i++)
        guess.prob[i] = (float)rates[i % N_LABELS];
    for (size_t k = 0; k < N_LABELS; k++)
        mean_add(&brier, metrics_brier(guess.n, guess.truth + k, guess.prob + k, N_LABELS));
    *ret = (struct baseline){ scores_loss(&guess), scores_top5(&guess), mean_of(&brier) };
    free(guess.prob);
    return ST_OK;
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

static void operate(const struct scores *s, size_t k, const struct operating_points *points, bool both,
                    struct finding_report *r)
{
    for (int kind = 0; kind < N_OPERATING; kind++) {
        const float threshold = points->threshold[kind][k];
        const struct operating_rates rates =
            operating_rates(s->n, s->truth + k, s->prob + k, N_LABELS, threshold);
        size_t above = 0;

        for (size_t i = 0; i < s->n; i++)
            above += s->prob[i * N_LABELS + k] >= threshold;
        r->operating[kind] =
            (struct operating_report){ (double)threshold, both ? rates.sensitivity : NAN,
                                       both ? rates.specificity : NAN,
                                       s->n && !isnan(threshold) ? (double)above / (double)s->n : NAN };
    }
}

static enum status evaluate_finding(const struct scores *s, size_t k, const struct operating_points *points,
                                    double rate, struct finding_report *r)
{
    const uint8_t *truth = s->truth + k;
    const float *prob = s->prob + k;
    double sum = 0;
    bool both;
    enum status st;

    *r = (struct finding_report){ .base_rate = rate };
    for (size_t i = 0; i < s->n; i++) {
        r->positives += truth[i * N_LABELS];
        sum += (double)prob[i * N_LABELS];
    }
    both = r->positives > 0 && r->positives < s->n;
    r->prevalence = s->n ? (double)r->positives / (double)s->n : NAN;
    r->predicted_mean = s->n ? sum / (double)s->n : NAN;
    r->brier = metrics_brier(s->n, truth, prob, N_LABELS);
    r->ece = metrics_ece(s->n, truth, prob, N_LABELS);
    r->baseline_brier =
        r->prevalence * (1 - rate) * (1 - rate) + (1 - r->prevalence) * rate * rate; /* NaN for no rows */
    operate(s, k, points, both, r);
    st = ranking(s->n, truth, prob, N_LABELS, both, &r->auroc, &r->average_precision);
    return st == ST_OK ? metrics_auroc_interval(s->n, truth, prob, N_LABELS, &r->auroc_low, &r->auroc_high)
                       : st;
}

static struct mean_report macro_means(const struct finding_report findings[N_LABELS])
{
    struct mean auroc = { 0 }, precision = { 0 }, brier = { 0 }, ece = { 0 };

    for (size_t k = 0; k < N_LABELS; k++) {
        mean_add(&auroc, findings[k].auroc);
        mean_add(&precision, findings[k].average_precision);
        mean_add(&brier, findings[k].brier);
        mean_add(&ece, findings[k].ece);
    }
    return (struct mean_report){ mean_of(&auroc), mean_of(&precision), mean_of(&brier), mean_of(&ece) };
}

enum status evaluate(const struct scores *s, const struct operating_points *points,
                     const double rates[N_LABELS], struct evaluation *ret_evaluation)
{
    struct evaluation e = { .rows = s->n, .loss = scores_loss(s), .top5_accuracy = scores_top5(s) };
    const size_t cells = s->n * N_LABELS;
    size_t positives = 0;
    enum status st = ST_OK;

    for (size_t k = 0; k < N_LABELS && st == ST_OK; k++) {
        st = evaluate_finding(s, k, points, rates[k], &e.findings[k]);
        positives += e.findings[k].positives;
    }
    if (st == ST_OK)
        st = ranking(cells, s->truth, s->prob, 1, positives > 0 && positives < cells, &e.micro.auroc,
                     &e.micro.average_precision);
    if (st == ST_OK)
        st = evaluate_rates(s, rates, &e.baseline);
    if (st != ST_OK)
        return st;
    e.micro.brier = metrics_brier(cells, s->truth, s->prob, 1);
    e.micro.ece = metrics_ece(cells, s->truth, s->prob, 1);
    e.macro = macro_means(e.findings);
    *ret_evaluation = e;
    return ST_OK;
}
