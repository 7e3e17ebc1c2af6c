/* tests/unit/test_trainer_record.c - the parts of a record have the contract's members, and what is no number is null. */
#include "cxrd/csv_text.h"
#include "jobs/training/evaluate.h"
#include "leaks.h"
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(record, .fini = check_no_leaks);

static json_t *member(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    cr_assert_not_null(value, "there is no '%s'", name);
    return value;
}

static void check_members(json_t *object, const char *const *names)
{
    size_t n = 0;

    for (; names[n]; n++)
        member(object, names[n]);
    cr_assert_eq(json_object_size(object), n, "there are %zu members, not %zu", json_object_size(object), n);
}
#define CHECK_MEMBERS(object, ...) check_members(object, (const char *const[]){ __VA_ARGS__, NULL })

static void check_dataset_record(const struct trial *r)
{
    json_t *d = dataset_json(&r->result.dataset, &r->config);

    CHECK_MEMBERS(d, "rows", "dropped_age", "dropped_no_finding", "missing_images", "not_listed", "usable",
                  "train", "validation", "test", "split_by", "patients_in_both", "label_counts",
                  "cooccurrence", "csv_sha256", "split_sha256", "init_split", "flow", "contradicting_sex",
                  "joined_rows", "same_names", "equal_pictures", "equal_patients", "equal_left_out",
                  "equal_no_finding", "input_gate", "splits", "unknown", "other_views", "table",
                  "table_format", "said", "unknown_labels", "misfits", "dropped_views", "dropped_unlabelled",
                  "forgotten");
    cr_assert(json_is_null(member(d, "init_split")), "it began from no model");
    cr_assert_eq(json_integer_value(member(d, "rows")), 44);
    cr_assert_eq(json_integer_value(member(d, "dropped_no_finding")), 4);
    cr_assert_str_eq(json_string_value(member(d, "split_by")), "patient");
    cr_assert_eq(json_integer_value(member(member(d, "label_counts"), "Effusion")), 16);
    cr_assert_eq(json_integer_value(json_array_get(json_array_get(member(d, "cooccurrence"), 0), 4)), 8);
    json_decref(d);
}

static void check_null(json_t *object, const char *const *names)
{
    for (size_t i = 0; names[i]; i++)
        cr_assert(json_is_null(member(object, names[i])), "nobody has a hernia, and there is a '%s'",
                  names[i]);
}

static void check_operating_record(json_t *finding, json_t *normal)
{
    json_t *points = member(finding, "operating_points"), *false_alarms = member(normal, "operating_points");

    CHECK_MEMBERS(points, "youden", "sensitivity_90", "specificity_90");
    CHECK_MEMBERS(false_alarms, "youden", "sensitivity_90", "specificity_90");
    for (int kind = 0; kind < N_OPERATING; kind++) {
        json_t *point = member(points, OPERATING_NAMES[kind]),
               *alarm = member(false_alarms, OPERATING_NAMES[kind]);

        CHECK_MEMBERS(point, "threshold", "sensitivity", "sensitivity_low", "sensitivity_high", "specificity",
                      "specificity_low", "specificity_high", "ppv", "ppv_low", "ppv_high", "npv", "npv_low",
                      "npv_high", "positive_rate", "positive_rate_low", "positive_rate_high");
        CHECK_MEMBERS(alarm, "threshold", "false_positive_rate", "false_positive_rate_low",
                      "false_positive_rate_high");
        cr_assert(json_equal(member(point, "threshold"), member(alarm, "threshold")));
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const NAMES[] = { "threshold", "sensitivity", "specificity" };

        cr_assert(json_equal(member(finding, NAMES[i]), member(member(points, "youden"), NAMES[i])));
    }
    CHECK_MEMBERS(normal, "label", "predicted_mean", "threshold", "false_positive_rate", "operating_points");
    cr_assert(json_is_number(member(normal, "false_positive_rate")));
}

static void check_evaluation_record(const struct trial *r)
{
    json_t *e = evaluation_json(&r->result), *validation = member(e, "validation"),
           *normal = member(e, "no_finding"), *findings = member(validation, "findings"), *hernia;

    CHECK_MEMBERS(e, "validation", "test", "no_finding", "learning", "groups", "decision");
    CHECK_MEMBERS(member(e, "learning"), "answer", "split", "rows", "patients", "gain", "gain_low",
                  "gain_high");
    CHECK_MEMBERS(validation, "rows", "patients", "loss", "loss_low", "loss_high", "macro_auroc_low",
                  "macro_auroc_high", "macro_brier_low", "macro_brier_high", "macro_ece_expected",
                  "macro_ece_expected_sd", "micro_ece_expected", "micro_ece_expected_sd", "top5_accuracy",
                  "macro_auroc", "macro_average_precision", "macro_brier", "macro_ece", "micro_auroc",
                  "micro_average_precision", "micro_brier", "micro_ece", "baseline", "input_gate", "findings",
                  "by_sample", "inputs_alone");
    cr_assert(json_is_null(member(validation, "inputs_alone")));
    cr_assert(json_is_null(member(validation, "input_gate"))); /* too few pictures for one */
    CHECK_MEMBERS(member(validation, "baseline"), "loss", "top5_accuracy", "macro_brier");
    cr_assert(json_array_size(findings) == N_NIH_LABELS &&
              json_array_size(member(normal, "findings")) == N_NIH_LABELS);
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_str_eq(json_string_value(member(json_array_get(findings, k), "label")),
                         NIH_LABELS.names[k]);
    hernia = json_array_get(findings, (size_t)labels_find(&NIH_LABELS, "Hernia", 6));
    CHECK_MEMBERS(hernia, "label", "positives", "positive_patients", "prevalence", "base_rate",
                  "predicted_mean", "auroc", "auroc_low", "auroc_high", "average_precision", "brier",
                  "brier_low", "brier_high", "baseline_brier", "ece", "ece_expected", "ece_expected_sd",
                  "unknown", "threshold", "sensitivity", "specificity", "operating_points");
    check_null(hernia, (const char *const[]){ "auroc", "auroc_low", "auroc_high", "average_precision",
                                              "threshold", "sensitivity", "specificity", NULL });
    cr_assert(json_is_number(member(hernia, "brier")) &&
              json_integer_value(member(hernia, "positives")) == 0);
    CHECK_MEMBERS(normal, "rows", "patients", "findings");
    check_operating_record(json_array_get(findings, 4), json_array_get(member(normal, "findings"), 4));
    cr_assert_eq(json_integer_value(member(normal, "rows")), 4);
    json_decref(e);
}

Test(train, record_has_the_contracts_members)
{
    struct trial r;
    json_t *epoch, *environment;

    tiny_dataset(datasets, 40, 4);
    r = trained("{\"steps_per_epoch\":1,\"split_by\":\"patient\"}");
    check_dataset_record(&r);
    check_evaluation_record(&r);
    epoch = epoch_json(&r.result.epochs[0], N_NIH_LABELS);
    CHECK_MEMBERS(epoch, "epoch", "loss", "top5_accuracy", "val_loss", "val_top5_accuracy", "val_macro_auroc",
                  "images_per_s", "seconds", "learning_rate", "val_auroc");
    environment = environment_json(2);
    CHECK_MEMBERS(environment, "cores", "threads", "simd", "blas", "build");
    json_decref(environment);
    json_decref(epoch);
    run_release(&r);
}

Test(record, numbers_that_are_none_are_null)
{
    static const double NONE[] = { NAN, INFINITY, -INFINITY };
    json_t *half = number_or_null(0.5);

    cr_assert_eq(json_real_value(half), 0.5);
    json_decref(half);
    for (size_t i = 0; i < 3; i++) {
        json_t *v = number_or_null(NONE[i]);

        cr_assert(json_is_null(v));
        json_decref(v);
    }
}
