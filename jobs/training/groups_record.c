/* jobs/training/groups_record.c - subgroups as a job record has them, see cxrd/groups.h. */
#include "cxrd/groups.h"

#include "cxrd/json.h"
#include "cxrd/trainer.h"
#include "record.h"

/* How often it is called where it is not: what is left of the specificity. */
static struct estimate false_positives_of(const struct estimate *specificity)
{
    return (struct estimate){ 1 - specificity->value, specificity->error, 1 - specificity->high,
                              1 - specificity->low };
}

static json_t *finding_json(const char *label, const struct group_finding *f)
{
    const struct estimate false_positives = false_positives_of(&f->of[GROUP_SPECIFICITY]);
    json_t *finding = json_pack("{s:s,s:o,s:o}", "label", label, "positives", count_json(f->positives),
                                "positive_patients", count_json(f->positive_patients));

    for (int m = 0; m < N_GROUP_MEASURES; m++)
        ranged_set(finding, GROUP_MEASURES[m], &f->of[m]);
    ranged_set(finding, "false_positive_rate", &false_positives);
    ranged_set(finding, "calibration_slope", &f->slope);
    ranged_set(finding, "calibration_intercept", &f->intercept);
    return finding;
}

static json_t *group_json(const struct group *g, const struct labels *labels)
{
    json_t *findings = json_array();

    for (size_t k = 0; k < labels->n; k++)
        json_array_append_new(findings, finding_json(labels->names[k], &g->findings[k]));
    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "by", GROUPING_NAMES[g->by], "group", json_any_text(g->name),
                     "rows", count_json(g->rows), "patients", count_json(g->patients), "findings", findings);
}

static json_t *difference_json(const struct groups *g, const struct group_difference *d,
                               const struct labels *labels)
{
    json_t *difference =
        json_pack("{s:s,s:o,s:s,s:s,s:o,s:o}", "by", GROUPING_NAMES[g->group[d->group].by], "group",
                  json_any_text(g->group[d->group].name), "label", labels->names[d->finding], "measure",
                  GROUP_MEASURES[d->measure], "in_group", number_or_null(d->in_group), "elsewhere",
                  number_or_null(d->elsewhere));

    ranged_set(difference, "difference", &d->difference);
    json_object_set_new(difference, "p", number_or_null(d->p));
    return difference;
}

json_t *groups_json(const struct groups *g, const struct labels *labels)
{
    json_t *groups = json_array(), *differences = json_array();

    if (g->n == 0) {
        json_decref(groups);
        json_decref(differences);
        return json_null();
    }
    for (size_t i = 0; i < g->n; i++)
        json_array_append_new(groups, group_json(&g->group[i], labels));
    for (size_t i = 0; i < g->n_compared; i++)
        if (g->compared[i].difference.low > 0 || g->compared[i].difference.high < 0)
            json_array_append_new(differences, difference_json(g, &g->compared[i], labels));
    return json_pack("{s:s,s:o,s:o,s:o}", "split", SCORED_NAMES[SCORED_TEST], "groups", groups, "comparisons",
                     count_json(g->n_compared), "differences", differences);
}
