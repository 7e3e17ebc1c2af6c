/* jobs/feedback_paired.c - see cxrd/feedback_paired.h. */
#include "cxrd/feedback_paired.h"

#include "cxrd/metrics.h"
#include "training/compare.h"
#include "training/holm.h"

#include <math.h>
#include <stdlib.h>

/* ---- McNemar ---- */

/* The chance of a split of b + c coin tosses that is at least as uneven. */
static double exact_p(size_t b, size_t c)
{
    const double n = (double)(b + c);
    const size_t least = b < c ? b : c;
    double p = 0;

    for (size_t i = 0; i <= least; i++)
        p += exp(lgamma(n + 1) - lgamma((double)i + 1) - lgamma(n - (double)i + 1) - n * log(2));
    return fmin(2 * p, 1);
}

/* By Student's t where pictures are of fewer patients than there are pictures. */
static enum status clustered_p(const struct figure *gain, double *ret)
{
    double error, freedom;

    if (figure_spread(gain, &error, &freedom) != ST_OK)
        return ST_NOMEM;
    *ret = error < ROUNDING ? (fabs(gain->value) < ROUNDING ? 1 : NAN)
                            : two_sided(student_deviate(freedom, gain->value / error));
    return ST_OK;
}

/* The results: the truth where both have a verdict, and which of them is right. */
struct hits {
    uint8_t *truth;
    double *active, *candidate;
};

static void count_hits(const struct feedback_rows *rows, size_t k, uint8_t value, struct hits *h,
                       struct mcnemar *ret)
{
    const size_t l = rows->labels.n;

    for (size_t i = 0; i < rows->n; i++) {
        const uint8_t call = rows->call[i * l + k], other = rows->other_call[i * l + k];

        h->truth[i] =
            call == TRUTH_UNKNOWN || other == TRUTH_UNKNOWN ? TRUTH_UNKNOWN : rows->truth[i * l + k];
        h->active[i] = call == value;
        h->candidate[i] = other == value;
        if (h->truth[i] != value)
            continue;
        ret->pictures++;
        ret->only_active += call == value && other != value;
        ret->only_candidate += other == value && call != value;
    }
}

static enum status test_rates(const struct feedback_rows *rows, const struct patients *p, size_t k,
                              uint8_t value, struct hits *h, struct mcnemar *ret)
{
    struct figure gain;
    enum status st;

    *ret = (struct mcnemar){ .gain = { NAN, NAN, NAN, NAN }, .p = NAN };
    count_hits(rows, k, value, h, ret);
    if (ret->pictures == 0)
        return ST_OK;
    st = figure_init(&gain, p);
    if (st == ST_OK)
        st = figure_add_mean(&gain, 1, h->candidate, h->truth, 1, value);
    if (st == ST_OK)
        st = figure_add_mean(&gain, -1, h->active, h->truth, 1, value);
    if (st == ST_OK)
        st = difference_estimate(&gain, &ret->gain);
    if (st == ST_OK && p->n == p->n_rows)
        ret->p = exact_p(ret->only_active, ret->only_candidate);
    else if (st == ST_OK)
        st = clustered_p(&gain, &ret->p);
    figure_release(&gain);
    return st;
}

static enum status test_all(const struct feedback_rows *rows, const struct patients *p,
                            struct feedback_paired *ret)
{
    struct hits h = { malloc(rows->n + 1), malloc((rows->n + 1) * sizeof(double)),
                      malloc((rows->n + 1) * sizeof(double)) };
    enum status st = h.truth && h.active && h.candidate ? ST_OK : ST_NOMEM;

    for (size_t k = 0; k < rows->labels.n && st == ST_OK; k++) {
        st = test_rates(rows, p, k, 1, &h, &ret->sensitivity[k]);
        if (st == ST_OK)
            st = test_rates(rows, p, k, 0, &h, &ret->specificity[k]);
    }
    free(h.truth);
    free(h.active);
    free(h.candidate);
    return st;
}

/* ---- all of it ---- */

enum status feedback_pair(const struct feedback_rows *rows, struct feedback_paired *ret)
{
    const struct scores active = { .n = rows->n,
                                   .labels = &rows->labels,
                                   .patients = rows->patients,
                                   .truth = rows->truth,
                                   .prob = rows->prob };
    struct scores candidate = active;
    struct patients p;
    enum status st;

    candidate.prob = rows->other_prob;
    *ret = (struct feedback_paired){ .pictures = rows->n };
    st = compare(&candidate, &active, 0, &ret->auroc);
    if (st == ST_OK)
        st = patients_group(rows->n, rows->patients, &p);
    if (st != ST_OK)
        return st;
    ret->patients = p.n;
    st = test_all(rows, &p, ret);
    patients_release(&p);
    return st;
}

/* ---- as JSON ---- */

static json_t *mcnemar_json(const struct mcnemar *m)
{
    return json_pack("{s:I,s:I,s:I,s:o,s:o,s:o,s:o}", "pictures", (json_int_t)m->pictures, "only_active",
                     (json_int_t)m->only_active, "only_candidate", (json_int_t)m->only_candidate, "gain",
                     number_or_null(m->gain.value), "gain_low", number_or_null(m->gain.low), "gain_high",
                     number_or_null(m->gain.high), "p", number_or_null(m->p));
}

static json_t *compared_json(const struct compared *c)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "active", number_or_null(c->active), "candidate",
                     number_or_null(c->candidate), "gain", number_or_null(c->gain.value), "gain_low",
                     number_or_null(c->gain.low), "gain_high", number_or_null(c->gain.high));
}

json_t *feedback_paired_json(const struct feedback_paired *p, const struct labels *labels)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < labels->n; k++)
        json_array_append_new(findings, json_pack("{s:s,s:o,s:o,s:o}", "label", labels->names[k], "auroc",
                                                  compared_json(&p->auroc.findings[k]), "sensitivity",
                                                  mcnemar_json(&p->sensitivity[k]), "specificity",
                                                  mcnemar_json(&p->specificity[k])));
    return json_pack("{s:I,s:I,s:o,s:o}", "pictures", (json_int_t)p->pictures, "patients",
                     (json_int_t)p->patients, "macro_auroc", compared_json(&p->auroc.macro), "findings",
                     findings);
}
