/* server/commands/train.c - cxrd train: the same pipeline as a job, in the foreground, without a database.
 *
 * The folder --out is what a job's record, checkpoint and model are on a server: after every epoch it holds the checkpoint,
 * job.json as far as it is known, and the best epoch's weights, so that a training that is stopped or killed goes on with
 * --resume and ends with the weights that it would have had. */
#include "train.h"
#include "bar.h"
#include "commands.h"
#include "cxrd/clock.h"
#include "cxrd/cores.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/plain_text.h"
#include "cxrd/report.h"
#include "cxrd/runner.h"
#include "cxrd/trainer.h"
#include "cxrd/weights.h"
#include "foreground.h"
#include "job_folder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WEIGHTS_NAME "weights.safetensors"

static const struct option OPTIONS[] = { TRAIN_OPTIONS, { NULL } };

/* ---- what the run tells ---- */

struct display {
    struct bar bar; /* where standard error is a terminal */
    bool person;    /* standard output is one, too: no JSON */
    struct train_config config;
    struct ranks *ranks; /* NULL: alone */
    json_t *record;      /* what job.json holds, once it is this run's */
    json_t *warned;      /* its warnings that have been said */
    bool ours;           /* it is: of a new training, or of one whose checkpoint this run goes on with */
    const char *out;
    const struct train_result *result; /* as far as it has come */
    struct error storage;              /* why --out could not be written: the run ends of it */
    struct train_progress now;
    enum train_phase phase;
};

static bool on_cancelled(void *arg)
{
    const struct display *d = arg;

    return foreground_ended() || d->storage.code != ST_OK;
}

/* ---- what is kept in --out ---- */

static enum status save_weights(const char *folder, const struct model *m, struct error *err)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/" WEIGHTS_NAME, folder);
    return weights_save(m, path, err);
}

/* How far it has come, as a server's record says it. */
static void record_progress(struct display *d)
{
    json_t *current = current_json(&d->now);

    json_object_set_new(d->record, "phase", json_string(PHASE_NAMES[d->phase]));
    json_object_set_new(d->record, "progress", json_real(d->now.progress));
    if (current)
        json_object_set_new(d->record, "current", current);
}

/* The best epoch so far where it is a new one, and the record as far as it is known, which tells of it. */
static void keep_so_far(struct display *d, bool weights)
{
    enum status st = ST_OK;

    if (weights && d->result->model)
        st = save_weights(d->out, d->result->model, &d->storage);
    if (st == ST_OK)
        st = job_record_save(d->out, d->record, &d->storage);
    d->storage.code = st;
}

static void on_resumed(void *arg, const struct train_result *so_far)
{
    struct display *d = arg;
    json_t *list = json_object_get(d->record, "epochs");
    const size_t n = so_far->n_epochs;

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, epoch_json(&so_far->epochs[i], so_far->labels.n));
    json_object_set_new(d->record, "warnings", start_warnings(so_far));
    d->ours = true;
    if (n > 0)
        fprintf(stderr, "goes on after epoch %zu\n", n);
    keep_so_far(d, n > 0);
}

static void on_phase(void *arg, enum train_phase phase)
{
    struct display *d = arg;

    d->phase = phase;
    bar_clear(&d->bar);
    if (d->bar.shown)
        fprintf(stderr, "%s\n", PHASE_NAMES[phase]);
}

static void on_dataset(void *arg, const struct train_result *so_far)
{
    struct display *d = arg;
    const struct dataset_report *report = &so_far->dataset;

    json_object_set_new(d->record, "dataset", dataset_json(report, &d->config));
    json_object_set_new(d->record, "warnings", start_warnings(so_far));
    fprintf(stderr, "%zu rows, %zu usable: %zu to train, %zu to validate, %zu to test\n", report->rows,
            report->usable, report->train, report->validation, report->test);
    foreground_warn(d->record, &d->warned);
}

/* epoch 2  [##########----------] 51%  loss 0.2431  61 images/s  ETA 3:05 */
static void on_step(void *arg, const struct train_progress *p)
{
    struct display *d = arg;
    char epoch[32], behind[64];

    d->now = *p;
    snprintf(epoch, sizeof epoch, "epoch %zu", p->epoch);
    snprintf(behind, sizeof behind, "loss %.4f  %.0f images/s", p->loss, p->images_per_s);
    bar_draw(&d->bar, epoch, p->progress, behind, p->eta_s);
}

static void tell_epoch(const struct epoch_report *e, const struct baseline *baseline)
{
    fprintf(stderr, "epoch %zu  loss %.4f  validation loss %.4f (base rates %.4f)", e->epoch, e->loss,
            e->val_loss, baseline->loss);
    if (!isnan(e->val_macro_auroc))
        fprintf(stderr, "  macro AUROC %.3f", e->val_macro_auroc);
    fprintf(stderr, "  %.0f images/s  %.0f s\n", e->images_per_s, e->seconds);
}

static void on_epoch(void *arg, const struct epoch_report *report, const struct baseline *baseline)
{
    struct display *d = arg;
    json_t *epoch = epoch_json(report, d->config.labels.n);
    char *line = json_text(epoch, JSON_COMPACT | JSON_REAL_PRECISION(6));

    bar_clear(&d->bar);
    if (d->person)
        tell_epoch(report, baseline);
    else if (line)
        puts(line);
    fflush(stdout);
    free(line);
    json_array_append_new(json_object_get(d->record, "epochs"), epoch);
    record_progress(d);
    keep_so_far(d, d->result->kept_epoch == report->epoch);
}

/* ---- the job's configuration ---- */

/*   before  what job.json said, of a training that is resumed; NULL: nothing */
static enum status config_resolve(const struct train_options *o, const json_t *before,
                                  struct train_config *ret, struct error *err)
{
    const json_t *base = before ? json_object_get(before, "config") : NULL;
    json_t *config = NULL, *errors = json_array();
    enum status st =
        errors ? job_config_make(o->config, base, o->dataset, &o->set, &config, err) : error_nomem(err);

    if (st == ST_OK) {
        st = before && !o->config ? train_config_parse_recorded(config, ret, errors)
                                  : train_config_parse(config, ret, errors);
        if (st == ST_OK)
            st = train_config_check(ret, o->datasets, errors, err);
        else if (st == ST_NOMEM)
            error_nomem(err);
        else
            st = ST_OK; /* what is wrong is said below */
    }
    if (st == ST_OK && json_array_size(errors) == 0 && ret->webhook[0])
        config_error(errors, "webhook", "only a server sends notices");
    if (st == ST_OK)
        st = job_config_fault(errors, err);
    json_decref(errors);
    json_decref(config);
    return st;
}

/* ---- the results ---- */

static enum status save_results(const char *folder, const char *report, struct display *d,
                                const struct train_result *r, struct error *err)
{
    enum status st = ST_OK;

    if (r->model) {
        st = save_weights(folder, r->model, err);
        json_object_update_new(
            d->record,
            json_pack("{s:o,s:o,s:o,s:{s:o,s:o},s:o,s:o,s:o}", "validation_loss",
                      number_or_null(r->validation_loss), "top5_accuracy", number_or_null(r->top5_accuracy),
                      "kept_epoch", json_integer((json_int_t)r->kept_epoch), "baseline", "validation_loss",
                      number_or_null(r->baseline.loss), "top5_accuracy",
                      number_or_null(r->baseline.top5_accuracy), "transfer", transfer_json(r), "calibration",
                      calibration_json(r), "evaluation", evaluation_json(r)));
    }
    json_object_set_new(d->record, "warnings", result_warnings(r));
    for (int i = 0; i < N_SCORED && st == ST_OK && r->model; i++) {
        char name[64];

        snprintf(name, sizeof name, "scores_%s.csv", SCORED_NAMES[i]);
        st = job_file_save(folder, name, r->scores_csv[i].data, r->scores_csv[i].len, err);
    }
    if (st == ST_OK)
        st = job_record_save(folder, d->record, err);
    return st == ST_OK ? job_folder_report(folder, report, d->record, r->model, r->plots, err) : st;
}

static const char *text_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* What --overwrite replaces must not be gone on with later: its weights stay until there are others. */
static void forget(const char *folder, const char *checkpoint)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/job.json", folder);
    unlink(checkpoint);
    unlink(path);
}

static bool is_in(const char *folder, const char *name)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

/* Whether a new training may begin in --out: nothing that is kept there is replaced unasked. */
static enum status begin_check(const struct train_options *o, bool begun, struct error *err)
{
    if (o->overwrite)
        return ST_OK;
    if (begun)
        return error_set(err, ST_CONFLICT,
                         "'%.120s' holds a training that has not ended: --resume goes on with it, "
                         "--overwrite begins another over it",
                         o->out);
    if (is_in(o->out, WEIGHTS_NAME))
        return error_set(err, ST_CONFLICT,
                         "'%.120s' holds the weights of a training (" WEIGHTS_NAME
                         "): give another --out, or --overwrite to replace them",
                         o->out);
    return ST_OK;
}

/* Whether --out can be used as it is asked.
 *   ret_before  what job.json says of the training that is resumed, a new reference; NULL: it had not come so far */
static enum status out_check(const struct train_options *o, const char *checkpoint, json_t **ret_before,
                             struct error *err)
{
    const bool begun = access(checkpoint, F_OK) == 0;
    char path[PATH_MAX];
    enum status st;

    *ret_before = NULL;
    if (!o->resume)
        return begin_check(o, begun, err);
    snprintf(path, sizeof path, "%s/job.json", o->out);
    st = job_object_read(path, ret_before, err);
    if (st == ST_OK && !json_is_object(json_object_get(*ret_before, "config")))
        return error_set(err, ST_FORMAT, "'%.160s' is no record of a training", path);
    if (st == ST_NOTFOUND && !begun)
        return begin_check(o, false, err); /* stopped before anything was known: from its beginning */
    if (st == ST_OK && !begun &&
        strcmp(text_in(*ret_before, "state") ? text_in(*ret_before, "state") : "", "succeeded") == 0)
        return error_set(err, ST_CONFLICT, "the training in '%.120s' has ended: there is nothing to resume",
                         o->out);
    return st;
}

/* That a training which is resumed is still the job that it was. */
static enum status same_job(const json_t *before, const struct train_config *now, struct error *err)
{
    json_t *errors = json_array();
    struct train_config then;
    enum status st =
        errors ? train_config_parse_recorded(json_object_get(before, "config"), &then, errors) : ST_NOMEM;

    if (st == ST_OK)
        st = train_config_same(&then, now, "the training in --out is a job with another configuration", err);
    else if (st == ST_NOMEM)
        error_nomem(err);
    else
        error_set(err, st, "the job.json in --out holds no valid configuration");
    json_decref(errors);
    return st;
}

/* The weights to start from, which must be those that a training that is resumed began with. */
static enum status init_load(const struct train_options *o, const json_t *before, json_t *record,
                             struct file_bytes *ret, struct error *err)
{
    const char *expected = text_in(before, "init_sha256");
    char sha256[DIGEST_TEXT_SIZE] = "";
    enum status st = o->init ? file_read(o->init, WEIGHTS_MAX_BYTES, ret, err) : ST_OK;

    if (st == ST_OK && o->init && digest_bytes(ret->data, ret->size, sha256) != ST_OK)
        st = error_nomem(err);
    if (st == ST_OK && before && strcmp(expected ? expected : "", sha256) != 0)
        st = error_set(err, ST_CONFLICT, "the training began %s: give --init as it was then",
                       expected ? "with other weights" : "without --init");
    if (st == ST_OK && o->init)
        json_object_set_new(record, "init_sha256", json_string(sha256));
    return st;
}

/* The ranks that train together, for the record. */
static json_t *names_json(const struct ranks *ranks)
{
    json_t *names = json_array();

    for (size_t q = 0; q < ranks_n(ranks); q++)
        json_array_append_new(names, json_any_text(ranks_name(ranks, q)));
    return names;
}

/* How it ended, for whoever finds --out. */
static void record_end(struct display *d, enum status st, const struct error *why)
{
    const bool later = st == ST_CANCELLED || status_is_outside(st);
    char now[CLOCK_TEXT_SIZE];

    json_object_set_new(d->record, "state",
                        json_string(st == ST_OK ? "succeeded"
                                    : later     ? "interrupted"
                                                : "failed"));
    json_object_set_new(d->record, "finished_at", json_string(clock_utc(now)));
    record_progress(d);
    if (st == ST_OK) {
        json_object_set_new(d->record, "phase", json_null());
        json_object_set_new(d->record, "progress", json_real(1));
        json_object_del(d->record, "current");
    }
    json_object_set_new(d->record, "error",
                        st == ST_OK || st == ST_CANCELLED ? json_null() : json_string(why->text));
}

static enum status train_and_save(const struct train_options *o, struct train_request *request,
                                  struct display *d, struct train_result *result, struct error *err)
{
    const struct train_observer observer = { .arg = d,
                                             .cancelled = on_cancelled,
                                             .resumed = on_resumed,
                                             .phase = on_phase,
                                             .dataset = on_dataset,
                                             .step = on_step,
                                             .epoch = on_epoch };
    struct error why;
    enum status st = train_run(request, &observer, result, err);

    if (d->storage.code != ST_OK) {
        *err = d->storage;
        st = err->code;
    }
    record_end(d, st, err);
    if (st == ST_OK)
        st = save_results(o->out, o->report, d, result, err);
    else if (result->has_dataset && d->ours && job_record_save(o->out, d->record, &why) != ST_OK)
        fprintf(stderr, "cxrd train: %s\n", why.text);
    if (st == ST_OK)
        unlink(request->checkpoint);
    return st;
}

static enum status run(const struct train_options *o, const json_t *before, const char *checkpoint,
                       struct display *d, struct train_result *result, struct error *err)
{
    const json_t *data = json_object_get(before, "dataset");
    char cache[PATH_MAX], scores[PATH_MAX], now[CLOCK_TEXT_SIZE];
    const char *field;
    struct model *init = NULL;
    struct file_bytes file = FILE_BYTES_INIT;
    struct train_request request = { .config = &d->config,
                                     .datasets = o->datasets,
                                     .cache_folder = o->cache ? o->cache : cache,
                                     .cache_bytes = o->cache_bytes,
                                     .threads = train_threads(&d->config, before, o->threads),
                                     .ranks = d->ranks,
                                     .checkpoint = checkpoint,
                                     .scores_path = scores,
                                     .csv_sha256 = text_in(data, "csv_sha256"),
                                     .split_sha256 = text_in(data, "split_sha256") };
    enum status st = folder_make(o->out, err);

    snprintf(cache, sizeof cache, "%s/cache", o->out);
    snprintf(scores, sizeof scores, "%s/scores.csv", o->out);
    d->ours = !before;
    d->record = json_pack("{s:s,s:n,s:[],s:o,s:s}", "state", "running", "error", "epochs", "environment",
                          environment_json(request.threads), "begun_at",
                          text_in(before, "begun_at") ? text_in(before, "begun_at") : clock_utc(now));
    if (d->ranks)
        json_object_set_new(json_object_get(d->record, "environment"), "ranks", names_json(d->ranks));
    if (st == ST_OK)
        st = init_load(o, before, d->record, &file, err);
    if (st == ST_OK && d->ranks)
        st = train_broadcast(d->ranks, &d->config, &file, err);
    if (st == ST_OK && file.data)
        st = weights_read(file.data, file.size, &init, err);
    file_bytes_release(&file);
    if (st == ST_OK)
        st = train_config_adopt(&d->config, init, &field, err);
    request.init = init;
    if (st == ST_OK && before)
        st = same_job(before, &d->config, err);
    if (st == ST_OK) {
        if (o->overwrite)
            forget(o->out, checkpoint);
        json_object_set_new(d->record, "config", train_config_json(&d->config));
        st = train_and_save(o, &request, d, result, err);
    }
    model_unref(init);
    return st;
}

/* "0.625 (95 %: 0.114 to 1.000)"; "not known" of rows of which no finding has both kinds. */
static void figure_write(const struct estimate *e, char *text, size_t size)
{
    const int n = isfinite(e->value) ? snprintf(text, size, "%.3f", e->value) : -1;

    if (n < 0)
        snprintf(text, size, "not known");
    else if (isfinite(e->low) && isfinite(e->high))
        snprintf(text + n, size - (size_t)n, " (95 %%: %.3f to %.3f)", e->low, e->high);
}

static void tell_result(const struct train_result *r)
{
    char auroc[64];
    static const char *const ANSWERS[] = { "it cannot be told whether it has learned anything",
                                           "it has learned something", "it is worse than the base rates" };
    int set;
    const enum learning answer = learning_of(r, &set);

    figure_write(&r->evaluation[SCORED_TEST].macro_auroc, auroc, sizeof auroc);
    fprintf(stderr,
            "epoch %zu kept: validation loss %.4f (base rates %.4f), macro AUROC on test %s; %s by the %s "
            "rows\n",
            r->kept_epoch, r->validation_loss, r->baseline.loss, auroc, ANSWERS[answer], SCORED_NAMES[set]);
}

/* Where all of it is. */
static void tell_where(const struct train_options *o)
{
    fprintf(stderr, "%s holds " WEIGHTS_NAME ", job.json and the scores of its rows; ", o->out);
    if (o->report)
        fprintf(stderr, "%s is the report, for a browser\n", o->report);
    else
        fprintf(stderr, "%s/%s is the report, for a browser\n", o->out, REPORT_FILES[REPORT_WHOLE]);
}

/* A sentence on options that cannot go together; NULL: all can. */
static const char *options_fault(const struct train_options *o)
{
    if (!o->datasets || !o->out)
        return "--datasets and --out are needed";
    if (o->resume && o->overwrite)
        return "--resume goes on with what --overwrite would replace: give one of them";
    return NULL;
}

int train_here(const struct command *c, const struct train_options *o, struct ranks *ranks)
{
    struct display d = { .bar.shown = isatty(STDERR_FILENO),
                         .person = isatty(STDERR_FILENO) && isatty(STDOUT_FILENO),
                         .out = o->out,
                         .ranks = ranks };
    struct train_result result = { 0 };
    char checkpoint[PATH_MAX];
    json_t *before = NULL;
    struct error err = { 0 };
    enum status st;

    d.result = &result;
    snprintf(checkpoint, sizeof checkpoint, "%s/" CHECKPOINT_NAME, o->out);
    st = out_check(o, checkpoint, &before, &err);
    if (st == ST_OK)
        st = config_resolve(o, before, &d.config, &err);
    if (st == ST_OK && d.config.replay_of[0])
        st = error_set(&err, ST_INVALID, "'replay_of' names a job of a server");
    if (st == ST_OK && d.config.init[0])
        st = error_set(&err, ST_INVALID, "'init' names a model of a server: give a file with --init instead");
    if (st == ST_OK && ranks && d.config.shards == 0)
        st = error_set(&err, ST_INVALID, "'shards' must not be 0: ranks share the shards of a batch out");
    if (st == ST_OK)
        st = run(o, before, checkpoint, &d, &result, &err);
    st = ranks_end(ranks, st, &err);
    bar_clear(&d.bar); /* what is said now must not stand behind it */
    foreground_warn(d.record, &d.warned);
    if (st == ST_OK && result.model)
        tell_result(&result);
    if (st == ST_OK)
        tell_where(o);
    train_result_release(&result);
    json_decref(d.warned);
    json_decref(d.record);
    json_decref(before);
    return foreground_exit(c, st, &err, "--resume goes on with it");
}

bool train_options_read(const struct command *c, int argc, char **argv, struct train_options *o,
                        int *ret_exit)
{
    const char *fault;
    size_t n_arguments;

    *o = (struct train_options){ .cache_bytes = (size_t)16 << 30, .rank_wait = 30 };
    if (!command_begin(c, argc, argv, o, &n_arguments, ret_exit))
        return false;
    fault = options_fault(o);
    if (fault)
        *ret_exit = command_misuse(c, fault);
    return !fault;
}

static int train(int argc, char **argv)
{
    struct train_options o;
    int exit_status;

    if (!train_options_read(&COMMAND_TRAIN, argc, argv, &o, &exit_status))
        return exit_status;
    if (o.threads == 0)
        o.threads = cores_available();
    foreground_begin();
    return train_here(&COMMAND_TRAIN, &o, NULL);
}

const struct command COMMAND_TRAIN = {
    "train",
    "--datasets DIR --out DIR [OPTIONS]",
    "train in the foreground",
    OPTIONS,
    train,
    .example = "cxrd train --datasets datasets --dataset nih --out run1 --set epochs=10",
    .exits = "130 stopped by Ctrl-C, 143 by SIGTERM: --resume goes on with it",
};
