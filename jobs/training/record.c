/* jobs/training/record.c - the parts of a job record as JSON: the contract's names, numbers or null. */
#include "cxrd/trainer.h"

#include "cxrd/cpu.h"
#include "cxrd/version.h"

#include <math.h>

json_t *number_or_null(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static json_t *count(size_t n) { return json_integer((json_int_t)n); }

json_t *dataset_json(const struct dataset_report *d, const struct train_config *config)
{
    static const char *const SPLIT_BY[] = { "image", "patient", "list" };
    json_t *counts = json_object(), *together = json_array();

    for (size_t i = 0; i < N_LABELS; i++) {
        json_t *row = json_array();

        json_object_set_new(counts, LABELS[i], count(d->label_counts[i]));
        for (size_t j = 0; j < N_LABELS; j++)
            json_array_append_new(row, count(d->cooccurrence[i][j]));
        json_array_append_new(together, row);
    }
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:s,s:s}", "rows", count(d->rows),
                     "dropped_age", count(d->dropped_age), "dropped_no_finding", count(d->dropped_no_finding),
                     "missing_images", count(d->missing_images), "not_listed", count(d->not_listed), "usable",
                     count(d->usable), "train", count(d->train), "validation", count(d->validation), "test",
                     count(d->test), "split_by", SPLIT_BY[config->split_by], "patients_in_both",
                     count(d->patients_in_both), "label_counts", counts, "cooccurrence", together,
                     "csv_sha256", d->csv_sha256, "split_sha256", d->split_sha256);
}

json_t *epoch_json(const struct epoch_report *e)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "epoch", count(e->epoch), "loss",
                     number_or_null(e->loss), "top5_accuracy", number_or_null(e->top5_accuracy), "val_loss",
                     number_or_null(e->val_loss), "val_top5_accuracy", number_or_null(e->val_top5_accuracy),
                     "val_macro_auroc", number_or_null(e->val_macro_auroc), "images_per_s",
                     number_or_null(e->images_per_s), "seconds", number_or_null(e->seconds));
}

static json_t *finding_json(size_t label, const struct finding_report *f)
{
    return json_pack("{s:s,s:o,s:o,s:o,s:o,s:n,s:n,s:o,s:o,s:o,s:n,s:n,s:n}", "label", LABELS[label],
                     "positives", count(f->positives), "prevalence", number_or_null(f->prevalence),
                     "predicted_mean", number_or_null(f->predicted_mean), "auroc", number_or_null(f->auroc),
                     "auroc_low", "auroc_high", "average_precision", number_or_null(f->average_precision),
                     "brier", number_or_null(f->brier), "ece", number_or_null(f->ece), "threshold",
                     "sensitivity", "specificity");
}

static json_t *split_evaluation_json(const struct evaluation *e)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < N_LABELS; i++)
        json_array_append_new(findings, finding_json(i, &e->findings[i]));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "rows", count(e->rows), "loss", number_or_null(e->loss),
                     "top5_accuracy", number_or_null(e->top5_accuracy), "macro_auroc",
                     number_or_null(e->macro_auroc), "micro_auroc", number_or_null(e->micro_auroc),
                     "findings", findings);
}

static json_t *normal_evaluation_json(const struct evaluation *e)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < N_LABELS; i++)
        json_array_append_new(findings, json_pack("{s:s,s:n}", "label", LABELS[i], "false_positive_rate"));
    return json_pack("{s:o,s:o}", "rows", count(e->rows), "findings", findings);
}

json_t *calibration_json(const struct train_result *r)
{
    return json_pack("{s:s,s:o,s:o}", "method", calibration_name(r->calibration), "loss_before",
                     number_or_null(r->calibration_loss_before), "loss_after",
                     number_or_null(r->calibration_loss_after));
}

json_t *evaluation_json(const struct train_result *r)
{
    return json_pack("{s:o,s:o,s:o}", "validation", split_evaluation_json(&r->evaluation[SCORED_VALIDATION]),
                     "test", split_evaluation_json(&r->evaluation[SCORED_TEST]), "no_finding",
                     normal_evaluation_json(&r->evaluation[SCORED_NO_FINDING]));
}

json_t *environment_json(size_t threads)
{
    return json_pack("{s:o,s:o,s:s,s:s,s:s}", "cores", count(cores_available()), "threads", count(threads),
                     "simd", cpu_simd(), "blas", cpu_blas(), "build", CXRD_BUILD);
}
