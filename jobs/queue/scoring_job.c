/* jobs/queue/scoring_job.c - a job that scores a data set with a model, and in a validation says what the scores are worth, as the runner
 * does it. */
#include "worker.h"

#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/scoring.h"
#include "learned.h"
#include "profiles_kept.h"
#include "running_job.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scoring_job {
    struct running_job job;
    struct score_config config;
    struct loaded_model *model;
    struct learned learned;
};

/* ---- what is told while it runs ---- */

static bool on_cancelled(void *arg)
{
    const struct scoring_job *j = arg;

    return atomic_load(&j->job.r->stop) != GO_ON || j->job.storage.code != ST_OK;
}

static void on_phase(void *arg, enum train_phase phase)
{
    struct scoring_job *j = arg;

    running_job_phase(&j->job, phase);
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct scoring_job *j = arg;

    running_job_step(&j->job, p);
}

static void on_dataset(void *arg, const struct train_result *so_far)
{
    struct scoring_job *j = arg;

    score_record_dataset(j->job.record, so_far, &j->config);
    running_job_commit(&j->job);
}

static enum status on_patients(void *arg, struct patients **ret_patients, struct error *err)
{
    const struct scoring_job *j = arg;
    enum status st = job_file_keep(j->job.r, j->job.id, PATIENTS_NAME, err);

    if (st == ST_OK)
        st = forgotten_load(j->job.r, j->config.data.dataset, ret_patients, err);
    return running_needs(j->job.r, st);
}

/* ---- what is left of it ---- */

static void record_result(struct scoring_job *j, const struct score_result *result, const char *sha256)
{
    const struct learned *l = &j->learned;
    const struct scored_with with = { j->model->id, j->model->sha256, j->model->model, sha256,
                                      l->tables,    l->datasets,      l->unknown };

    score_record(j->job.record, result, &j->config, &with);
}

/* All that a run which succeeded has made. */
static enum status all_save(struct scoring_job *j, const struct score_result *result, const char *scores,
                            struct error *err)
{
    const struct running_job *t = &j->job;
    char sha256[DIGEST_TEXT_SIZE];
    enum status st;

    on_phase(j, PHASE_SAVING);
    st = job_file_digest(scores, sha256, err);
    if (st != ST_OK)
        return st;
    record_result(j, result, sha256);
    if (!j->config.validates)
        return ST_OK;
    st = profiles_kept(t->r, j->model, &j->config, scores, t->record, err);
    if (st == ST_OK)
        st = job_scores_save(t->r, t->id, &result->as_training, err);
    return st == ST_OK
               ? job_report_save(t->r, t->id, JOB_SUCCEEDED, t->record, NULL, result->as_training.plots, err)
               : st;
}

static enum status results_save(struct scoring_job *j, const struct score_result *result, const char *scores,
                                enum status st, struct error *err)
{
    struct error why = { 0 };

    if (j->job.storage.code != ST_OK) {
        *err = j->job.storage;
        return err->code;
    }
    if (st == ST_OK && !running_job_still_wanted(&j->job))
        st = error_set(err, ST_CANCELLED, "the scoring was cancelled");
    if (st != ST_OK)
        return st;
    st = all_save(j, result, scores, &why);
    return st == ST_OK ? ST_OK : storage_error(running_needs(j->job.r, st), &why, err);
}

/* ---- the run ---- */

/* The model may be gone, or have changed its mind: then it is nobody's fault here, and said. */
static enum status model_open(struct scoring_job *j, json_t *errors, struct error *err)
{
    struct error why;
    enum status st =
        running_needs(j->job.r, registry_named(j->job.r->registry, j->config.model, &j->model, &why));

    if (st != ST_OK)
        return error_set(err, status_is_outside(st) && st != ST_CONFLICT ? st : ST_UNUSABLE,
                         "the model: %.300s", why.text);
    score_config_settle(&j->config, j->model->model, errors);
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "the job's configuration is no longer valid");
    return j->config.validates
               ? running_needs(j->job.r, learned_find(j->job.r, j->config.model, j->config.data.dataset,
                                                      &j->learned, err))
               : ST_OK;
}

/* Where a job's files are that the scoring writes or reads itself. */
struct places {
    char cache[PATH_MAX], partial[PATH_MAX], scores[PATH_MAX], patients[PATH_MAX];
};

static enum status places_make(const struct scoring_job *j, struct places *p, struct error *err)
{
    const struct running_job *t = &j->job;
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
    if (st == ST_OK &&
        (folder_make(folder, &why) != ST_OK || job_file_fetch(t->r, t->id, PATIENTS_NAME, &why) != ST_OK))
        st = storage_error(running_needs(t->r, why.code), &why, err);
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
    const struct runner_options *o = &j->job.r->options;
    struct places places = { .scores = "" };
    struct score_result result = { 0 };
    enum status st = places_make(j, &places, err);

    json_object_set_new(j->job.record, "scored_model", json_string(j->config.model));
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
                                            .learned_size = j->learned.pictures.len,
                                            .learned_patients = j->learned.patients },
                   &observer, &result, err);
    st = results_save(j, &result, places.scores, st, err);
    if (st != ST_OK)
        unlink(places.scores);
    score_result_release(&result);
    return st;
}

/* Read what was asked for; what the record of a job that has begun before says that its table must still be. */
static enum status begin(struct scoring_job *j, const json_t *config, bool validates, json_t *errors,
                         char csv_sha256[DIGEST_TEXT_SIZE], struct error *err)
{
    enum status st = running_job_recall(&j->job, err);
    const char *sha256 =
        json_string_value(json_object_get(json_object_get(j->job.record, "dataset"), "csv_sha256"));

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
        j->job = (struct running_job){ .r = r, .id = id, .record = record, .now.train.eta_s = -1 };
        st = begin(j, config, strcmp(type, JOB_VALIDATE) == 0, errors, csv_sha256, err);
    }
    if (st == ST_OK)
        st = run(j, csv_sha256[0] ? csv_sha256 : NULL, err);
    if (j) {
        learned_release(&j->learned);
        loaded_model_release(j->model);
    }
    json_decref(errors);
    free(j);
    return st;
}
