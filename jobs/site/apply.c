/* jobs/site/apply.c - what a profile makes of a model's probability; see cxrd/site_profile.h. */
#include "cxrd/site_profile.h"

#include <math.h>
#include <string.h>

const char *const SITE_VERDICTS[] = { NULL, "present", "absent", "cannot say" };

const char *const SITE_POINTS[N_OPERATING] = { "youden", "sensitivity", "specificity" };

bool site_point_equal(const struct site_point *a, const struct site_point *b)
{
    return a->kind == b->kind && (a->kind == OPERATE_YOUDEN || a->at == b->at);
}

/* A probability of exactly 0 or 1 has no logit. */
static const double EDGE = 1e-7;

float site_probability(const struct site_finding *f, float probability)
{
    const double p = fmin(fmax((double)probability, EDGE), 1 - EDGE);

    if (f->scale == 1 && f->shift == 0)
        return probability; /* to the last digit */
    return (float)(1 / (1 + exp(-((double)f->scale * log(p / (1 - p)) + (double)f->shift))));
}

enum site_verdict site_verdict_of(const struct site_finding *f, float probability_here)
{
    const bool present = probability_here >= f->present_from, absent = probability_here <= f->absent_to;

    if (isnan(f->present_from) || isnan(f->absent_to))
        return SITE_NOTHING;
    if (present == absent)
        return SITE_UNSURE;
    return present ? SITE_PRESENT : SITE_ABSENT;
}

bool site_profile_expired(const struct site_profile *p)
{
    char now[CLOCK_TEXT_SIZE];

    return strcmp(clock_utc(now), p->expires_at) >= 0; /* both are written alike */
}
