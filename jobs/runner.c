/* jobs/runner.c - the worker thread, see cxrd/runner.h. */
#include "worker.h"

#include "cxrd/clock.h"
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/report.h"
#include "promote.h"
#include "replay.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ---- one job, in the runner's thread ---- */

struct work {
    struct runner *r;
    char id[ID_SIZE];
    struct train_config config;
    struct snapshot now;
    json_t *record;       /* grows as the job goes on; what the store keeps */
    struct error storage; /* why the record could not be written: the job ends of it */
    struct served *rival; /* what it was compared with; NULL: nothing */
};

static bool on_cancelled(void *arg)
{
    const struct work *w = arg;

    return atomic_load(&w->r->stop) != GO_ON || w->storage.code != ST_OK;
}

static bool on_will_resume(void *arg)
{
    const struct work *w = arg;

    return atomic_load(&w->r->stop) == STOP_SHUTDOWN && w->storage.code == ST_OK;
}

static void publish(struct work *w) { progress_publish(&w->r->progress, &w->now); }

/* Tell those who watch, and keep the record if there is something new in it. Takes over `data`. */
static void tell(struct work *w, const char *event, json_t *data, const json_t *record)
{
    struct error err;

    if (store_job_tell(w->r->store, w->id, event, data, record, &err) != ST_OK)
        storage_error(err.code, &err, &w->storage);
    json_decref(data);
}

static void on_phase(void *arg, enum train_phase phase)
{
    struct work *w = arg;
    char now[CLOCK_TEXT_SIZE];

    w->now.phase = phase;
    publish(w);
    tell(w, "phase", json_pack("{s:s,s:s}", "phase", PHASE_NAMES[phase], "at", clock_utc(now)), NULL);
    log_event(LOG_INFO, "job phase", json_pack("{s:s,s:s}", "job", w->id, "phase", PHASE_NAMES[phase]));
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct work *w = arg;

    atomic_fetch_add(&w->r->images, p->images - w->now.train.images);
    w->now.train = *p;
    publish(w);
}

static void record_commit(struct work *w)
{
    struct error err;

    if (store_job_record(w->r->store, w->id, w->record, &err) != ST_OK)
        storage_error(err.code, &err, &w->storage);
}

static void on_dataset(void *arg, const struct dataset_report *report)
{
    struct work *w = arg;

    json_object_set_new(w->record, "dataset", dataset_json(report, &w->config));
    record_commit(w);
}

/* The checkpoint knows better than the record, which is written after it. */
static void on_resumed(void *arg, const struct epoch_report *epochs, size_t n)
{
    struct work *w = arg;
    const size_t told = json_array_size(json_object_get(w->record, "epochs"));
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, epoch_json(&epochs[i]));
    json_object_set_new(w->record, "epochs", list);
    for (size_t i = told; i < n; i++)
        tell(w, "epoch", epoch_json(&epochs[i]), w->record);
    record_commit(w);
    if (n > 0)
        log_event(LOG_INFO, "job resumed", json_pack("{s:s,s:I}", "job", w->id, "epochs", (json_int_t)n));
}

static void on_epoch(void *arg, const struct epoch_report *report)
{
    struct work *w = arg;

    json_array_append_new(json_object_get(w->record, "epochs"), epoch_json(report));
    tell(w, "epoch", epoch_json(report), w->record);
}

static const struct model *on_rival(void *arg)
{
    struct work *w = arg;

    served_release(w->rival); /* a run asks once, but nobody promised */
    w->rival = registry_active(w->r->registry);
    return w->rival ? w->rival->model : NULL;
}

static json_t *record_begin(size_t threads)
{
    return json_pack("{s:n,s:[],s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:n,s:o}", "dataset", "epochs",
                     "validation_loss", "top5_accuracy", "baseline", "calibration", "evaluation", "model",
                     "error", "promotion", "weights_sha256", "replay", "environment",
                     environment_json(threads));
}

/* What is known of the kept model when its epoch ends. */
static void record_kept(struct work *w, const struct train_result *result)
{
    json_object_set_new(w->record, "validation_loss", number_or_null(result->validation_loss));
    json_object_set_new(w->record, "top5_accuracy", number_or_null(result->top5_accuracy));
    json_object_set_new(w->record, "kept_epoch", json_integer((json_int_t)result->kept_epoch));
    json_object_set_new(w->record, "baseline",
                        json_pack("{s:o,s:o}", "validation_loss", number_or_null(result->baseline.loss),
                                  "top5_accuracy", number_or_null(result->baseline.top5_accuracy)));
}

static void record_result(struct work *w, const struct train_result *result)
{
    record_kept(w, result);
    replay_tell(w->r->store, &w->config, result->model, w->record);
    json_object_set_new(w->record, "calibration", calibration_json(result));
    json_object_set_new(w->record, "evaluation", evaluation_json(result));
    json_object_set_new(json_object_get(w->record, "dataset"), "unreadable_images",
                        json_integer((json_int_t)result->unreadable));
}

static enum status scores_save(const struct work *w, const struct train_result *result, struct error *err)
{
    char folder[PATH_MAX], path[PATH_MAX];
    enum status st = ST_OK;

    if (!job_folder(w->r, w->id, folder))
        return error_set(err, ST_IO, "the path of the state folder is too long");
    for (int i = 0; i < N_SCORED && st == ST_OK; i++) {
        const struct iovec part = { result->scores_csv[i].data, result->scores_csv[i].len };

        if (snprintf(path, sizeof path, "%s/%s.csv", folder, SCORED_NAMES[i]) >= (int)sizeof path)
            return error_set(err, ST_IO, "the path of the state folder is too long");
        st = file_replace(path, &part, 1, err);
    }
    return st;
}

static enum status job_report_save(const struct work *w, const struct train_result *result, struct error *err)
{
    char folder[PATH_MAX], path[PATH_MAX];
    enum status st;

    if (snprintf(folder, sizeof folder, "%s/jobs/%s", w->r->options.state, w->id) >= (int)sizeof folder ||
        snprintf(path, sizeof path, "%s/report.html", folder) >= (int)sizeof path)
        return error_set(err, ST_IO, "the path of the state folder is too long");
    st = folder_make(folder, err);
    return st == ST_OK ? report_save(path, w->record, w->id, &w->config, result, err) : st;
}

/* The kept model into the registry, where it may become the active one, and others too many. */
static enum status model_save(struct work *w, const struct train_result *result, struct error *err)
{
    const size_t keep = w->r->options.keep_models;
    struct error why;
    enum status st = job_model_add(w->r, w->id, result->model, w->record, err);

    if (st == ST_OK)
        st = job_promote(w->r->registry, &w->config, result, w->rival ? w->rival->id : "", w->record, err);
    if (st == ST_OK && keep > 0 && registry_retain(w->r->registry, keep, &why) != ST_OK)
        log_text(LOG_WARN, "older models are not deleted", "%s", why.text);
    return st;
}

/* What is left of a run: all of it when it succeeded, the kept epoch when it was cancelled with that wish. */
static enum status results_save(struct work *w, const struct train_result *result, enum status st,
                                struct error *err)
{
    struct error why = { 0 };
    enum status saved = ST_OK;

    if (w->storage.code != ST_OK) {
        *err = w->storage;
        return err->code;
    }
    if (!result->model && st == ST_OK)
        saved = job_report_save(w, result, &why);
    else if (!result->model)
        return st;
    else if (st == ST_OK) {
        on_phase(w, PHASE_SAVING);
        record_result(w, result);
        saved = scores_save(w, result, &why);
        if (saved == ST_OK)
            saved = job_report_save(w, result, &why);
        if (saved == ST_OK)
            saved = model_save(w, result, &why);
    } else if (st == ST_CANCELLED && atomic_load(&w->r->stop) == STOP_CANCELLED &&
               atomic_load(&w->r->keep_best)) {
        record_kept(w, result);
        saved = job_model_add(w->r, w->id, result->model, w->record, &why);
    }
    return saved == ST_OK ? st : storage_error(saved, &why, err);
}

/* What the weights' metadata says about where they come from. */
static json_t *notes_make(const struct work *w) { return json_pack("{s:s}", "job", w->id); }

/* What the record of a job that has begun before says that its data must still be, and how many threads it had: with
 * more or fewer its sums would be rounded otherwise. */
static void go_on_as_before(const json_t *record, struct train_request *request)
{
    const json_t *data = json_object_get(record, "dataset");
    const json_int_t threads =
        json_integer_value(json_object_get(json_object_get(record, "environment"), "threads"));

    if (!json_is_object(data))
        return;
    request->csv_sha256 = json_string_value(json_object_get(data, "csv_sha256"));
    request->split_sha256 = json_string_value(json_object_get(data, "split_sha256"));
    if (threads >= 1 && threads <= MAX_THREADS)
        request->threads = (size_t)threads;
}

static enum status work_train(struct work *w, struct error *err)
{
    const struct train_observer observer = { .arg = w,
                                             .cancelled = on_cancelled,
                                             .will_resume = on_will_resume,
                                             .resumed = on_resumed,
                                             .phase = on_phase,
                                             .dataset = on_dataset,
                                             .step = on_step,
                                             .epoch = on_epoch,
                                             .rival = on_rival };
    char cache[PATH_MAX], folder[PATH_MAX], checkpoint[PATH_MAX];
    struct model *init = NULL;
    struct train_request request = { .config = &w->config,
                                     .datasets = w->r->options.datasets,
                                     .cache_folder = cache,
                                     .cache_bytes = w->r->options.cache_bytes,
                                     .threads = w->r->options.threads,
                                     .class = POOL_BACKGROUND,
                                     .checkpoint = checkpoint };
    struct train_result result = { 0 };
    struct error why = { 0 };
    json_t *before =
        json_deep_copy(w->record); /* whose digests the run is held against while the record grows */
    json_t *original = replay_original(w->r->store, &w->config);
    enum status st = ST_OK;

    snprintf(cache, sizeof cache, "%s/cache", w->r->options.state);
    if (!job_folder(w->r, w->id, folder) || !job_checkpoint(w->r, w->id, checkpoint))
        st = error_set(err, ST_IO, "the path of the state folder is too long");
    else if (folder_make(folder, &why) != ST_OK)
        st = storage_error(why.code, &why, err);
    if (st == ST_OK && w->config.init[0])
        st = registry_load(w->r->registry, w->config.init, &init, err);
    if (st == ST_OK) {
        go_on_as_before(original, &request);
        go_on_as_before(before, &request);
        request.init = init;
        request.notes = notes_make(w);
        st = train_run(&request, &observer, &result, err);
        st = results_save(w, &result, st, err);
    }
    train_result_release(&result);
    json_decref(request.notes);
    json_decref(original);
    json_decref(before);
    model_unref(init);
    return st;
}

/* How a job ended, from how its work did. */
static enum job_state verdict(struct runner *r, enum status st)
{
    if (st == ST_OK)
        return JOB_SUCCEEDED;
    if (st == ST_BUSY) /* nobody answers who has the data: it can go on later */
        return JOB_INTERRUPTED;
    if (st != ST_CANCELLED)
        return JOB_FAILED;
    return atomic_load(&r->stop) == STOP_SHUTDOWN ? JOB_INTERRUPTED : JOB_CANCELLED;
}

static void job_end(struct work *w, enum status st, const struct error *why)
{
    const enum job_state state = verdict(w->r, st);
    char checkpoint[PATH_MAX];
    struct error err;

    if (state == JOB_FAILED || st == ST_BUSY)
        json_object_set_new(w->record, "error", json_string(why->text));
    if (state != JOB_INTERRUPTED)
        fetch_discard(w->r->options.datasets, w->id);
    pthread_mutex_lock(&w->r->lock); /* so that no one finds it running when it has ended */
    if (store_job_move(w->r->store, w->id, state, w->record, &err) != ST_OK) {
        log_text(LOG_ERROR, "job state not written", "%s", err.text);
        unwritten_keep(w->r, w->id, state, w->record);
    } else if (state != JOB_INTERRUPTED && job_checkpoint(w->r, w->id, checkpoint)) {
        unlink(checkpoint); /* it can never be resumed */
    }
    w->r->running[0] = '\0';
    pthread_mutex_unlock(&w->r->lock);
    log_event(state == JOB_FAILED ? LOG_ERROR : LOG_INFO, "job ended", /* the sentence may name a picture */
              json_pack("{s:s,s:s,s:s}", "job", w->id, "state", job_state_name(state), "detail",
                        state == JOB_FAILED ? status_text(st) : ""));
}

/* What is known of a job that has begun before; a new one's record is as it was queued, with today's environment. */
static enum status record_recall(struct work *w, struct error *err)
{
    json_t *before = NULL;
    enum job_state state;
    const enum status st = store_job_look(w->r->store, w->id, &state, &before, err);

    if (st == ST_OK && json_is_object(json_object_get(before, "dataset")))
        json_object_update(w->record, before);
    json_decref(before);
    return st;
}

static enum status job_train(struct work *w, const json_t *config, struct error *err)
{
    json_t *errors = json_array();
    enum status st = errors ? train_config_parse(config, &w->config, errors) : ST_NOMEM;

    if (st == ST_INVALID)
        error_set(err, st, "the job's configuration is no longer valid");
    else if (st != ST_OK)
        error_nomem(err);
    if (st == ST_OK)
        st = record_recall(w, err);
    if (st == ST_OK)
        st = work_train(w, err);
    json_decref(errors);
    return st;
}

static void job_run(struct runner *r, const char *id, const char *type, const json_t *config)
{
    struct work w = { .r = r, .record = record_begin(r->options.threads) };
    struct error err = { 0 };
    enum status st;

    snprintf(w.id, sizeof w.id, "%s", id);
    w.now.train.eta_s = -1;
    if (!w.record)
        st = error_nomem(&err);
    else if (strcmp(type, JOB_FETCH) == 0)
        st = fetching_run(r, id, config, w.record, &err);
    else
        st = job_train(&w, config, &err);
    job_end(&w, st, &err);
    served_release(w.rival);
    json_decref(w.record);
}

/* ---- the thread ---- */

/* Wait until somebody calls, at most so many seconds. With the lock held. */
static void wait_seconds(struct runner *r, double seconds)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - floor(seconds)) * 1e9);
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&r->wake, &r->lock, &until);
}

/* Wait for a job to run; false at shutdown. */
static bool next_job(struct runner *r, char id[ID_SIZE], char type[JOB_TYPE_SIZE], json_t **ret_config)
{
    struct error err;
    bool found = false, told = false;

    pthread_mutex_lock(&r->lock);
    while (!r->shutdown && !found) {
        const enum status st = unwritten_retry(r) ? store_job_begin(r->store, id, type, ret_config, &err)
                                                  : error_set(&err, ST_IO, "a job's end is not written yet");

        found = st == ST_OK;
        if (!found && st != ST_NOTFOUND && !told)
            log_text(LOG_ERROR, "cannot take a job from the queue, but will try again", "%s", err.text);
        told = st != ST_NOTFOUND;
        if (st == ST_NOTFOUND)
            pthread_cond_wait(&r->wake, &r->lock);
        else if (!found)
            wait_seconds(r, 1); /* what could not be written may be written by then */
    }
    if (found) {
        progress_publish(&r->progress, /* not the last job's numbers */
                         &(struct snapshot){ .phase = strcmp(type, JOB_FETCH) == 0 ? SNAPSHOT_FETCH : 0,
                                             .train.eta_s = -1 });
        snprintf(r->running, sizeof r->running, "%s", id);
        atomic_store(&r->stop, GO_ON);
        atomic_store(&r->keep_best, false);
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

static void *runner_main(void *arg)
{
    struct runner *r = arg;
    char id[ID_SIZE], type[JOB_TYPE_SIZE];
    json_t *config = NULL;

    thread_set_class(POOL_BACKGROUND);
    while (next_job(r, id, type, &config)) {
        job_run(r, id, type, config);
        json_decref(config);
    }
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void runner_free(struct runner *r)
{
    json_decref(r->unwritten.record);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

enum status runner_start(const struct runner_options *options, struct store *store, struct registry *registry,
                         struct runner **ret_runner, struct error *err)
{
    struct runner *r = calloc(1, sizeof *r);
    pthread_condattr_t monotonic;
    sigset_t all, before;
    int rc;

    if (!r)
        return error_nomem(err);
    r->options = *options;
    r->store = store;
    r->registry = registry;
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    rc = pthread_create(&r->thread, NULL, runner_main, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        runner_free(r);
        return error_set(err, ST_IO, "cannot start the thread that runs jobs");
    }
    *ret_runner = r;
    return ST_OK;
}

void runner_halt(struct runner *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->shutdown = true;
    atomic_compare_exchange_strong(&r->stop, &(int){ GO_ON }, STOP_SHUTDOWN); /* a cancelled job stays that */
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

bool runner_stop(struct runner *r, double seconds)
{
    const double deadline = clock_seconds() + seconds;
    bool over;

    if (!r)
        return true;
    runner_halt(r);
    pthread_mutex_lock(&r->lock);
    for (double left; !r->over && (left = deadline - clock_seconds()) > 0;)
        wait_seconds(r, left);
    over = r->over;
    pthread_mutex_unlock(&r->lock);
    if (!over)
        return false;
    pthread_join(r->thread, NULL);
    unwritten_retry(r); /* or the next start finds it running, and calls it interrupted */
    runner_free(r);
    return true;
}

/* ---- what the service asks ---- */

static void check_init(struct runner *r, struct train_config *c, json_t *errors)
{
    struct model *m = NULL;
    struct error err;

    if (!c->init[0])
        return;
    if (registry_load(r->registry, c->init, &m, &err) != ST_OK) {
        config_error(errors, "init", "%s", err.text);
        return;
    }
    train_config_adopt(c, m);
    model_unref(m);
}

static void check_webhook(const struct runner *r, const struct train_config *c, json_t *errors)
{
    struct error err;

    if (!c->webhook[0])
        return;
    if (!outgoing_enabled(r->options.outgoing, OUTGOING_NOTICE))
        config_error(errors, "webhook", "this server was started without --webhook-hosts");
    else if (outgoing_check(r->options.outgoing, OUTGOING_NOTICE, c->webhook, &err) != ST_OK)
        config_error(errors, "webhook", "%s", err.text);
}

static enum status refuse_full(struct runner *r, struct error *err)
{
    char running[ID_SIZE];

    pthread_mutex_lock(&r->lock);
    snprintf(running, sizeof running, "%s", r->running);
    pthread_mutex_unlock(&r->lock);
    return error_set(err, ST_BUSY, "the job queue is full: %zu jobs wait for job %s", r->options.job_queue,
                     running);
}

enum status job_submit(struct runner *r, struct new_job *job, char ret_id[ID_SIZE], struct error *err)
{
    json_t *record = record_begin(r->options.threads);
    enum status st;

    job->max_queued = r->options.job_queue;
    job->record = record;
    st = record ? store_job_add(r->store, job, ret_id, err) : error_nomem(err);
    json_decref(record);
    if (st == ST_BUSY)
        return refuse_full(r, err);
    pthread_mutex_lock(&r->lock);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    return st;
}

enum status runner_submit(struct runner *r, const json_t *request, const char *idempotency_key,
                          const char *request_sha256, char ret_id[ID_SIZE], json_t *errors, struct error *err)
{
    json_t *config = NULL;
    struct new_job job = { .type = JOB_TRAIN,
                           .idempotency_key = idempotency_key,
                           .request_sha256 = request_sha256 };
    struct train_config c;
    enum status st = train_config_parse(request, &c, errors);

    if (st == ST_NOMEM)
        return error_nomem(err);
    if (st == ST_OK) {
        replay_resolve(r->store, request, &c, errors);
        st = json_array_size(errors) > 0 ? ST_INVALID : ST_OK;
    }
    if (st == ST_OK) {
        train_config_check(&c, r->options.datasets, errors);
        check_init(r, &c, errors);
        check_webhook(r, &c, errors);
    }
    if (json_array_size(errors) > 0)
        return error_set(err, ST_INVALID, "%zu field%s of the job cannot be used", json_array_size(errors),
                         json_array_size(errors) == 1 ? "" : "s");
    job.config = config = train_config_json(&c);
    st = config ? job_submit(r, &job, ret_id, err) : error_nomem(err);
    json_decref(config);
    return st;
}

bool job_is_running(const struct runner *r, const char *id)
{
    return r->running[0] && strcmp(r->running, id) == 0;
}

bool runner_progress(struct runner *r, const char *id, struct train_progress *ret)
{
    struct snapshot now;
    bool running;

    pthread_mutex_lock(&r->lock);
    running = job_is_running(r, id);
    if (running)
        progress_read(&r->progress, &now);
    pthread_mutex_unlock(&r->lock);
    if (running)
        *ret = now.train;
    return running;
}

uint64_t runner_images(const struct runner *r) { return atomic_load(&r->images); }

static void progress_tell(const struct snapshot *now, json_t *job)
{
    const bool fetching = now->phase >= SNAPSHOT_FETCH;

    json_object_set_new(
        job, "phase",
        json_string(fetching ? FETCH_PHASE_NAMES[now->phase - SNAPSHOT_FETCH] : PHASE_NAMES[now->phase]));
    json_object_set_new(job, "progress", json_real(now->train.progress));
    json_object_set_new(
        job, "eta_s", now->train.eta_s < 0 ? json_null() : json_integer((json_int_t)ceil(now->train.eta_s)));
    if (fetching && now->fetch.files > 0)
        json_object_set_new(
            job, "current",
            json_pack("{s:I,s:I,s:I,s:o}", "file", (json_int_t)now->fetch.file, "files",
                      (json_int_t)now->fetch.files, "bytes", (json_int_t)now->fetch.bytes, "bytes_total",
                      now->fetch.total < 0 ? json_null() : json_integer((json_int_t)now->fetch.total)));
    if (now->train.epoch > 0)
        json_object_set_new(job, "current",
                            json_pack("{s:I,s:I,s:I,s:o,s:o}", "epoch", (json_int_t)now->train.epoch, "step",
                                      (json_int_t)now->train.step, "steps", (json_int_t)now->train.steps,
                                      "loss", number_or_null(now->train.loss), "images_per_s",
                                      number_or_null(now->train.images_per_s)));
}

/* Add the progress of a job that the store called running. False: it has ended since, and the store knows how. */
static bool refresh(struct runner *r, json_t *job)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    struct snapshot now;
    bool running, told;

    if (!id || strcmp(json_string_value(json_object_get(job, "state")), "running") != 0)
        return true;
    pthread_mutex_lock(&r->lock);
    running = job_is_running(r, id);
    if (running)
        progress_read(&r->progress, &now);
    told = unwritten_tell(r, job);
    pthread_mutex_unlock(&r->lock);
    if (running)
        progress_tell(&now, job);
    return running || told;
}

void runner_refresh(struct runner *r, json_t *job)
{
    json_t *ended = NULL;

    if (refresh(r, job) ||
        store_job_get(r->store, json_string_value(json_object_get(job, "id")), &ended, NULL) != ST_OK)
        return;
    json_object_update_existing(job, ended); /* what the list left out stays out */
    json_decref(ended);
}

enum status runner_job(struct runner *r, const char *id, json_t **ret_job, struct error *err)
{
    json_t *job = NULL;
    enum status st = store_job_get(r->store, id, &job, err);

    if (st == ST_OK && !refresh(r, job)) {
        json_decref(job);
        st = store_job_get(r->store, id, &job, err);
    }
    if (st == ST_OK)
        *ret_job = job;
    return st;
}

/* Open a file of a job's folder.
 *   what  it is, for the error's sentence */
static enum status job_file(struct runner *r, const char *id, const char *name, const char *what, int *ret_fd,
                            size_t *ret_size, struct error *err)
{
    char path[PATH_MAX];
    struct stat info;
    json_t *job = NULL;
    enum status st = store_job_get(r->store, id, &job, err);
    int fd;

    json_decref(job);
    if (st != ST_OK)
        return st;
    if (snprintf(path, sizeof path, "%s/jobs/%s/%s", r->options.state, id, name) >= (int)sizeof path)
        return error_set(err, ST_IO, "the path of the state folder is too long");
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &info) != 0) {
        st = errno == ENOENT ? error_set(err, ST_NOTFOUND, "job '%s' has no %s", id, what)
                             : error_errno(err, ST_IO, "cannot open the %s of job '%s'", what, id);
        if (fd >= 0)
            close(fd);
        return st;
    }
    *ret_fd = fd;
    *ret_size = (size_t)info.st_size;
    return ST_OK;
}

enum status runner_scores(struct runner *r, const char *id, int set, int *ret_fd, size_t *ret_size,
                          struct error *err)
{
    char name[64];

    snprintf(name, sizeof name, "%s.csv", SCORED_NAMES[set]);
    return job_file(r, id, name, "scores", ret_fd, ret_size, err);
}

enum status runner_report(struct runner *r, const char *id, int *ret_fd, size_t *ret_size, struct error *err)
{
    return job_file(r, id, "report.html", "report", ret_fd, ret_size, err);
}
