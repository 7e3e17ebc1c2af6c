/* jobs/training/decision.c - see decision.h. */
#include "decision.h"

#include "cxrd/metrics.h"
#include "recalibration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double BENEFIT_AT[N_BENEFITS] = { 0.05, 0.1, 0.15, 0.2, 0.25, 0.3 };

static const struct estimate NOT_KNOWN = { NAN, NAN, NAN, NAN };

/* One finding of all rows, and room. */
struct column {
    size_t n;
    const struct patients *patients;
    uint8_t *truth, *side; /* [n], owned */
    float *score;          /* [n], owned */
    double *values;        /* [n], owned */
};

static enum status column_init(struct column *c, size_t n, const struct patients *p)
{
    *c = (struct column){ .n = n,
                          .patients = p,
                          .truth = malloc(n + 1),
                          .side = malloc(n + 1),
                          .score = malloc((n + 1) * sizeof *c->score),
                          .values = malloc((n + 1) * sizeof *c->values) };
    return c->truth && c->side && c->score && c->values ? ST_OK : ST_NOMEM;
}

static void column_release(struct column *c)
{
    free(c->truth);
    free(c->side);
    free(c->score);
    free(c->values);
}

static void column_take(struct column *c, const struct scores *s, size_t finding)
{
    for (size_t i = 0; i < c->n; i++) {
        c->truth[i] = s->truth[i * s->labels->n + finding];
        c->score[i] = s->prob[i * s->labels->n + finding];
    }
}

/* ---- who is called ---- */

static void count(const struct column *c, float threshold, struct decision_finding *f)
{
    for (size_t i = 0; i < c->n; i++) {
        const bool called = c->score[i] >= threshold;

        f->true_positives += called && c->truth[i] == 1;
        f->false_positives += called && c->truth[i] == 0;
        f->true_negatives += !called && c->truth[i] == 0;
        f->false_negatives += !called && c->truth[i] == 1;
    }
}

/* Of the rows that are called so, how many are. */
static enum status predictive_value(struct column *c, float threshold, bool positive, struct estimate *ret)
{
    for (size_t i = 0; i < c->n; i++) {
        c->side[i] =
            c->truth[i] < TRUTH_UNKNOWN && (c->score[i] >= threshold) == positive ? 1 : TRUTH_UNKNOWN;
        c->values[i] = c->truth[i] == positive;
    }
    return rate_estimate(c->patients, c->values, c->side, 1, 1, ret);
}

/* ---- whether it is worth it ---- */

/* The worth of acting on a row; 0 where it is not known. */
static double worth(uint8_t truth, double at)
{
    return truth >= TRUTH_UNKNOWN ? 0 : truth ? 1 : -at / (1 - at);
}

struct net_benefit net_benefit(size_t n, const uint8_t *truth, const float *score, size_t stride, double at)
{
    const size_t known = metrics_known(n, truth, stride);
    struct net_benefit sum = { 0, 0 };

    for (size_t i = 0; i < n; i++) {
        sum.treat_all += worth(truth[i * stride], at);
        sum.model += (double)score[i * stride] >= at ? worth(truth[i * stride], at) : 0;
    }
    return known ? (struct net_benefit){ sum.model / (double)known, sum.treat_all / (double)known }
                 : (struct net_benefit){ NAN, NAN };
}

static enum status benefit_of(struct column *c, double at, struct benefit *ret)
{
    const struct net_benefit of = net_benefit(c->n, c->truth, c->score, 1, at);
    const bool against_all = of.treat_all > 0;
    struct figure gain;
    enum status st = figure_init(&gain, c->patients);

    *ret = (struct benefit){ .model = of.model, .treat_all = of.treat_all };
    for (size_t i = 0; i < c->n; i++) {
        const double of_row = worth(c->truth[i], at);

        c->values[i] = ((double)c->score[i] >= at ? of_row : 0) - (against_all ? of_row : 0);
    }
    if (st == ST_OK)
        st = figure_add_mean(&gain, 1, c->values, c->truth, 1, TRUTH_KNOWN);
    if (st == ST_OK)
        st = figure_estimate(&gain, &ret->gain);
    figure_release(&gain);
    return st;
}

/* ---- a finding ---- */

static enum status estimate_all(struct column *c, float threshold, struct decision_finding *f)
{
    enum status st = recalibrate(c->patients, c->truth, c->score, &f->slope, &f->intercept);

    for (size_t i = 0; i < N_BENEFITS && st == ST_OK; i++)
        st = benefit_of(c, BENEFIT_AT[i], &f->benefit[i]);
    if (st == ST_OK && !isnan(threshold))
        st = predictive_value(c, threshold, true, &f->ppv);
    if (st == ST_OK && !isnan(threshold))
        st = predictive_value(c, threshold, false, &f->npv);
    return st;
}

static enum status finding_decide(struct column *c, float threshold, struct decision_finding *f)
{
    const size_t known = metrics_known(c->n, c->truth, 1);
    size_t positives = 0;

    *f = (struct decision_finding){ (double)threshold, 0,         0,         0,         0,
                                    NOT_KNOWN,         NOT_KNOWN, NOT_KNOWN, NOT_KNOWN, { { 0 } } };
    for (size_t i = 0; i < N_BENEFITS; i++)
        f->benefit[i] = (struct benefit){ NAN, NAN, NOT_KNOWN };
    for (size_t i = 0; i < c->n; i++)
        positives += c->truth[i] == 1;
    if (!isnan(threshold))
        count(c, threshold, f);
    if (positives < KIND_LEAST || known - positives < KIND_LEAST)
        return ST_OK;
    return estimate_all(c, threshold, f);
}

enum status decide(const struct scores *s, const struct operating_points *points,
                   struct decisions *ret_decisions)
{
    struct decisions d = { .rows = s->n };
    struct patients p = { 0 };
    struct column c = { 0 };
    enum status st = patients_group(s->n, s->patients, &p);

    if (st == ST_OK)
        st = column_init(&c, s->n, &p);
    d.patients = p.n;
    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++) {
        column_take(&c, s, k);
        st = finding_decide(&c, points->threshold[OPERATE_YOUDEN][k], &d.findings[k]);
    }
    column_release(&c);
    patients_release(&p);
    if (st == ST_OK)
        *ret_decisions = d;
    return st;
}
