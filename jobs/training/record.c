/* jobs/training/record.c - the parts of a job record as JSON: the contract's names, numbers or null. See cxrd/trainer.h. */
#include "record.h"

#include "by_sample.h"
#include "cxrd/cores.h"
#include "cxrd/cpu.h"
#include "cxrd/version.h"

#include <math.h>
#include <stdio.h>

/* A count of each finding by its name. */
static json_t *by_finding(const struct labels *labels, const size_t *counts)
{
    json_t *object = json_object();

    for (size_t i = 0; i < labels->n; i++)
        json_object_set_new(object, labels->names[i], count_json(counts[i]));
    return object;
}

static json_t *part_json(const struct part_report *part, const struct labels *labels, size_t rows)
{
    return json_pack("{s:o,s:o,s:o,s:o}", "rows", count_json(rows), "no_finding",
                     count_json(part->no_finding), "label_counts", by_finding(labels, part->label_counts),
                     "unknown_labels", by_finding(labels, part->unknown_labels));
}

/* The table as it is, before anything is made of it. */
static json_t *said_json(const struct dataset_report *d, const struct labels *labels)
{
    json_t *object = json_object();

    for (size_t i = 0; i < labels->n; i++) {
        const struct said_count *said = &d->said[i];

        json_object_set_new(object, labels->names[i],
                            json_pack("{s:o,s:o,s:o,s:o}", "positive", count_json(said->positive), "negative",
                                      count_json(said->negative), "uncertain", count_json(said->uncertain),
                                      "missing", count_json(said->missing)));
    }
    return object;
}

static json_t *misfits_json(const struct table_misfits *m)
{
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "contradictions", count_json(m->contradictions), "other_words",
                     count_json(m->other_words), "without_study", count_json(m->without_study),
                     "without_pictures", count_json(m->without_pictures), "ties", count_json(m->ties));
}

static json_t *parts_json(const struct dataset_report *d, const struct labels *labels)
{
    const size_t rows[N_SPLITS] = { [TRAIN] = d->train, [VALIDATION] = d->validation, [TEST] = d->test };
    json_t *parts = json_object();

    for (int part = 0; part < N_SPLITS; part++)
        json_object_set_new(parts, SPLIT_NAMES[part], part_json(&d->part[part], labels, rows[part]));
    return parts;
}

/* Without the last code, which takes a model. */
static json_t *looks_json(const struct dataset_report *d)
{
    json_t *by_code = json_object();

    for (size_t code = 0; code < GATE_UNLIKE_TRAINING; code++)
        json_object_set_new(by_code, GATE_CODES[code], count_json(d->gate[code]));
    return by_code;
}

static json_t *unknown_json(const struct dataset_report *d)
{
    json_t *unknown = json_object();

    for (size_t kind = 0; kind < N_INPUT_COLUMNS; kind++)
        json_object_set_new(unknown, INPUT_NAMES[kind], count_json(d->unknown[kind]));
    return unknown;
}

static json_t *flow_json(const struct dataset_report *d)
{
    json_t *flow = json_array();

    for (int step = 0; step < N_FLOW; step++)
        json_array_append_new(flow, json_pack("{s:s,s:o,s:o}", "step", FLOW_NAMES[step], "rows",
                                              count_json(d->flow[step].rows), "patients",
                                              count_json(d->flow[step].patients)));
    return flow;
}

json_t *dataset_json(const struct dataset_report *d, const struct train_config *config)
{
    static const char *const SPLIT_BY[] = { "image", "patient", "list" };
    const struct labels *labels = &config->labels;
    json_t *together = json_array();
    json_t *report;

    for (size_t i = 0; i < labels->n; i++) {
        json_t *row = json_array();

        for (size_t j = 0; j < labels->n; j++)
            json_array_append_new(row, count_json(d->cooccurrence[i][j]));
        json_array_append_new(together, row);
    }
    report =
        json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:s,s:s,s:s?}", "rows",
                  count_json(d->rows), "dropped_age", count_json(d->dropped_age), "dropped_no_finding",
                  count_json(d->dropped_no_finding), "missing_images", count_json(d->missing_images),
                  "not_listed", count_json(d->not_listed), "usable", count_json(d->usable), "train",
                  count_json(d->train), "validation", count_json(d->validation), "test", count_json(d->test),
                  "split_by", SPLIT_BY[config->split_by], "patients_in_both", count_json(d->patients_in_both),
                  "label_counts", by_finding(labels, d->label_counts), "cooccurrence", together, "csv_sha256",
                  d->csv_sha256, "split_sha256", d->split_sha256, "init_split", LINEAGE_NAMES[d->init_split]);
    json_object_set_new(report, "flow", flow_json(d));
    json_object_set_new(report, "contradicting_sex", count_json(d->two_sexes));
    json_object_set_new(report, "joined_rows", count_json(d->joined));
    json_object_set_new(report, "same_names", count_json(d->same_names));
    json_object_set_new(report, "equal_pictures", count_json(d->equal_pictures));
    json_object_set_new(report, "equal_patients", count_json(d->equal_patients));
    json_object_set_new(report, "equal_left_out", count_json(d->equal_left_out));
    json_object_set_new(report, "equal_no_finding", count_json(d->equal_normal));
    json_object_set_new(report, "forgotten",
                        json_pack("{s:o,s:o}", "rows", count_json(d->forgotten_rows), "patients",
                                  count_json(d->forgotten_patients)));
    json_object_set_new(report, "input_gate", looks_json(d));
    json_object_set_new(report, "splits", parts_json(d, labels));
    json_object_set_new(report, "table_format", json_string(TABLE_FORMAT_NAMES[d->format]));
    json_object_set_new(report, "said", said_json(d, labels));
    json_object_set_new(report, "unknown_labels", by_finding(labels, d->unknown_labels));
    json_object_set_new(report, "misfits", misfits_json(&d->misfits));
    json_object_set_new(report, "dropped_views", count_json(d->dropped_views));
    json_object_set_new(report, "dropped_unlabelled", count_json(d->dropped_unlabelled));
    json_object_set_new(report, "unknown", unknown_json(d));
    json_object_set_new(report, "other_views", count_json(d->other_views));
    json_object_set_new(report, "table", table_profile_json(&d->table));
    return report;
}

json_t *current_json(const struct train_progress *p)
{
    if (p->epoch == 0)
        return NULL;
    return json_pack("{s:I,s:I,s:I,s:o,s:o}", "epoch", (json_int_t)p->epoch, "step", (json_int_t)p->step,
                     "steps", (json_int_t)p->steps, "loss", number_or_null(p->loss), "images_per_s",
                     number_or_null(p->images_per_s));
}

json_t *epoch_json(const struct epoch_report *e, size_t n_labels)
{
    json_t *aurocs = json_array();

    for (size_t k = 0; k < n_labels; k++)
        json_array_append_new(aurocs, number_or_null(e->val_auroc[k]));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "epoch", count_json(e->epoch), "loss",
                     number_or_null(e->loss), "top5_accuracy", number_or_null(e->top5_accuracy), "val_loss",
                     number_or_null(e->val_loss), "val_top5_accuracy", number_or_null(e->val_top5_accuracy),
                     "val_macro_auroc", number_or_null(e->val_macro_auroc), "images_per_s",
                     number_or_null(e->images_per_s), "seconds", number_or_null(e->seconds), "learning_rate",
                     number_or_null(e->learning_rate), "val_auroc", aurocs);
}

static json_t *operating_point_json(const struct operating_report *o)
{
    json_t *point =
        json_pack("{s:o,s:o,s:o}", "threshold", number_or_null(o->threshold), "sensitivity",
                  number_or_null(o->sensitivity.value), "specificity", number_or_null(o->specificity.value));

    interval_set(point, "sensitivity", &o->sensitivity);
    interval_set(point, "specificity", &o->specificity);
    ranged_set(point, "ppv", &o->ppv);
    ranged_set(point, "npv", &o->npv);
    ranged_set(point, "positive_rate", &o->positive_rate);
    return point;
}

static json_t *operating_json(const struct finding_report *f)
{
    json_t *points = json_object();

    for (int kind = 0; kind < N_OPERATING; kind++)
        json_object_set_new(points, OPERATING_NAMES[kind], operating_point_json(&f->operating[kind]));
    return points;
}

static json_t *finding_json(const char *label, const struct finding_report *f)
{
    const struct operating_report *o = &f->operating[OPERATE_YOUDEN];

    json_t *finding = json_pack(
        "{s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "label", label, "positives",
        count_json(f->positives), "positive_patients", count_json(f->positive_patients), "prevalence",
        number_or_null(f->prevalence), "base_rate", number_or_null(f->base_rate), "predicted_mean",
        number_or_null(f->predicted_mean), "auroc", number_or_null(f->auroc.value), "average_precision",
        number_or_null(f->average_precision), "brier", number_or_null(f->brier.value), "baseline_brier",
        number_or_null(f->baseline_brier), "ece", number_or_null(f->ece), "threshold",
        number_or_null(o->threshold), "sensitivity", number_or_null(o->sensitivity.value), "specificity",
        number_or_null(o->specificity.value), "operating_points", operating_json(f));

    interval_set(finding, "auroc", &f->auroc);
    interval_set(finding, "brier", &f->brier);
    json_object_set_new(finding, "ece_expected", number_or_null(f->ece_expected));
    json_object_set_new(finding, "ece_expected_sd", number_or_null(f->ece_expected_sd));
    json_object_set_new(finding, "unknown", count_json(f->unknown));
    return finding;
}

static void means_set(json_t *object, const char *prefix, const struct mean_report *m)
{
    const struct {
        const char *name;
        double value;
    } means[] = { { "auroc", m->auroc },
                  { "average_precision", m->average_precision },
                  { "brier", m->brier },
                  { "ece", m->ece },
                  { "ece_expected", m->ece_expected },
                  { "ece_expected_sd", m->ece_expected_sd } };

    for (size_t i = 0; i < sizeof means / sizeof means[0]; i++) {
        char key[64];

        snprintf(key, sizeof key, "%s_%s", prefix, means[i].name);
        json_object_set_new(object, key, number_or_null(means[i].value));
    }
}

/* The model's figures stand beside it; null where there is nothing to hold it against. */
static json_t *inputs_alone_json(const struct inputs_alone *a)
{
    const struct {
        const char *name;
        const struct estimate *e;
    } figures[] = { { "loss", &a->loss },
                    { "macro_auroc", &a->macro_auroc },
                    { "loss_gain", &a->loss_gain },
                    { "auroc_gain", &a->auroc_gain } };
    json_t *alone;

    if (!a->known)
        return json_null();
    alone = json_object();
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        json_object_set_new(alone, figures[i].name, number_or_null(figures[i].e->value));
        interval_set(alone, figures[i].name, figures[i].e);
    }
    return alone;
}

static json_t *split_evaluation_json(const struct evaluation *e, const struct labels *labels)
{
    json_t *findings = json_array(), *split;

    for (size_t i = 0; i < labels->n; i++)
        json_array_append_new(findings, finding_json(labels->names[i], &e->findings[i]));
    split =
        json_pack("{s:o,s:o,s:o,s:o}", "rows", count_json(e->rows), "patients", count_json(e->patients),
                  "loss", number_or_null(e->loss.value), "top5_accuracy", number_or_null(e->top5_accuracy));
    interval_set(split, "loss", &e->loss);
    interval_set(split, "macro_auroc", &e->macro_auroc);
    interval_set(split, "macro_brier", &e->macro_brier);
    means_set(split, "macro", &e->macro);
    means_set(split, "micro", &e->micro);
    json_object_set_new(split, "baseline",
                        json_pack("{s:o,s:o,s:o}", "loss", number_or_null(e->baseline.loss), "top5_accuracy",
                                  number_or_null(e->baseline.top5_accuracy), "macro_brier",
                                  number_or_null(e->baseline.macro_brier)));
    json_object_set_new(split, "inputs_alone", inputs_alone_json(&e->inputs_alone));
    json_object_set_new(split, "by_sample", by_sample_json(&e->by_sample));
    json_object_set_new(split, "findings", findings);
    return split;
}

/* On normal chests every positive is a false one. */
static json_t *normal_finding_json(const char *label, const struct finding_report *f)
{
    json_t *points = json_object();

    for (int kind = 0; kind < N_OPERATING; kind++) {
        const struct operating_report *o = &f->operating[kind];

        json_t *point = json_pack("{s:o,s:o}", "threshold", number_or_null(o->threshold),
                                  "false_positive_rate", number_or_null(o->positive_rate.value));

        interval_set(point, "false_positive_rate", &o->positive_rate);
        json_object_set_new(points, OPERATING_NAMES[kind], point);
    }
    return json_pack(
        "{s:s,s:o,s:o,s:o,s:o}", "label", label, "predicted_mean", number_or_null(f->predicted_mean),
        "threshold", number_or_null(f->operating[OPERATE_YOUDEN].threshold), "false_positive_rate",
        number_or_null(f->operating[OPERATE_YOUDEN].positive_rate.value), "operating_points", points);
}

static json_t *normal_evaluation_json(const struct evaluation *e, const struct labels *labels)
{
    json_t *findings = json_array();

    for (size_t i = 0; i < labels->n; i++)
        json_array_append_new(findings, normal_finding_json(labels->names[i], &e->findings[i]));
    return json_pack("{s:o,s:o,s:o}", "rows", count_json(e->rows), "patients", count_json(e->patients),
                     "findings", findings);
}

json_t *calibration_json(const struct train_result *r)
{
    return json_pack("{s:s,s:o,s:o}", "method", calibration_name(r->calibration), "loss_before",
                     number_or_null(r->calibration_loss_before), "loss_after",
                     number_or_null(r->calibration_loss_after));
}

/* The gate's reasons that can be told of pictures whose files are not looked at. */
static json_t *gate_json(const struct gate_report *g)
{
    static const enum gate_code TRIED[] = { GATE_INVERTED, GATE_NEARLY_CONSTANT, GATE_UNLIKE_TRAINING };
    json_t *by_code;

    if (g->rows == 0)
        return json_null();
    by_code = json_object();
    for (size_t i = 0; i < sizeof TRIED / sizeof TRIED[0]; i++)
        json_object_set_new(by_code, GATE_CODES[TRIED[i]], count_json(g->by_code[TRIED[i]]));
    return json_pack("{s:o,s:f,s:o,s:f,s:o}", "rows", count_json(g->rows), "threshold", g->threshold,
                     "false_alarms", count_json(g->warned), "false_alarm_rate",
                     (double)g->warned / (double)g->rows, "by_code", by_code);
}

const char *const LEARNING_NAMES[] = { "not_known", "learned", "worse" };

enum learning learning_of(const struct train_result *r, int *ret_set)
{
    const int set = r->evaluation[SCORED_TEST].rows > 0 ? SCORED_TEST : SCORED_VALIDATION;
    const struct estimate *gain = &r->evaluation[set].loss_gain;

    *ret_set = set;
    return gain->low > 0 ? LEARNING_LEARNED : gain->high < 0 ? LEARNING_WORSE : LEARNING_NOT_KNOWN;
}

static json_t *learning_json(const struct train_result *r)
{
    int set;
    const enum learning answer = learning_of(r, &set);
    const struct evaluation *e = &r->evaluation[set];
    json_t *learning = json_pack("{s:s,s:s,s:o,s:o,s:o}", "answer", LEARNING_NAMES[answer], "split",
                                 SCORED_NAMES[set], "rows", count_json(e->rows), "patients",
                                 count_json(e->patients), "gain", number_or_null(e->loss_gain.value));

    interval_set(learning, "gain", &e->loss_gain);
    return learning;
}

json_t *evaluation_json(const struct train_result *r)
{
    const struct labels *labels = &r->labels;
    const bool validated = r->evaluation[SCORED_VALIDATION].rows > 0; /* else no rows have chosen anything */
    json_t *validation =
        validated ? split_evaluation_json(&r->evaluation[SCORED_VALIDATION], labels) : json_null();
    json_t *test = split_evaluation_json(&r->evaluation[SCORED_TEST], labels);

    json_object_set_new(validated ? validation : test, "input_gate", gate_json(&r->gate));
    return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "validation", validation, "test", test, "no_finding",
                     normal_evaluation_json(&r->evaluation[SCORED_NO_FINDING], labels), "learning",
                     learning_json(r), "groups", groups_json(&r->groups, labels), "decision",
                     decisions_json(&r->decisions, labels));
}

json_t *environment_json(size_t threads)
{
    return json_pack("{s:o,s:o,s:s,s:s,s:s}", "cores", count_json(cores_available()), "threads",
                     count_json(threads), "simd", cpu_simd(), "blas", cpu_blas(), "build", CXRD_BUILD);
}

size_t train_threads(const struct train_config *c, const json_t *record, size_t here)
{
    const json_t *environment = json_object_get(record, "environment");
    const json_int_t before = json_integer_value(json_object_get(environment, "threads"));

    return c->shards == 0 && before >= 1 && before <= POOL_MAX_THREADS ? (size_t)before : here;
}
