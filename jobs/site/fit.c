/* jobs/site/fit.c - fit a profile's findings to rows; see cxrd/site_profile.h. */
#include "../training/calibrate.h"
#include "../training/folds.h"
#include "../training/operating.h"
#include "conformal.h"
#include "cxrd/metrics.h"
#include "cxrd/site_profile.h"
#include "rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Everything but the calibration, of a finding of which too few have it, or lack it; and what is counted of each. */
static enum status count(const struct site_rows *r, size_t k, const struct site_wish *wish,
                         struct site_finding *f)
{
    const struct scores *s = &r->file.scores;
    const size_t n = s->labels->n;
    enum status st;

    *f = (struct site_finding){ .point = wish->points ? wish->points[k] : wish->point,
                                .scale = 1,
                                .present_from = NAN,
                                .absent_to = NAN };
    f->threshold = wish->own->threshold[f->point.kind][k];
    for (size_t i = 0; i < s->n; i++) {
        f->positives += s->truth[i * n + k] == 1;
        f->negatives += s->truth[i * n + k] == 0;
    }
    st = patients_with(&r->patients, s->truth + k, n, 1, &f->positive_patients);
    if (st == ST_OK)
        st = patients_with(&r->patients, s->truth + k, n, 0, &f->negative_patients);
    f->here = f->positive_patients >= SITE_LEAST && f->negative_patients >= SITE_LEAST;
    return st;
}

/* Each finding is calibrated, or not, by what that is worth to it.
 *   logits, truth  [rows], room */
static enum status calibrate_finding(const struct scores *s, size_t k, float *logits, uint8_t *truth,
                                     struct site_finding *f)
{
    const double log_odds = log(((double)f->positives + 0.5) / ((double)f->negatives + 0.5));
    struct calibration_fit fit;

    for (size_t i = 0; i < s->n; i++) {
        const double p = fmin(fmax((double)s->prob[i * s->labels->n + k], 1e-7), 1 - 1e-7);

        logits[i] = (float)log(p / (1 - p));
        truth[i] = s->truth[i * s->labels->n + k];
    }
    if (calibrate(&(struct calibration_rows){ s->n, 1, logits, truth, s->patients, &log_odds },
                  CALIBRATION_OF_SITE, &fit) != ST_OK)
        return ST_NOMEM;
    if (fit.calibration.method != CALIBRATION_NONE) {
        f->scale = fit.calibration.scale[0];
        f->shift = fit.calibration.shift[0];
    }
    return ST_OK;
}

static enum status fit_calibration(const struct scores *s, struct site_finding *findings)
{
    float *logits = malloc(s->n * sizeof *logits);
    uint8_t *truth = malloc(s->n);
    enum status st = logits && truth ? ST_OK : ST_NOMEM;

    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++)
        if (findings[k].here)
            st = calibrate_finding(s, k, logits, truth, &findings[k]);
    free(truth);
    free(logits);
    return st;
}

/* A threshold for each row, chosen on the patients of the other folds; NaN where these choose none.
 *   here  the finding's column of probabilities here */
static enum status cross_thresholds(const struct scores *s, size_t k, const float *here,
                                    const struct site_point *point, float *ret_thresholds)
{
    const size_t n = s->labels->n;
    uint8_t *seen = malloc(s->n + 1);
    enum status st = seen ? ST_OK : ST_NOMEM;

    for (int fold = 0; fold < N_FOLDS && st == ST_OK; fold++) {
        float threshold = NAN;

        for (size_t i = 0; i < s->n; i++) /* the column, of one number a row */
            seen[i] = fold_of(s->patients[i]) == fold ? TRUTH_UNKNOWN : s->truth[i * n + k];
        st = operating_choose_by(s->n, seen, here, 1, point->kind, point->at, &threshold);
        for (size_t i = 0; i < s->n && st == ST_OK; i++)
            if (fold_of(s->patients[i]) == fold)
                ret_thresholds[i] = threshold;
    }
    free(seen);
    return st;
}

/* The limits and rates of a finding with enough patients, besides its calibration.
 *   room  [2][rows] */
static enum status fit_finding(struct site_rows *r, size_t k, const struct site_wish *wish, float *room,
                               struct site_finding *f)
{
    const struct scores *s = &r->file.scores;
    const size_t n = s->labels->n;
    float *column = room, *thresholds = room + s->n;
    enum status st;

    for (size_t i = 0; i < s->n; i++)
        column[i] = r->here[i * n + k];
    st = operating_choose_by(s->n, s->truth + k, r->here + k, n, f->point.kind, f->point.at, &f->threshold);
    if (st == ST_OK)
        st = cross_thresholds(s, k, column, &f->point, thresholds);
    if (st == ST_OK)
        st = site_rates(r, s->truth + k, r->here + k, NAN, thresholds, &f->rates);
    if (st == ST_OK && !isnan(wish->error_rate)) {
        st = conformal_limit(&r->patients, s->truth + k, r->here + k, n, 1, wish->error_rate,
                             &f->present_from);
        if (st == ST_OK)
            st = conformal_limit(&r->patients, s->truth + k, r->here + k, n, 0, wish->error_rate,
                                 &f->absent_to);
    }
    return st;
}

static void scores_here(struct site_rows *r, const struct site_finding *findings)
{
    const struct scores *s = &r->file.scores;

    for (size_t at = 0; at < s->n * s->labels->n; at++)
        r->here[at] = site_probability(&findings[at % s->labels->n], s->prob[at]);
}

static enum status fit(struct site_rows *r, const struct site_wish *wish, struct site_finding *findings)
{
    const struct scores *s = &r->file.scores;
    float *room = malloc((2 * s->n + 1) * sizeof *room);
    enum status st = room ? ST_OK : ST_NOMEM;

    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++)
        st = count(r, k, wish, &findings[k]);
    if (st == ST_OK)
        st = fit_calibration(s, findings);
    if (st == ST_OK)
        scores_here(r, findings);
    for (size_t k = 0; k < s->labels->n && st == ST_OK; k++)
        st = findings[k].here
                 ? fit_finding(r, k, wish, room, &findings[k])
                 : site_rates(r, s->truth + k, r->here + k, findings[k].threshold, NULL, &findings[k].rates);
    free(room);
    return st;
}

enum status site_profile_fit(const char *scores_path, const char *split, const struct labels *labels,
                             const struct site_wish *wish, struct site_profile *ret, size_t *ret_rows,
                             size_t *ret_patients, struct error *err)
{
    struct site_rows r = { 0 };
    enum status st = site_rows_read(scores_path, split, labels, &r, err);

    if (st != ST_OK)
        return st;
    *ret = (struct site_profile){ .labels = *labels, .point = wish->point, .error_rate = wish->error_rate };
    *ret_rows = r.file.scores.n;
    *ret_patients = r.patients.n;
    if (fit(&r, wish, ret->findings) != ST_OK)
        st = error_nomem(err);
    site_rows_release(&r);
    return st;
}
