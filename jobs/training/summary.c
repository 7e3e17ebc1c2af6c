/* jobs/training/summary.c - the short form of an evaluation, which travels in the weights' metadata and is shown on a
 * model's card. The record of the job has all of it. */
#include "cxrd/trainer.h"

/* The members of `from` that a card shows, as they are. */
static json_t *picked(const json_t *from, const char *const *names)
{
    json_t *object = json_object();

    for (; *names; names++)
        json_object_set(object, *names, json_object_get(from, *names));
    return object;
}

static json_t *split_summary(const json_t *split)
{
    static const char *const NAMES[] = {
        "rows",        "patients",  "loss",     "loss_low",    "loss_high",       "top5_accuracy",
        "micro_auroc", "macro_ece", "baseline", "macro_auroc", "macro_auroc_low", "macro_auroc_high",
        "macro_brier", NULL
    };

    return picked(split, NAMES);
}

static json_t *findings_summary(const json_t *test, const json_t *no_finding)
{
    static const char *const NAMES[] = { "label",       "positives",  "positive_patients", "auroc",
                                         "auroc_low",   "auroc_high", "threshold",         "sensitivity",
                                         "specificity", NULL };
    json_t *findings = json_array();

    for (size_t k = 0; k < json_array_size(json_object_get(test, "findings")); k++) {
        json_t *finding = picked(json_array_get(json_object_get(test, "findings"), k), NAMES);

        json_object_set(finding, "false_positive_rate",
                        json_object_get(json_array_get(json_object_get(no_finding, "findings"), k),
                                        "false_positive_rate"));
        json_array_append_new(findings, finding);
    }
    return findings;
}

json_t *metrics_json(const struct train_result *r)
{
    json_t *all = evaluation_json(r), *metrics;
    const json_t *test = json_object_get(all, "test"), *normal = json_object_get(all, "no_finding");
    json_t *tested = split_summary(test);

    json_object_set_new(tested, "findings", findings_summary(test, normal));
    metrics = json_pack("{s:I,s:O,s:o,s:o,s:{s:O}}", "kept_epoch", (json_int_t)r->kept_epoch, "learning",
                        json_object_get(all, "learning"), "validation",
                        split_summary(json_object_get(all, "validation")), "test", tested, "no_finding",
                        "rows", json_object_get(normal, "rows"));
    json_decref(all);
    return metrics;
}
