/* server/api/kept_row.c - see kept_row.h. */
#include "kept_row.h"

#include <stdio.h>
#include <string.h>

static void put_operating(const struct profile *profile, const struct operating *o, char ret[OPERATING_TEXT])
{
    if (profile && !o->name)
        snprintf(ret, OPERATING_TEXT, "%s@%s", SITE_POINTS[profile->site.point.kind], profile->id);
    else
        snprintf(ret, OPERATING_TEXT, "%s", o->name ? o->name : OPERATING_NAMES[OPERATE_YOUDEN]);
}

void kept_row(const struct loaded_model *by, const struct profile *profile, const struct prediction *p,
              struct kept_scores *ret)
{
    *ret = (struct kept_scores){ .n = model_labels(by->model)->n };
    snprintf(ret->model, sizeof ret->model, "%s", by->id);
    put_operating(profile, &p->operating, ret->operating);
    memcpy(ret->probability, p->probability, ret->n * sizeof ret->probability[0]);
    for (size_t k = 0; k < ret->n; k++) {
        const int verdict = prediction_verdict(by->model, p, k);

        ret->known |= (uint64_t)(verdict != VERDICT_NONE) << k;
        ret->positive |= (uint64_t)(verdict == 1) << k;
    }
}
