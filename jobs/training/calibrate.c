/* jobs/training/calibrate.c - see calibrate.h. Both losses are convex in what is fitted, so plain methods reach the
 * least: bisection of the slope for one number, Newton's method for two. */
#include "calibrate.h"

#include "cxrd/metrics.h"
#include "figure.h"
#include "folds.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* A scale stays in these: near 0 the order of scores would drown in rounding. */
static const double SCALE_MIN = 0.05, SCALE_MAX = 10;

enum { BISECTIONS = 40, NEWTON_STEPS = 30 };

static double probability(double logit) { return 1 / (1 + exp(-logit)); }

/* Cross-entropy of one logit. */
static double loss_of(double logit, bool positive)
{
    return fmax(logit, 0) - (positive ? logit : 0) + log1p(exp(-fabs(logit)));
}

static bool used(const uint8_t *parts, uint8_t left_out, size_t i) { return !parts || parts[i] != left_out; }

/* ---- one scale for all ---- */

/* Slope of the loss by the scale. */
static double slope_at(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                       double scale)
{
    double slope = 0;

    for (size_t i = 0; i < rows->n; i++) {
        if (!used(parts, left_out, i))
            continue;
        for (size_t k = 0; k < rows->n_labels; k++) {
            const double b = rows->log_odds[k], u = (double)rows->logits[i * rows->n_labels + k] - b;

            if (rows->truth[i * rows->n_labels + k] >= TRUTH_UNKNOWN)
                continue;
            slope += (probability(b + scale * u) - rows->truth[i * rows->n_labels + k]) * u;
        }
    }
    return slope;
}

void calibrate_temperature(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                           struct calibration *ret)
{
    double low = log(SCALE_MIN), high = log(SCALE_MAX), scale = 1;

    if (slope_at(rows, parts, left_out, 1) != 0)
        for (int step = 0; step < BISECTIONS; step++) {
            const double middle = (low + high) / 2;

            scale = exp(middle);
            if (slope_at(rows, parts, left_out, scale) > 0)
                high = middle;
            else
                low = middle;
        }
    ret->method = CALIBRATION_TEMPERATURE;
    for (size_t k = 0; k < rows->n_labels; k++) {
        ret->scale[k] = (float)scale;
        ret->shift[k] = (float)((1 - scale) * rows->log_odds[k]);
    }
}

/* ---- a line for each finding ---- */

/* One finding's line, b + scale (logit - b) + shift, and what Newton's method needs of the loss there. The prior adds `precision` times
 * half the squared distance from (1, 0) to the loss: so a finding with hardly a positive stays near (1, 0). */
struct line {
    double precision;
    double scale, shift;
    double loss, slope[2], curve[3]; /* by scale, by shift; twice by scale, by both, twice by shift */
};

static void line_measure(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                         size_t k, struct line *l)
{
    const double b = rows->log_odds[k], from = l->scale - 1;

    l->loss = l->precision * (from * from + l->shift * l->shift) / 2;
    l->slope[0] = l->precision * from;
    l->slope[1] = l->precision * l->shift;
    l->curve[0] = l->curve[2] = l->precision;
    l->curve[1] = 0;
    for (size_t i = 0; i < rows->n; i++) {
        const double u = (double)rows->logits[i * rows->n_labels + k] - b, z = b + l->scale * u + l->shift;
        const uint8_t positive = rows->truth[i * rows->n_labels + k];
        const double p = probability(z), w = p * (1 - p);

        if (!used(parts, left_out, i) || positive >= TRUTH_UNKNOWN)
            continue;
        l->loss += loss_of(z, positive);
        l->slope[0] += (p - positive) * u;
        l->slope[1] += p - positive;
        l->curve[0] += w * u * u;
        l->curve[1] += w * u;
        l->curve[2] += w;
    }
}

/* The step that Newton's method takes, halved until the loss falls; false: it does not any more. */
static bool line_step(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out, size_t k,
                      struct line *l)
{
    const double det = l->curve[0] * l->curve[2] - l->curve[1] * l->curve[1];
    const double by_scale = (l->curve[2] * l->slope[0] - l->curve[1] * l->slope[1]) / det;
    const double by_shift = (l->curve[0] * l->slope[1] - l->curve[1] * l->slope[0]) / det;

    for (int halvings = 0; halvings < 20; halvings++) {
        const double part = ldexp(1, -halvings);
        struct line next = { .precision = l->precision,
                             .scale = l->scale - part * by_scale,
                             .shift = l->shift - part * by_shift };

        line_measure(rows, parts, left_out, k, &next);
        if (next.loss < l->loss) {
            *l = next;
            return true;
        }
    }
    return false;
}

void calibrate_platt(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                     double precision, struct calibration *ret)
{
    ret->method = CALIBRATION_PLATT;
    for (size_t k = 0; k < rows->n_labels; k++) {
        struct line l = { .precision = precision, .scale = 1 };
        double scale;

        line_measure(rows, parts, left_out, k, &l);
        for (int step = 0; step < NEWTON_STEPS && line_step(rows, parts, left_out, k, &l); step++)
            continue;
        scale = fmin(fmax(l.scale, SCALE_MIN), SCALE_MAX);
        ret->scale[k] = (float)scale;
        ret->shift[k] = (float)((1 - scale) * rows->log_odds[k] + l.shift);
    }
}

/* ---- which, if any ---- */

/* The part of all findings that is known of a row. */
static double row_loss(const struct calibration_rows *rows, const struct calibration *c, size_t i)
{
    double sum = 0;

    for (size_t k = 0; k < rows->n_labels; k++) {
        const size_t at = i * rows->n_labels + k;

        if (rows->truth[at] < TRUTH_UNKNOWN)
            sum += loss_of((double)c->scale[k] * (double)rows->logits[at] + (double)c->shift[k],
                           rows->truth[at]);
    }
    return sum / (double)rows->n_labels;
}

/* The ways to fit: the precision of a line's prior, or TEMPERATURE. */
static const double TEMPERATURE = 0;

enum { WAYS = 2 };
static const double PRECISIONS[][WAYS] = {
    [CALIBRATION_OF_TRAINING] = { 0, 1 }, /* a temperature, and a line */
    [CALIBRATION_OF_SITE] = { 10, 100 },  /* bench/site.py, docs/validation.md */
};

static void fit(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out, double precision,
                struct calibration *ret)
{
    if (precision > TEMPERATURE)
        calibrate_platt(rows, parts, left_out, precision, ret);
    else
        calibrate_temperature(rows, parts, left_out, ret);
}

/* The gain of a way to fit on each row that it has not seen: the mean, and its standard error by patient.
 *   gains  [n], room */
static enum status gain_unseen(const struct calibration_rows *rows, const struct patients *patients,
                               const uint8_t *parts, double precision, double *gains, struct estimate *ret)
{
    struct figure mean;
    enum status st = figure_init(&mean, patients);

    for (int part = 0; part < N_FOLDS && st == ST_OK; part++) {
        struct calibration c;

        fit(rows, parts, (uint8_t)part, precision, &c);
        for (size_t i = 0; i < rows->n; i++)
            if (parts[i] == part)
                gains[i] = row_loss(rows, &CALIBRATION_IDENTITY, i) - row_loss(rows, &c, i);
    }
    if (st == ST_OK)
        st = figure_add_mean(&mean, 1, gains, NULL, 1, 0);
    if (st == ST_OK)
        st = figure_estimate(&mean, ret);
    figure_release(&mean);
    return st;
}

/* The way that gains most, if by more than a standard error; a gain of 0: neither does. */
static enum status choose(const struct calibration_rows *rows, const struct patients *patients,
                          const uint8_t *parts, const double ways[WAYS], double *gains, double *ret_precision,
                          double *ret_gain)
{
    *ret_gain = 0;
    for (size_t w = 0; w < WAYS && rows->n > 0; w++) {
        struct estimate e;

        if (gain_unseen(rows, patients, parts, ways[w], gains, &e) != ST_OK)
            return ST_NOMEM;
        if (e.value > e.error && e.value > *ret_gain) {
            *ret_gain = e.value;
            *ret_precision = ways[w];
        }
    }
    return ST_OK;
}

enum status calibrate(const struct calibration_rows *rows, enum calibration_of of,
                      struct calibration_fit *ret)
{
    uint8_t *parts = malloc(rows->n + 1);
    double *gains = calloc(rows->n + 1, sizeof *gains);
    struct patients patients = { 0 };
    const double cells = (double)(rows->n * rows->n_labels),
                 known = (double)metrics_known(rows->n * rows->n_labels, rows->truth, 1) / cells;
    double best = 0, before = 0, precision = 0;
    enum status st = parts && gains ? patients_group(rows->n, rows->patients, &patients) : ST_NOMEM;

    for (size_t i = 0; i < rows->n && st == ST_OK; i++) {
        parts[i] = fold_of(rows->patients[i]);
        before += row_loss(rows, &CALIBRATION_IDENTITY, i);
    }
    if (st == ST_OK)
        st = choose(rows, &patients, parts, PRECISIONS[of], gains, &precision, &best);
    patients_release(&patients);
    free(gains);
    free(parts);
    if (st != ST_OK)
        return st;
    *ret = (struct calibration_fit){ CALIBRATION_IDENTITY, .loss_before = before / (double)rows->n / known };
    ret->loss_after = ret->loss_before - best / known;
    if (best > 0)
        fit(rows, NULL, 0, precision, &ret->calibration);
    return ST_OK;
}
