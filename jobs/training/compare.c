/* jobs/training/compare.c - see compare.h. */
#include "compare.h"

#include "cxrd/metrics.h"
#include "holm.h"

#include <math.h>

/* Every row has the same probability of both: other rows could tell nothing more. */
static bool same_scores(const struct scores *a, const struct scores *b, size_t k)
{
    const size_t n = a->labels->n;

    for (size_t i = 0; i < a->n; i++)
        if (a->prob[i * n + k] != b->prob[i * n + k])
            return false;
    return true;
}

/* Where the patients show no spread, the error is not estimated from them, and the normal distribution takes the place of Student's. */
static enum status gain_p(const struct figure *gain, const struct estimate *e, double *ret)
{
    double spread, freedom;

    if (figure_spread(gain, &spread, &freedom) != ST_OK)
        return ST_NOMEM;
    *ret = two_sided(spread < ROUNDING ? e->value / e->error : student_deviate(freedom, e->value / e->error));
    return ST_OK;
}

/* The difference of a figure, of which it is known whether both have the same scores. */
static enum status gain_estimate(const struct figure *gain, bool same, struct compared *ret)
{
    enum status st = difference_estimate(gain, &ret->gain);

    if (st == ST_OK)
        st = gain_p(gain, &ret->gain, &ret->p);
    if (st == ST_OK && same && !isnan(ret->gain.value)) {
        ret->gain = (struct estimate){ 0 };
        ret->p = 1;
    }
    return st;
}

static enum status compare_finding(const struct patients *p, const struct scores *candidate,
                                   const struct scores *active, size_t k, struct compared *ret)
{
    const size_t n = candidate->labels->n;
    struct figure gain;
    enum status st = figure_init(&gain, p);

    if (st == ST_OK)
        st = figure_add_auroc(&gain, 1, candidate->truth + k, candidate->prob + k, n);
    if (st == ST_OK)
        st = figure_add_auroc(&gain, -1, active->truth + k, active->prob + k, n);
    if (st == ST_OK)
        st = gain_estimate(&gain, same_scores(candidate, active, k), ret);
    if (gain.unseen > 0)
        ret->gain.error = ret->gain.low = ret->gain.high = ret->p = NAN; /* one patient proves nothing */
    figure_release(&gain);
    if (st == ST_OK)
        st = metrics_auroc(candidate->n, candidate->truth + k, candidate->prob + k, n, &ret->candidate);
    return st == ST_OK ? metrics_auroc(active->n, active->truth + k, active->prob + k, n, &ret->active) : st;
}

/* Of the findings whose gain has an interval; of the others nobody knows what they would add. */
static enum status compare_macro(const struct patients *p, const struct scores *candidate,
                                 const struct scores *active, struct comparison *c)
{
    const size_t n_labels = candidate->labels->n;
    struct figure gain;
    double n = 0;
    bool same = true;
    enum status st = figure_init(&gain, p);

    for (size_t k = 0; k < n_labels; k++)
        n += !isnan(c->findings[k].gain.error);
    c->macro.candidate = c->macro.active = n > 0 ? 0 : NAN;
    for (size_t k = 0; k < n_labels && st == ST_OK; k++) {
        if (isnan(c->findings[k].gain.error))
            continue;
        same = same && same_scores(candidate, active, k);
        c->macro.candidate += c->findings[k].candidate / n;
        c->macro.active += c->findings[k].active / n;
        st = figure_add_auroc(&gain, 1 / n, candidate->truth + k, candidate->prob + k, n_labels);
        if (st == ST_OK)
            st = figure_add_auroc(&gain, -1 / n, active->truth + k, active->prob + k, n_labels);
    }
    if (st == ST_OK)
        st = gain_estimate(&gain, same && n > 0, &c->macro);
    figure_release(&gain);
    return st;
}

enum status compare(const struct scores *candidate, const struct scores *active, size_t n_normal,
                    struct comparison *ret)
{
    struct comparison c = { .rows = candidate->n, .normal_rows = n_normal };
    struct patients p;
    enum status st = patients_group(candidate->n, candidate->patients, &p);

    if (st != ST_OK)
        return st;
    c.patients = p.n;
    for (size_t k = 0; k < candidate->labels->n && st == ST_OK; k++)
        st = compare_finding(&p, candidate, active, k, &c.findings[k]);
    if (st == ST_OK)
        st = compare_macro(&p, candidate, active, &c);
    patients_release(&p);
    if (st == ST_OK)
        *ret = c;
    return st;
}
