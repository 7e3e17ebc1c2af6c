/* jobs/queue/training_job.c - a job that trains, as the runner does it: watched, recorded, and kept when it ends. */
#include "worker.h"

#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/run_comparison.h"
#include "cxrd/weights.h"
#include "promote.h"
#include "replay.h"
#include "running_job.h"

#include <string.h>
#include <unistd.h>

struct training_job {
    struct running_job job;
    struct train_config config;
    struct loaded_model *incumbent; /* what it was compared with; NULL: nothing */
};

/* ---- what is told while it runs ---- */

static void on_phase(void *arg, enum train_phase phase)
{
    struct training_job *t = arg;

    running_job_phase(&t->job, phase);
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct training_job *t = arg;

    running_job_step(&t->job, p);
}

static void on_dataset(void *arg, const struct train_result *so_far)
{
    struct training_job *t = arg;
    const char *why = lineage_warning(so_far->dataset.init_split);

    json_object_set_new(t->job.record, "dataset", dataset_json(&so_far->dataset, &t->config));
    json_object_set_new(t->job.record, "warnings", start_warnings(so_far));
    running_job_commit(&t->job);
    if (why)
        log_event(LOG_WARN, "job's figures may flatter",
                  json_pack("{s:s,s:s}", "job", t->job.id, "detail", why));
}

static void record_baseline(struct training_job *t, const struct baseline *baseline)
{
    json_object_set_new(t->job.record, "baseline",
                        json_pack("{s:o,s:o}", "validation_loss", number_or_null(baseline->loss),
                                  "top5_accuracy", number_or_null(baseline->top5_accuracy)));
}

/* The checkpoint knows better than the record, which is written after it. */
static void on_resumed(void *arg, const struct train_result *so_far)
{
    struct training_job *t = arg;
    const size_t told = json_array_size(json_object_get(t->job.record, "epochs")), n = so_far->n_epochs;
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, epoch_json(&so_far->epochs[i], so_far->labels.n));
    json_object_set_new(t->job.record, "epochs", list);
    json_object_set_new(t->job.record, "warnings", start_warnings(so_far));
    if (n > 0)
        record_baseline(t, &so_far->baseline);
    for (size_t i = told; i < n; i++)
        running_job_event(&t->job, "epoch", epoch_json(&so_far->epochs[i], so_far->labels.n), t->job.record);
    running_job_commit(&t->job);
    if (n > 0)
        log_event(LOG_INFO, "job resumed", json_pack("{s:s,s:I}", "job", t->job.id, "epochs", (json_int_t)n));
}

static void on_epoch(void *arg, const struct epoch_report *report, const struct baseline *baseline)
{
    struct training_job *t = arg;
    struct error why;

    if (job_file_keep(t->job.r, t->job.id, CHECKPOINT_NAME, &why) != ST_OK) {
        running_not_written(t->job.r, &why, &t->job.storage);
        return; /* the run that goes on from the checkpoint before it will report this epoch */
    }
    record_baseline(t, baseline);
    snapshot_record(&t->job.now, t->job.record); /* after a crash it is known to have come so far */
    json_array_append_new(json_object_get(t->job.record, "epochs"), epoch_json(report, t->config.labels.n));
    running_job_event(&t->job, "epoch", epoch_json(report, t->config.labels.n), t->job.record);
}

/* ---- what it is asked ---- */

static bool on_cancelled(void *arg)
{
    const struct training_job *t = arg;

    const int stop = atomic_load(&t->job.r->stop);

    return (stop != GO_ON && stop != STOP_ENOUGH) || t->job.storage.code != ST_OK;
}

static bool on_enough(void *arg)
{
    const struct training_job *t = arg;

    return atomic_load(&t->job.r->stop) == STOP_ENOUGH;
}

static bool on_will_resume(void *arg)
{
    const struct training_job *t = arg;

    return !stop_cancels(atomic_load(&t->job.r->stop));
}

static const struct model *on_incumbent(void *arg)
{
    struct training_job *t = arg;

    if (on_enough(t)) /* it takes nobody's place */
        return NULL;
    loaded_model_release(t->incumbent); /* a run asks once, but nobody promised */
    t->incumbent = registry_active(t->job.r->registry);
    return t->incumbent ? t->incumbent->model : NULL;
}

static enum status on_patients(void *arg, struct patients **ret_patients, struct error *err)
{
    struct training_job *t = arg;
    enum status st = job_file_keep(t->job.r, t->job.id, PATIENTS_NAME, err);

    if (st == ST_OK)
        st = forgotten_load(t->job.r, t->config.dataset, ret_patients, err);
    return running_needs(t->job.r, st);
}

/* ---- what is left of it ---- */

/* The figures of the kept model when its epoch ends. */
static void record_kept(struct training_job *t, const struct train_result *result)
{
    json_object_set_new(t->job.record, "validation_loss", number_or_null(result->validation_loss));
    json_object_set_new(t->job.record, "top5_accuracy", number_or_null(result->top5_accuracy));
    json_object_set_new(t->job.record, "kept_epoch", json_integer((json_int_t)result->kept_epoch));
    json_object_set_new(t->job.record, "transfer", transfer_json(result));
    record_baseline(t, &result->baseline);
}

/* A replay: how far it is from the job that it repeats, whose scores may be gone. */
static void record_moved(struct training_job *t, const struct train_result *result)
{
    json_t *replay = json_object_get(t->job.record, "replay");
    struct run_movement moved;
    char paths[2][PATH_MAX], name[JOB_FILE_SIZE];
    struct error why = { 0 };
    enum status st;

    if (!json_is_object(replay))
        return;
    job_scores_name(SCORED_ALL, name);
    st = job_file(t->job.r, t->config.replay_of, name, paths[0], &why);
    if (st == ST_OK)
        st = job_path(t->job.r, t->job.id, name, paths[1], &why);
    if (st == ST_OK)
        st = runs_moved(paths[0], paths[1], SPLIT_NAMES[VALIDATION], &moved, &why);
    if (st != ST_OK)
        log_error(LOG_WARN, "how far predictions moved in a replay is not known", &why);
    json_object_set_new(replay, "moved",
                        st == ST_OK ? run_movement_json(&moved, SPLIT_NAMES[VALIDATION]) : json_null());
    json_object_set_new(replay, "forgotten_patients",
                        json_integer((json_int_t)result->dataset.forgotten_patients));
}

static void record_result(struct training_job *t, const struct train_result *result)
{
    record_kept(t, result);
    replay_tell(t->job.r->store, &t->config, result->model, t->job.record);
    record_moved(t, result);
    json_object_set_new(t->job.record, "calibration", calibration_json(result));
    json_object_set_new(t->job.record, "evaluation", evaluation_json(result));
    json_object_set_new(json_object_get(t->job.record, "dataset"), "unreadable_images",
                        json_integer((json_int_t)result->unreadable));
    json_object_set_new(t->job.record, "warnings", result_warnings(result));
}

static enum status page_save(const struct training_job *t, enum job_state state,
                             const struct train_result *result, struct error *err)
{
    return job_report_save(t->job.r, t->job.id, state, t->job.record, result->model, result->plots, err);
}

/* The job will make it once more when it is resumed. */
static void model_take_back(struct training_job *t)
{
    struct error why;

    if (registry_delete(t->job.r->registry, json_string_value(json_object_get(t->job.record, "model")),
                        &why) != ST_OK)
        log_error(LOG_WARN, "a model of a job that was interrupted stays", &why);
    json_object_set_new(t->job.record, "model", json_null());
}

/* The journal has each step on the way from the shadow to the active model's place. */
static void tell_shadow(struct training_job *t)
{
    json_t *shadow = json_object_get(json_object_get(t->job.record, "promotion"), "shadow");

    if (json_is_object(shadow))
        running_job_event(&t->job, "promotion", json_copy(shadow), NULL);
}

/* The kept model into the registry, where it may become the active one, and others too many. */
static enum status model_save(struct training_job *t, const struct train_result *result, struct error *err)
{
    const size_t keep = t->job.r->options.keep_models;
    struct error why;
    bool promoted = false;
    enum status st = job_model_add(t->job.r, &t->job.r->running, result->model, t->job.record, err);

    if (st == ST_OK) {
        st = job_promote(t->job.r, t->job.id, &t->config, result, t->incumbent ? t->incumbent->id : "",
                         t->job.record, &promoted, err);
        if (st != ST_OK)
            model_take_back(t);
        else
            tell_shadow(t);
    }
    if (promoted && t->job.r->options.activated)
        t->job.r->options.activated(t->job.r->options.arg, t->job.id,
                                    json_string_value(json_object_get(t->job.record, "model")));
    if (st == ST_OK && keep > 0 && registry_retain(t->job.r->registry, keep, &why) != ST_OK)
        log_error(LOG_WARN, "older models are not deleted", &why);
    return st;
}

/* All that a run which succeeded has made. */
static enum status all_save(struct training_job *t, const struct train_result *result, struct error *err)
{
    enum status st;

    on_phase(t, PHASE_SAVING);
    record_result(t, result);
    st = job_scores_save(t->job.r, t->job.id, result, err);
    if (st == ST_OK)
        st = page_save(t, JOB_SUCCEEDED, result, err);
    return st == ST_OK ? model_save(t, result, err) : st;
}

/* The results that a cancelled job is asked to leave: the kept epoch, with its figures and its report as far as there are any. */
static enum status kept_save(struct training_job *t, const struct train_result *result, struct error *err)
{
    enum status st = ST_OK;

    if (!result->model) /* stopped before it had read its checkpoint, or without one */
        return job_keep_checkpoint(t->job.r, &t->job.r->running, t->job.record, err);
    if (result->evaluated) {
        record_result(t, result);
        st = job_scores_save(t->job.r, t->job.id, result, err);
    } else {
        record_kept(t, result);
    }
    if (st == ST_OK)
        st = page_save(t, JOB_CANCELLED, result, err);
    return st == ST_OK ? job_model_add(t->job.r, &t->job.r->running, result->model, t->job.record, err) : st;
}

/* The results of a run: all of them when it succeeded, the kept epoch when it was cancelled with that wish. */
static enum status results_save(struct training_job *t, const struct train_result *result, enum status st,
                                struct error *err)
{
    struct error why = { 0 };
    enum status saved = ST_OK;

    if (t->job.storage.code != ST_OK) {
        *err = t->job.storage;
        return err->code;
    }
    if (st == ST_OK && !running_job_still_wanted(&t->job))
        st = error_set(err, ST_CANCELLED, "the training was cancelled");
    if (st == ST_OK) {
        saved = result->model ? all_save(t, result, &why) : page_save(t, JOB_SUCCEEDED, result, &why);
    } else if (st == ST_CANCELLED && stop_cancels(atomic_load(&t->job.r->stop)) &&
               atomic_load(&t->job.r->keep_best)) {
        saved = kept_save(t, result, &why);
    }
    return saved == ST_OK ? st : storage_error(running_needs(t->job.r, saved), &why, err);
}

/* ---- the run ---- */

static bool has_begun(const struct training_job *t)
{
    return json_is_object(json_object_get(t->job.record, "dataset"));
}

/* The data as they must still be by the record of a job that has begun before, and the threads that it needs. */
static void go_on_as_before(const json_t *record, struct train_request *request)
{
    const json_t *data = json_object_get(record, "dataset");

    if (!json_is_object(data))
        return;
    request->csv_sha256 = json_string_value(json_object_get(data, "csv_sha256"));
    request->split_sha256 = json_string_value(json_object_get(data, "split_sha256"));
    request->threads = train_threads(request->config, record, request->threads);
}

/* The model that it starts from was good when the job was taken. */
static enum status init_load(struct training_job *t, struct model **ret_init, struct error *err)
{
    struct error why;
    const enum status st =
        running_needs(t->job.r, registry_load(t->job.r->registry, t->config.init, ret_init, &why));

    if (st == ST_OK)
        return ST_OK;
    return error_set(err, status_is_outside(st) ? st : ST_CONFLICT, "the model to start from: %.280s",
                     why.text);
}

/* Where a job's files are that the trainer writes or reads itself. */
struct places {
    char cache[PATH_MAX], checkpoint[PATH_MAX], scores[PATH_MAX], patients[PATH_MAX];
};

/* Make the job's folder; where these are. */
static enum status places_make(const struct training_job *t, struct places *p, struct error *err)
{
    char folder[PATH_MAX], name[JOB_FILE_SIZE];
    struct error why;
    enum status st = job_folder(t->job.r, t->job.id, folder, err);

    snprintf(p->cache, sizeof p->cache, "%s/cache", t->job.r->options.state);
    job_scores_name(SCORED_ALL, name);
    if (st == ST_OK)
        st = job_path(t->job.r, t->job.id, CHECKPOINT_NAME, p->checkpoint, err);
    if (st == ST_OK)
        st = job_path(t->job.r, t->job.id, name, p->scores, err);
    if (st == ST_OK)
        st = job_path(t->job.r, t->job.id, PATIENTS_NAME, p->patients, err);
    if (st == ST_OK && (folder_make(folder, &why) != ST_OK ||
                        job_file_fetch(t->job.r, t->job.id, CHECKPOINT_NAME, &why) != ST_OK ||
                        job_file_fetch(t->job.r, t->job.id, PATIENTS_NAME, &why) != ST_OK))
        st = storage_error(running_needs(t->job.r, why.code), &why, err);
    return st;
}

static enum status train(struct training_job *t, struct error *err)
{
    const struct train_observer observer = { .arg = t,
                                             .cancelled = on_cancelled,
                                             .enough = on_enough,
                                             .will_resume = on_will_resume,
                                             .resumed = on_resumed,
                                             .phase = on_phase,
                                             .dataset = on_dataset,
                                             .step = on_step,
                                             .epoch = on_epoch,
                                             .patients = on_patients,
                                             .incumbent = on_incumbent };
    struct places places = { .scores = "" };
    struct model *init = NULL;
    struct train_request request = { .config = &t->config,
                                     .datasets = t->job.r->options.datasets,
                                     .cache_folder = places.cache,
                                     .cache_bytes = t->job.r->options.cache_bytes,
                                     .threads = t->job.r->options.threads,
                                     .class = POOL_BACKGROUND,
                                     .checkpoint = places.checkpoint,
                                     .scores_path = places.scores,
                                     .patients_path = places.patients };
    struct train_result result = { 0 };
    json_t *before = json_deep_copy(t->job.record); /* whose digests the run is held against while it grows */
    json_t *original = replay_original(t->job.r->store, &t->config);
    enum status st = places_make(t, &places, err);

    if (st == ST_OK && !request.datasets)
        st = error_set(err, ST_NOTFOUND, "this server was started without --datasets, where '%s' must be",
                       t->config.dataset);
    if (st == ST_OK && t->config.init[0])
        st = init_load(t, &init, err);
    if (st == ST_OK) {
        go_on_as_before(original, &request);
        go_on_as_before(before, &request);
        request.init = init;
        request.notes =
            json_pack("{s:s}", "job", t->job.id); /* where the weights come from, in their metadata */
        st = train_run(&request, &observer, &result, err);
        st = results_save(t, &result, st, err);
    }
    if (st != ST_OK && !json_is_object(json_object_get(t->job.record, "evaluation")))
        unlink(places.scores); /* of a model that nobody will have */
    train_result_release(&result);
    json_decref(request.notes);
    json_decref(original);
    json_decref(before);
    model_unref(init);
    return st;
}

/* A job that has begun was well asked, of the version of cxrd that began it. */
static enum status config_read(struct training_job *t, const json_t *config, json_t *errors,
                               struct error *err)
{
    const enum status st = train_config_parse_recorded(config, &t->config, errors);

    if (st == ST_INVALID && has_begun(t))
        return error_set(err, ST_CONFLICT, "the job's configuration is one of another version of cxrd");
    if (st == ST_INVALID)
        return error_set(err, st, "the job's configuration is no longer valid");
    return st == ST_OK ? ST_OK : error_nomem(err);
}

enum status training_job_run(struct runner *r, const char *id, const json_t *config, json_t *record,
                             struct error *err)
{
    struct training_job t = { .job = { .r = r, .id = id, .record = record, .now.train.eta_s = -1 } };
    json_t *errors = json_array();
    enum status st = errors ? running_job_recall(&t.job, err) : error_nomem(err);

    if (st == ST_OK)
        st = config_read(&t, config, errors, err);
    if (st == ST_OK)
        st = train(&t, err);
    loaded_model_release(t.incumbent);
    json_decref(errors);
    return st;
}
