/* jobs/training/recalibration.c - see recalibration.h. */
#include "recalibration.h"

#include <math.h>
#include <stdbool.h>

enum { MOST_STEPS = 60, MOST_HALVINGS = 20 };

static const double NEAR = 1e-7, CONVERGED = 1e-10, STEEPEST = 1e3;

/* A line on the scale of log-odds. */
struct line {
    double intercept, slope;
};

/* The gradient of the likelihood at a line, and the information, which is symmetric: of intercept, of both, of slope. */
struct slope_of {
    double likelihood, gradient[2], information[3];
};

static double said(float score)
{
    const double p = fmin(fmax((double)score, NEAR), 1 - NEAR);

    return log(p / (1 - p));
}

/* log(1 + exp(x)), where exp(x) may be too much. */
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static double chance(double log_odds) { return 1 / (1 + exp(-log_odds)); }

static struct slope_of look(const struct patients *p, const uint8_t *truth, const float *score,
                            const struct line *l)
{
    struct slope_of s = { 0 };

    for (size_t i = 0; i < p->n_rows; i++) {
        double x, z, mu, w;

        if (truth[i] > 1)
            continue;
        x = said(score[i]);
        z = l->intercept + l->slope * x;
        mu = chance(z);
        w = mu * (1 - mu);
        s.likelihood += truth[i] * z - softplus(z);
        s.gradient[0] += truth[i] - mu;
        s.gradient[1] += (truth[i] - mu) * x;
        s.information[0] += w;
        s.information[1] += w * x;
        s.information[2] += w * x * x;
    }
    return s;
}

/* The inverse of the information, in the same order; of the intercept alone where `both` is false. False: there is none. */
static bool invert(const double a[3], bool both, double ret[3])
{
    const double det = a[0] * a[2] - a[1] * a[1];

    ret[1] = ret[2] = 0;
    if (!both) {
        ret[0] = 1 / a[0];
        return a[0] > 0;
    }
    ret[0] = a[2] / det;
    ret[1] = -a[1] / det;
    ret[2] = a[0] / det;
    return det > 1e-12 * a[0] * a[2];
}

/* A step of Newton's, halved until it does not make matters worse. Returns how far it went. */
static double step(const struct patients *p, const uint8_t *truth, const float *score,
                   const double inverse[3], const struct slope_of *at, struct line *l)
{
    const double move[2] = { inverse[0] * at->gradient[0] + inverse[1] * at->gradient[1],
                             inverse[1] * at->gradient[0] + inverse[2] * at->gradient[1] };

    for (int halved = 0; halved < MOST_HALVINGS; halved++) {
        const double part = ldexp(1, -halved);
        const struct line next = { l->intercept + part * move[0], l->slope + part * move[1] };

        if (!(look(p, truth, score, &next).likelihood >= at->likelihood - 1e-12 * fabs(at->likelihood)))
            continue;
        *l = next;
        return part * fmax(fabs(move[0]), fabs(move[1]));
    }
    return 0;
}

/* From the line that changes nothing. Returns whether there is a best one. */
static bool fit(const struct patients *p, const uint8_t *truth, const float *score, bool both, struct line *l,
                double inverse[3])
{
    *l = (struct line){ 0, 1 };
    for (int i = 0; i < MOST_STEPS; i++) {
        const struct slope_of at = look(p, truth, score, l);

        if (!invert(at.information, both, inverse) || !(fabs(l->slope) < STEEPEST))
            return false;
        if (step(p, truth, score, inverse, &at, l) < CONVERGED)
            return isfinite(l->intercept) && isfinite(l->slope);
    }
    return false;
}

/* The estimate of one coefficient: 0 the intercept, 1 the slope. */
static enum status estimate_of(const struct patients *p, const uint8_t *truth, const float *score,
                               const struct line *l, const double inverse[3], int coefficient,
                               size_t taking_part, struct estimate *ret)
{
    struct figure f;
    enum status st = figure_init(&f, p);

    if (st != ST_OK)
        return st;
    f.value = coefficient ? l->slope : l->intercept;
    f.n_patients = taking_part;
    for (size_t i = 0; i < p->n_rows; i++)
        if (truth[i] < 2) {
            const double x = said(score[i]), residue = truth[i] - chance(l->intercept + l->slope * x);

            f.influence[i] = (inverse[coefficient] + inverse[coefficient + 1] * x) * residue;
        }
    st = figure_estimate(&f, ret);
    figure_release(&f);
    return st;
}

/* Patients who take part, not more than there are, and whether there are rows of both kinds whose scores are numbers. */
static enum status count(const struct patients *p, const uint8_t *truth, const float *score,
                         size_t *ret_taking_part, bool *ret_defined)
{
    size_t rows[3] = { 0 }, each[2];
    bool numbers = true;
    enum status st = ST_OK;

    for (size_t i = 0; i < p->n_rows; i++) {
        rows[truth[i] < 2 ? truth[i] : 2]++;
        numbers = numbers && (truth[i] > 1 || !isnan(score[i]));
    }
    for (uint8_t kind = 0; kind < 2 && st == ST_OK; kind++)
        st = patients_with(p, truth, 1, kind, &each[kind]);
    *ret_defined = rows[0] > 0 && rows[1] > 0 && numbers;
    if (st == ST_OK)
        *ret_taking_part = each[0] > each[1] ? each[0] : each[1];
    return st;
}

enum status recalibrate(const struct patients *p, const uint8_t *truth, const float *score,
                        struct estimate *ret_slope, struct estimate *ret_intercept)
{
    static const struct estimate NOT_DEFINED = { NAN, NAN, NAN, NAN };
    struct line line;
    double inverse[3];
    size_t taking_part = 0;
    bool defined;
    enum status st = count(p, truth, score, &taking_part, &defined);

    *ret_slope = *ret_intercept = NOT_DEFINED;
    if (st == ST_OK && defined && fit(p, truth, score, false, &line, inverse))
        st = estimate_of(p, truth, score, &line, inverse, 0, taking_part, ret_intercept);
    if (st == ST_OK && defined && fit(p, truth, score, true, &line, inverse))
        st = estimate_of(p, truth, score, &line, inverse, 1, taking_part, ret_slope);
    return st;
}
