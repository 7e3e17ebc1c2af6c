/* jobs/training/score_record.c - what a record says of a data set that was scored, see cxrd/scoring.h. */
#include "cxrd/scoring.h"

#include "cxrd/json.h"
#include "cxrd/model.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

void score_record_dataset(json_t *record, const struct train_result *so_far, const struct score_config *c)
{
    json_t *dataset = dataset_json(&so_far->dataset, &c->data);

    json_object_set_new(dataset, "split_by", json_null()); /* nobody has split it */
    json_object_set_new(record, "dataset", dataset);
    json_object_set_new(record, "warnings", start_warnings(so_far));
}

/* ---- whether a validation is external ---- */

static bool has(const json_t *list, const char *text)
{
    const json_t *item;
    size_t i;

    json_array_foreach (list, i, item)
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    return false;
}

static json_t *common_json(const struct score_result *r)
{
    if (!r->in_common_known)
        return json_null();
    return json_pack("{s:I,s:I,s:I}", "pictures", (json_int_t)r->in_common.pictures, "patients",
                     (json_int_t)r->in_common.patients, "rows", (json_int_t)r->in_common.rows);
}

/* Why it is no external validation; NULL: nothing says so. */
static json_t *reason_of(const struct scored_with *l, const struct score_result *r, const char *dataset)
{
    const struct in_common *c = &r->in_common;

    if (has(l->tables, r->as_training.dataset.csv_sha256))
        return json_string("the model was trained with this very table");
    if (c->pictures > 0)
        return json_sprintf("%zu of the %zu pictures have the name of one that the model has learned from, "
                            "or was chosen by",
                            c->pictures, r->as_training.dataset.test);
    if (c->patients > 0)
        return json_sprintf("%zu patients have a picture that the model has learned from, or was chosen by",
                            c->patients);
    if (has(l->datasets, dataset))
        return json_string("the model was trained on this data set");
    return NULL;
}

static json_t *external_json(const struct scored_with *l, const struct score_result *r, const char *dataset)
{
    json_t *reason = reason_of(l, r, dataset);
    json_t *external = reason ? json_false() : l->unknown ? json_null() : json_true();

    if (!reason)
        reason = l->unknown ? json_string("it is not known from which pictures the model has learned")
                            : json_null();
    return json_pack("{s:o,s:o,s:o}", "external", external, "reason", reason, "in_common", common_json(r));
}

/* ---- what was scored ---- */

/* The findings that the table has, or those that it lacks. */
static json_t *findings_json(const struct score_result *r, bool has)
{
    const struct labels *labels = &r->as_training.labels;
    json_t *names = json_array();

    for (size_t k = 0; k < labels->n; k++)
        if ((r->has >> k & 1) == has)
            json_array_append_new(names, json_string(labels->names[k]));
    return names;
}

/* The scored model's own figures, of its own test rows, to stand beside those of here. */
static json_t *own_json(const struct model *m)
{
    char *text = operating_points_text(model_operating(m), model_labels(m));
    json_t *own = NULL;
    const enum status st = text ? json_read(text, strlen(text), 0, &own, NULL) : ST_NOMEM;

    free(text);
    if (st == ST_NOMEM)
        json_lack();
    return st == ST_OK ? own : json_null();
}

static void warn(json_t *record, const char *code, json_t *detail)
{
    json_array_append_new(json_object_get(record, "warnings"),
                          json_pack("{s:s,s:o}", "code", code, "detail", detail));
}

static void warn_of_findings(json_t *record, const struct score_result *r)
{
    const struct labels *labels = &r->as_training.labels;
    struct buf names = BUF_INIT(LABELS_TEXT_SIZE + 2 * MAX_LABELS);
    size_t n = 0;

    for (size_t k = 0; k < labels->n; k++)
        if (!(r->has >> k & 1))
            buf_printf(&names, "%s%s", n++ ? ", " : "", labels->names[k]);
    if (n > 0 && buf_status(&names) == ST_OK)
        warn(record, "findings_not_scored",
             json_sprintf("the table does not have %zu of the model's %zu findings, and nothing is said of "
                          "them: %.*s",
                          n, labels->n, (int)names.len, (const char *)names.data));
    buf_release(&names);
}

static void record_validation(json_t *record, const struct score_result *result, const struct score_config *c,
                              const struct scored_with *with, json_t *scored)
{
    json_t *external = external_json(with, result, c->data.dataset);

    json_object_update(scored, external);
    if (!json_is_true(json_object_get(external, "external")))
        warn(record, "not_external",
             json_sprintf("this is not shown to be an external validation: %s",
                          json_string_value(json_object_get(external, "reason"))));
    json_decref(external);
    json_object_set_new(scored, "findings", findings_json(result, true));
    json_object_set_new(scored, "not_scored", findings_json(result, false));
    json_object_set_new(scored, "own", own_json(with->m));
    json_object_set_new(record, "evaluation", evaluation_json(&result->as_training));
    warn_of_findings(record, result);
}

void score_record(json_t *record, const struct score_result *result, const struct score_config *c,
                  const struct scored_with *with)
{
    json_t *scored = json_pack("{s:s?,s:s,s:s,s:O}", "model", with->id, "sha256", with->sha256,
                               "scores_sha256", with->scores_sha256, "unusable", result->unusable);

    score_record_dataset(record, &result->as_training, c);
    json_object_set_new(json_object_get(record, "dataset"), "unreadable_images",
                        json_integer((json_int_t)result->as_training.unreadable));
    if (result->as_training.unreadable > 0)
        warn(record, "unusable_images",
             json_sprintf("%zu of the %zu pictures could not be scored: `scored.unusable` names the first",
                          result->as_training.unreadable, result->as_training.dataset.test));
    if (c->validates)
        record_validation(record, result, c, with, scored);
    json_object_set_new(record, "scored", scored);
}
