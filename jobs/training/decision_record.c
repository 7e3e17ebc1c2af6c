/* jobs/training/decision_record.c - decisions as a job record has them, see cxrd/decision.h. */
#include "cxrd/decision.h"

#include "record.h"

#include <math.h>

static json_t *benefits_json(const struct decision_finding *f)
{
    json_t *benefits = json_array();

    for (size_t i = 0; i < N_BENEFITS; i++) {
        const struct benefit *b = &f->benefit[i];
        json_t *benefit = json_pack("{s:f,s:o,s:o}", "threshold", BENEFIT_AT[i], "model",
                                    number_or_null(b->model), "treat_all", number_or_null(b->treat_all));

        ranged_set(benefit, "gain", &b->gain);
        json_array_append_new(benefits, benefit);
    }
    return benefits;
}

/* A count of rows that are called, null where there is no threshold. */
static json_t *called_json(const struct decision_finding *f, size_t n)
{
    return isnan(f->threshold) ? json_null() : count_json(n);
}

static json_t *finding_json(const char *label, const struct decision_finding *f)
{
    json_t *finding =
        json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "label", label, "threshold", number_or_null(f->threshold),
                  "true_positives", called_json(f, f->true_positives), "false_positives",
                  called_json(f, f->false_positives), "true_negatives", called_json(f, f->true_negatives),
                  "false_negatives", called_json(f, f->false_negatives));

    ranged_set(finding, "ppv", &f->ppv);
    ranged_set(finding, "npv", &f->npv);
    ranged_set(finding, "calibration_slope", &f->slope);
    ranged_set(finding, "calibration_intercept", &f->intercept);
    json_object_set_new(finding, "net_benefit", benefits_json(f));
    return finding;
}

json_t *decisions_json(const struct decisions *d, const struct labels *labels)
{
    json_t *findings;

    if (d->rows == 0)
        return json_null();
    findings = json_array();
    for (size_t k = 0; k < labels->n; k++)
        json_array_append_new(findings, finding_json(labels->names[k], &d->findings[k]));
    return json_pack("{s:s,s:o,s:o,s:o}", "split", SCORED_NAMES[SCORED_TEST], "rows", count_json(d->rows),
                     "patients", count_json(d->patients), "findings", findings);
}
