/* jobs/scoring_job.c - a job that scores a data set with a model, and in a validation says what the scores are worth, as the runner
 * does it. */
#include "worker.h"

#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/scoring.h"
#include "learned.h"
#include "telling.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scoring_job {
    struct telling told;
    struct score_config config;
    struct served *model;
    struct learned learned;
};

/* ---- what is told while it runs ---- */

static bool on_cancelled(void *arg)
{
    const struct scoring_job *j = arg;

    return atomic_load(&j->told.r->stop) != GO_ON || j->told.storage.code != ST_OK;
}

static void on_phase(void *arg, enum train_phase phase)
{
    struct scoring_job *j = arg;

    telling_phase(&j->told, phase);
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct scoring_job *j = arg;

    telling_step(&j->told, p);
}

static void record_dataset(struct scoring_job *j, const struct train_result *so_far)
{
    json_t *dataset = dataset_json(&so_far->dataset, &j->config.data);

    json_object_set_new(dataset, "split_by", json_null()); /* nobody has split it */
    json_object_set_new(j->told.record, "dataset", dataset);
    json_object_set_new(j->told.record, "warnings", start_warnings(so_far));
}

static void on_dataset(void *arg, const struct train_result *so_far)
{
    struct scoring_job *j = arg;

    record_dataset(j, so_far);
    telling_commit(&j->told);
}

static enum status on_patients(void *arg, struct patients **ret_patients, struct error *err)
{
    const struct scoring_job *j = arg;

    return forgotten_load(j->told.r, j->config.data.dataset, ret_patients, err);
}

/* ---- what is left of it ---- */

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

static void record_validation(struct scoring_job *j, const struct score_result *result, json_t *scored)
{
    json_t *record = j->told.record;
    json_t *external = external_json(&j->learned, result, j->config.data.dataset);

    json_object_update(scored, external);
    if (!json_is_true(json_object_get(external, "external")))
        warn(record, "not_external",
             json_sprintf("this is not shown to be an external validation: %s",
                          json_string_value(json_object_get(external, "reason"))));
    json_decref(external);
    json_object_set_new(scored, "findings", findings_json(result, true));
    json_object_set_new(scored, "not_scored", findings_json(result, false));
    json_object_set_new(scored, "own", own_json(j->model->model));
    json_object_set_new(record, "evaluation", evaluation_json(&result->as_training));
    warn_of_findings(record, result);
}

static void record_result(struct scoring_job *j, const struct score_result *result, const char *sha256)
{
    json_t *record = j->told.record;
    json_t *scored = json_pack("{s:s,s:s,s:s,s:O}", "model", j->model->id, "sha256", j->model->sha256,
                               "scores_sha256", sha256, "unusable", result->unusable);

    record_dataset(j, &result->as_training);
    json_object_set_new(json_object_get(record, "dataset"), "unreadable_images",
                        json_integer((json_int_t)result->as_training.unreadable));
    if (result->as_training.unreadable > 0)
        warn(record, "unusable_images",
             json_sprintf("%zu of the %zu pictures could not be scored: `scored.unusable` names the first",
                          result->as_training.unreadable, result->as_training.dataset.test));
    if (j->config.validates)
        record_validation(j, result, scored);
    json_object_set_new(record, "scored", scored);
}

/* All that a run which succeeded has made. */
static enum status all_save(struct scoring_job *j, const struct score_result *result, const char *scores,
                            struct error *err)
{
    const struct telling *t = &j->told;
    char sha256[DIGEST_TEXT_SIZE];
    enum status st;

    on_phase(j, PHASE_SAVING);
    st = job_file_digest(scores, sha256, err);
    if (st != ST_OK)
        return st;
    record_result(j, result, sha256);
    if (!j->config.validates)
        return ST_OK;
    st = job_scores_save(t->r, t->id, &result->as_training, err);
    return st == ST_OK ? job_report_save(t->r, t->id, JOB_SUCCEEDED, t->record, j->model->model,
                                         result->as_training.plots, err)
                       : st;
}

static enum status results_save(struct scoring_job *j, const struct score_result *result, const char *scores,
                                enum status st, struct error *err)
{
    struct error why = { 0 };

    if (j->told.storage.code != ST_OK) {
        *err = j->told.storage;
        return err->code;
    }
    if (st == ST_OK && !telling_still_wanted(&j->told))
        st = error_set(err, ST_CANCELLED, "the scoring was cancelled");
    if (st != ST_OK)
        return st;
    st = all_save(j, result, scores, &why);
    return st == ST_OK ? ST_OK : storage_error(st, &why, err);
}

/* ---- the run ---- */

/* The model may be gone, or have changed its mind: then it is nobody's fault here, and said. */
static enum status model_open(struct scoring_job *j, json_t *errors, struct error *err)
{
    struct error why;
    enum status st = registry_named(j->told.r->registry, j->config.model, &j->model, &why);

    if (st != ST_OK)
        return error_set(err, status_is_outside(st) && st != ST_CONFLICT ? st : ST_UNUSABLE,
                         "the model: %.300s", why.text);
    score_config_settle(&j->config, j->model->model, errors);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "the job's configuration is no longer valid");
    return j->config.validates ? learned_find(j->told.r, j->config.model, &j->learned, err) : ST_OK;
}

/* Where a job's files are that the scoring writes or reads itself. */
struct places {
    char cache[PATH_MAX], partial[PATH_MAX], scores[PATH_MAX], patients[PATH_MAX];
};

static enum status places_make(const struct scoring_job *j, struct places *p, struct error *err)
{
    const struct telling *t = &j->told;
    char folder[PATH_MAX], name[JOB_FILE_SIZE];
    struct error why;
    enum status st = job_folder(t->r, t->id, folder, err);

    snprintf(p->cache, sizeof p->cache, "%s/cache", t->r->options.state);
    job_scores_name(SCORED_ALL, name);
    if (st == ST_OK)
        st = job_path(t->r, t->id, PARTIAL_NAME, p->partial, err);
    if (st == ST_OK)
        st = job_path(t->r, t->id, name, p->scores, err);
    if (st == ST_OK)
        st = job_path(t->r, t->id, PATIENTS_NAME, p->patients, err);
    if (st == ST_OK && folder_make(folder, &why) != ST_OK)
        st = storage_error(why.code, &why, err);
    return st;
}

static enum status run(struct scoring_job *j, const char *csv_sha256, struct error *err)
{
    const struct train_observer observer = { .arg = j,
                                             .cancelled = on_cancelled,
                                             .phase = on_phase,
                                             .dataset = on_dataset,
                                             .step = on_step,
                                             .patients = on_patients };
    const struct runner_options *o = &j->told.r->options;
    struct places places = { .scores = "" };
    struct score_result result = { 0 };
    enum status st = places_make(j, &places, err);

    json_object_set_new(j->told.record, "scored_model", json_string(j->config.model));
    if (st == ST_OK && !o->datasets)
        st = error_set(err, ST_NOTFOUND, "this server was started without --datasets, where '%s' must be",
                       j->config.data.dataset);
    if (st != ST_OK)
        return st;
    st = score_run(&(struct score_request){ .config = &j->config,
                                            .model = j->model->model,
                                            .model_sha256 = j->model->sha256,
                                            .datasets = o->datasets,
                                            .cache_folder = places.cache,
                                            .cache_bytes = o->cache_bytes,
                                            .threads = o->threads,
                                            .class = POOL_BACKGROUND,
                                            .csv_sha256 = csv_sha256,
                                            .partial = places.partial,
                                            .scores = places.scores,
                                            .patients = places.patients,
                                            .learned = j->learned.unknown ? NULL : j->learned.pictures.data,
                                            .learned_size = j->learned.pictures.len },
                   &observer, &result, err);
    st = results_save(j, &result, places.scores, st, err);
    if (st != ST_OK)
        unlink(places.scores);
    if (st == ST_CANCELLED && stop_cancels(atomic_load(&j->told.r->stop))) /* nothing of theirs was kept */
        unlink(places.patients);
    score_result_release(&result);
    return st;
}

/* Read what was asked for; what the record of a job that has begun before says that its table must still be. */
static enum status begin(struct scoring_job *j, const json_t *config, bool validates, json_t *errors,
                         char csv_sha256[DIGEST_TEXT_SIZE], struct error *err)
{
    enum status st = telling_recall(&j->told, err);
    const char *sha256 =
        json_string_value(json_object_get(json_object_get(j->told.record, "dataset"), "csv_sha256"));

    snprintf(csv_sha256, DIGEST_TEXT_SIZE, "%s", sha256 ? sha256 : "");
    if (st != ST_OK)
        return st;
    st = score_config_parse(config, validates, &j->config, errors);
    if (st == ST_NOMEM)
        return error_nomem(err);
    return st == ST_OK ? model_open(j, errors, err)
                       : error_set(err, st, "the job's configuration is no longer valid");
}

enum status scoring_job_run(struct runner *r, const char *id, const char *type, const json_t *config,
                            json_t *record, struct error *err)
{
    struct scoring_job *j = calloc(1, sizeof *j);
    json_t *errors = json_array();
    char csv_sha256[DIGEST_TEXT_SIZE];
    enum status st = j && errors ? ST_OK : error_nomem(err);

    if (st == ST_OK) {
        j->told = (struct telling){ .r = r, .id = id, .record = record, .now.train.eta_s = -1 };
        st = begin(j, config, strcmp(type, JOB_VALIDATE) == 0, errors, csv_sha256, err);
    }
    if (st == ST_OK)
        st = run(j, csv_sha256[0] ? csv_sha256 : NULL, err);
    if (j) {
        learned_release(&j->learned);
        served_release(j->model);
    }
    json_decref(errors);
    free(j);
    return st;
}
