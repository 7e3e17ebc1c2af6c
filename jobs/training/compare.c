/* jobs/training/compare.c - see compare.h. */
#include "compare.h"

#include "cxrd/metrics.h"

static enum status compare_finding(const struct patients *p, const struct scores *candidate,
                                   const struct scores *active, size_t k, struct compared *ret)
{
    struct figure gain;
    enum status st = figure_init(&gain, p);

    if (st == ST_OK)
        st = figure_add_auroc(&gain, 1, candidate->truth + k, candidate->prob + k, N_LABELS);
    if (st == ST_OK)
        st = figure_add_auroc(&gain, -1, active->truth + k, active->prob + k, N_LABELS);
    if (st == ST_OK)
        st = figure_estimate(&gain, &ret->gain);
    figure_release(&gain);
    if (st == ST_OK)
        st =
            metrics_auroc(candidate->n, candidate->truth + k, candidate->prob + k, N_LABELS, &ret->candidate);
    return st == ST_OK ? metrics_auroc(active->n, active->truth + k, active->prob + k, N_LABELS, &ret->active)
                       : st;
}

static enum status compare_macro(const struct patients *p, const struct scores *candidate,
                                 const struct scores *active, struct compared *ret)
{
    double each[N_LABELS];
    struct figure gain;
    enum status st = figure_init(&gain, p);

    if (st == ST_OK)
        st = figure_add_macro_auroc(&gain, 1, candidate);
    if (st == ST_OK)
        st = figure_add_macro_auroc(&gain, -1, active);
    if (st == ST_OK)
        st = figure_estimate(&gain, &ret->gain);
    figure_release(&gain);
    if (st == ST_OK)
        st = macro_auroc(candidate, each, &ret->candidate);
    return st == ST_OK ? macro_auroc(active, each, &ret->active) : st;
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
    st = compare_macro(&p, candidate, active, &c.macro);
    for (size_t k = 0; k < N_LABELS && st == ST_OK; k++)
        st = compare_finding(&p, candidate, active, k, &c.findings[k]);
    patients_release(&p);
    if (st == ST_OK)
        *ret = c;
    return st;
}
