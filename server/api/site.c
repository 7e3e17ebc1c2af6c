/* server/api/site.c - see site.h. */
#include "site.h"

#include "cxrd/trainer.h"

#include <math.h>

void site_apply(const struct profile *profile, bool own_point, float *probability, struct site_view *ret)
{
    *ret = (struct site_view){ .profile = profile };
    if (!profile)
        return;
    ret->expired = site_profile_expired(&profile->site);
    ret->own_point = own_point;
    for (size_t k = 0; k < profile->site.labels.n; k++)
        probability[k] = site_probability(&profile->site.findings[k], probability[k]);
}

/* The model's own goes the way that its probability went, so it parts the same films. */
float site_threshold(const struct site_view *v, size_t k, float own)
{
    const struct site_finding *f = &v->profile->site.findings[k];

    if (!v->own_point)
        return f->threshold;
    return isnan(own) ? own : site_probability(f, own);
}

bool site_measured(const struct site_view *v, size_t k)
{
    return !v->own_point && v->profile->site.findings[k].here;
}

static json_t *point_json(const struct site_point *point)
{
    return json_pack("{s:s,s:o}", "kind", SITE_POINTS[point->kind], "at",
                     point->kind == OPERATE_YOUDEN ? json_null() : json_real(point->at));
}

void site_finding_tell(const struct site_view *v, size_t k, float probability, json_t *finding)
{
    static const struct operating_quality UNKNOWN = { NAN, NAN, NAN, NAN, NAN, NAN };
    const struct site_finding *f = &v->profile->site.findings[k];
    const struct operating_quality *q = v->own_point ? &UNKNOWN : &f->rates;
    json_t *here = json_pack(
        "{s:b,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "fitted_here", f->here, "operating_point",
        v->own_point ? json_null() : point_json(&f->point), "sensitivity", number_or_null(q->sensitivity),
        "sensitivity_low", number_or_null(q->sensitivity_low), "sensitivity_high",
        number_or_null(q->sensitivity_high), "specificity", number_or_null(q->specificity), "specificity_low",
        number_or_null(q->specificity_low), "specificity_high", number_or_null(q->specificity_high));

    json_object_update(finding, here);
    json_decref(here);
    if (!isnan(v->profile->site.error_rate)) {
        const char *verdict = v->expired ? NULL : SITE_VERDICTS[site_verdict_of(f, probability)];

        json_object_set_new(finding, "verdict", verdict ? json_string(verdict) : json_null());
    }
}

json_t *site_json(const struct site_view *v)
{
    const struct site_profile *p = &v->profile->site;

    return json_pack("{s:s,s:o,s:o,s:s,s:b}", "id", v->profile->id, "operating_point", point_json(&p->point),
                     "error_rate", number_or_null(p->error_rate), "expires_at", p->expires_at, "expired",
                     v->expired);
}

void site_warning(const struct site_view *v, json_t *warnings)
{
    if (v->profile && v->expired)
        json_array_append_new(
            warnings, json_pack("{s:s,s:s+}", "code", "profile_expired", "detail",
                                "the site's profile, by which findings are called positive, has expired at ",
                                v->profile->site.expires_at));
}
