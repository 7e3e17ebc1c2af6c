/* jobs/site/kept.c - a profile held against rows that it was not made of; see cxrd/site_profile.h. */
#include "conformal.h"
#include "cxrd/metrics.h"
#include "cxrd/site_profile.h"
#include "cxrd/trainer.h"
#include "rows.h"

#include <math.h>

/* The part of the films of a class, or of all, that get this verdict. */
static enum status verdicts(struct site_rows *r, const struct site_finding *f, size_t k,
                            enum site_verdict verdict, uint8_t value, struct estimate *ret,
                            size_t *ret_patients)
{
    const struct scores *s = &r->file.scores;
    const size_t n = s->labels->n;
    enum status st;

    for (size_t i = 0; i < s->n; i++)
        r->values[i] = site_verdict_of(f, r->here[i * n + k]) == verdict;
    st = patient_rate(&r->patients, r->values, s->truth + k, n, value, ret, ret_patients);
    if (isnan(f->present_from))
        *ret = (struct estimate){ NAN, NAN, NAN, NAN };
    return st;
}

static enum status brier(struct site_rows *r, size_t k, const float *score, struct estimate *ret)
{
    const struct scores *s = &r->file.scores;
    const size_t n = s->labels->n;

    for (size_t i = 0; i < s->n; i++)
        r->values[i] = metrics_brier(1, s->truth + i * n + k, score + i * n + k, 1);
    return mean_estimate(&r->patients, r->values, s->truth + k, n, ret);
}

static enum status keep(struct site_rows *r, const struct site_finding *f, size_t k, struct site_kept *ret)
{
    const struct scores *s = &r->file.scores;
    const size_t n = s->labels->n;
    size_t all;
    enum status st;

    for (size_t i = 0; i < s->n; i++)
        r->here[i * n + k] = site_probability(f, s->prob[i * n + k]);
    st = verdicts(r, f, k, SITE_ABSENT, 1, &ret->missed, &ret->positive_patients);
    if (st == ST_OK)
        st = verdicts(r, f, k, SITE_PRESENT, 0, &ret->alarmed, &ret->negative_patients);
    if (st == ST_OK)
        st = verdicts(r, f, k, SITE_UNSURE, TRUTH_KNOWN, &ret->unsure, &all);
    if (st == ST_OK)
        st = site_rates(r, s->truth + k, r->here + k, f->threshold, NULL, &ret->rates);
    if (st == ST_OK)
        st = brier(r, k, s->prob, &ret->brier_model);
    return st == ST_OK ? brier(r, k, r->here, &ret->brier_here) : st;
}

enum status site_profile_kept(const struct site_profile *p, const char *scores_path, const char *split,
                              struct site_kept *ret, struct error *err)
{
    struct site_rows r = { 0 };
    enum status st = site_rows_read(scores_path, split, &p->labels, &r, err);

    if (st != ST_OK)
        return st;
    for (size_t k = 0; k < p->labels.n && st == ST_OK; k++)
        if (keep(&r, &p->findings[k], k, &ret[k]) != ST_OK)
            st = error_nomem(err);
    site_rows_release(&r);
    return st;
}

static void put(json_t *object, const char *name, const struct estimate *e)
{
    json_object_set_new(object, name,
                        isnan(e->value) ? json_null()
                                        : json_pack("{s:f,s:o,s:o}", "value", e->value, "low",
                                                    number_or_null(e->low), "high", number_or_null(e->high)));
}

static json_t *finding_json(const char *label, const struct site_kept *k)
{
    const struct operating_quality *q = &k->rates;
    json_t *finding =
        json_pack("{s:s,s:I,s:I}", "label", label, "positive_patients", (json_int_t)k->positive_patients,
                  "negative_patients", (json_int_t)k->negative_patients);

    put(finding, "missed", &k->missed);
    put(finding, "alarmed", &k->alarmed);
    put(finding, "unsure", &k->unsure);
    put(finding, "sensitivity",
        &(struct estimate){ q->sensitivity, NAN, q->sensitivity_low, q->sensitivity_high });
    put(finding, "specificity",
        &(struct estimate){ q->specificity, NAN, q->specificity_low, q->specificity_high });
    put(finding, "brier_model", &k->brier_model);
    put(finding, "brier_here", &k->brier_here);
    return finding;
}

json_t *site_kept_json(const struct site_profile *p, const struct site_kept *kept)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < p->labels.n; k++)
        json_array_append_new(findings, finding_json(p->labels.names[k], &kept[k]));
    return json_pack("{s:o,s:o}", "error_rate", number_or_null(p->error_rate), "findings", findings);
}
