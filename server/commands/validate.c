/* server/commands/validate.c - cxrd validate: what a model file is worth on a data set, in the foreground, without a server.
 *
 * The folder --out is what such a job leaves on a server. One that is stopped or killed goes on with the same command: what has
 * been scored is kept there until it ends. */
#include "bar.h"
#include "commands.h"
#include "cxrd/cores.h"
#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/json.h"
#include "cxrd/log.h"
#include "cxrd/report.h"
#include "cxrd/runner.h"
#include "cxrd/scoring.h"
#include "cxrd/weights.h"
#include "foreground.h"
#include "job_folder.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct validate_options {
    const char *datasets, *dataset, *weights, *out, *config;
    size_t threads;
    bool overwrite, scores_only;
    struct option_list set;
};

#define AT(member)   offsetof(struct validate_options, member)
#define SCORES_NAME  "scores.csv"
#define PARTIAL_FILE "partial.scores"

static const struct option OPTIONS[] = {
    { "datasets", OPTION_TEXT, AT(datasets), "DIR", "folder with a folder for each data set" },
    { "dataset", OPTION_TEXT, AT(dataset), "NAME", "which one; may be left out where there is one" },
    { "weights", OPTION_TEXT, AT(weights), "FILE", "the model's weights file" },
    { "out", OPTION_TEXT, AT(out), "DIR", "where job.json, scores and report go; made if missing",
      .letter = 'o' },
    { "scores-only", OPTION_FLAG, AT(scores_only), NULL,
      "only score the pictures: the table need not say any findings" },
    { "config", OPTION_TEXT, AT(config), "FILE", "a job as JSON, as POST /jobs/validate takes it" },
    { "set", OPTION_LIST, AT(set), "KEY=VALUE",
      "one field of the job, over what --config says; may be repeated" },
    { "overwrite", OPTION_FLAG, AT(overwrite), NULL, "where --out holds a validation already" },
    { "threads", OPTION_COUNT, AT(threads), "N", "threads to score with (all cores)", 1, 256 },
    { NULL },
};

struct display {
    struct bar bar; /* where standard error is a terminal */
    json_t *record; /* what job.json will hold */
    json_t *warned; /* its warnings that have been said */
    const struct score_config *config;
};

static bool on_cancelled(void *arg)
{
    (void)arg;
    return foreground_ended();
}

static void on_phase(void *arg, enum train_phase phase)
{
    struct display *d = arg;

    bar_clear(&d->bar);
    if (d->bar.shown)
        fprintf(stderr, "%s\n", PHASE_NAMES[phase]);
}

static void on_dataset(void *arg, const struct train_result *so_far)
{
    struct display *d = arg;
    const struct dataset_report *report = &so_far->dataset;

    score_record_dataset(d->record, so_far, d->config);
    fprintf(stderr, "%zu rows, %zu with a picture to score\n", report->rows, report->usable);
    foreground_warn(d->record, &d->warned);
}

static void on_step(void *arg, const struct train_progress *p)
{
    struct display *d = arg;

    bar_draw(&d->bar, "scoring", p->progress, "", p->eta_s);
}

/* ---- what is asked ---- */

static enum status config_resolve(const struct validate_options *o, const struct model *m,
                                  struct score_config *ret, struct error *err)
{
    json_t *config = NULL, *errors = json_array();
    enum status st =
        errors ? job_config_make(o->config, NULL, o->dataset, &o->set, &config, err) : error_nomem(err);

    if (st == ST_OK) {
        st = score_config_parse(config, !o->scores_only, ret, errors);
        if (st == ST_OK)
            st = score_config_check(ret, o->datasets, errors, err);
        else if (st == ST_NOMEM)
            error_nomem(err);
        else
            st = ST_OK; /* what is wrong is said below */
    }
    if (st == ST_OK && json_array_size(errors) == 0 && ret->model[0])
        config_error(errors, "model", "names a model of a server: give a file with --weights instead");
    if (st == ST_OK && json_array_size(errors) == 0 && ret->data.webhook[0])
        config_error(errors, "webhook", "only a server sends notices");
    if (st == ST_OK && json_array_size(errors) == 0)
        score_config_settle(ret, m, errors);
    if (st == ST_OK)
        st = job_config_fault(errors, err);
    json_decref(errors);
    json_decref(config);
    return st;
}

/* ---- what is left ---- */

static enum status digest_of(const char *path, char ret[DIGEST_TEXT_SIZE], struct error *err)
{
    struct file_bytes file = FILE_BYTES_INIT;
    enum status st = file_read(path, (size_t)1 << 31, &file, err);

    if (st == ST_OK && digest_bytes(file.data, file.size, ret) != ST_OK)
        st = error_nomem(err);
    file_bytes_release(&file);
    return st;
}

/* The model's file says which table it was trained with, and no more. */
static void record_make(const struct display *d, const struct score_result *r, const struct model *m,
                        const char *sha256, const char *scores_sha256)
{
    const char *text = json_string_value(json_object_get(model_notes(m), DATA_NOTE));
    json_t *data = NULL, *tables = json_array();
    const json_t *table;

    if (text && json_read(text, strlen(text), 0, &data, NULL) == ST_OK &&
        json_is_string(table = json_object_get(data, "csv_sha256")))
        json_array_append(tables, (json_t *)table);
    score_record(d->record, r, d->config,
                 &(struct scored_with){ NULL, sha256, m, scores_sha256, tables, NULL, true });
    json_decref(tables);
    json_decref(data);
}

static enum status results_save(const struct validate_options *o, const struct display *d,
                                const struct score_result *r, const struct model *m, const char *sha256,
                                struct error *err)
{
    char scores[PATH_MAX], scores_sha256[DIGEST_TEXT_SIZE];
    enum status st;

    snprintf(scores, sizeof scores, "%s/" SCORES_NAME, o->out);
    st = digest_of(scores, scores_sha256, err);
    if (st != ST_OK)
        return st;
    record_make(d, r, m, sha256, scores_sha256);
    json_object_set_new(d->record, "state", json_string("succeeded"));
    for (int set = 0; set < N_SCORED && st == ST_OK; set++) {
        const struct buf *csv = &r->as_training.scores_csv[set];
        char name[64];

        snprintf(name, sizeof name, "scores_%s.csv", SCORED_NAMES[set]);
        if (csv->len > 0)
            st = job_file_save(o->out, name, csv->data, csv->len, err);
    }
    if (st == ST_OK)
        st = job_record_save(o->out, d->record, err);
    return st == ST_OK && !o->scores_only
               ? job_folder_report(o->out, NULL, d->record, NULL, r->as_training.plots, err)
               : st;
}

static void tell_result(const struct validate_options *o, const struct score_result *r)
{
    const struct evaluation *e = &r->as_training.evaluation[SCORED_TEST];
    const struct estimate *auroc = &e->macro_auroc;

    if (r->as_training.unreadable > 0)
        fprintf(stderr, "%zu pictures could not be scored: job.json names the first\n",
                r->as_training.unreadable);
    if (!o->scores_only && isfinite(auroc->value))
        fprintf(stderr, "macro AUROC %.3f (95 %%: %.3f to %.3f) on %zu rows of %zu patients\n", auroc->value,
                auroc->low, auroc->high, e->rows, e->patients);
    fprintf(stderr, "%s holds job.json and " SCORES_NAME, o->out);
    if (!o->scores_only)
        fprintf(stderr, "; %s/%s is the report, for a browser", o->out, REPORT_FILES[REPORT_WHOLE]);
    fprintf(stderr, "\n");
}

/* ---- the run ---- */

static enum status run(const struct validate_options *o, const struct model *m, struct score_config *config,
                       struct error *err)
{
    struct display d = { .bar.shown = isatty(STDERR_FILENO), .config = config };
    const struct train_observer observer = {
        .arg = &d, .cancelled = on_cancelled, .phase = on_phase, .dataset = on_dataset, .step = on_step
    };
    char scores[PATH_MAX], partial[PATH_MAX], sha256[DIGEST_TEXT_SIZE];
    struct score_result result = { 0 };
    enum status st = digest_of(o->weights, sha256, err);

    snprintf(scores, sizeof scores, "%s/" SCORES_NAME, o->out);
    snprintf(partial, sizeof partial, "%s/" PARTIAL_FILE, o->out);
    d.record = json_pack("{s:s,s:n,s:o,s:o}", "state", "running", "error", "environment",
                         environment_json(o->threads), "config", score_config_json(config));
    if (st == ST_OK)
        st = folder_make(o->out, err);
    if (st == ST_OK)
        st = command_out_check(scores, o->overwrite, err);
    if (st == ST_OK)
        st = score_run(&(struct score_request){ .config = config,
                                                .model = m,
                                                .model_sha256 = sha256,
                                                .datasets = o->datasets,
                                                .threads = o->threads,
                                                .partial = partial,
                                                .scores = scores },
                       &observer, &result, err);
    bar_clear(&d.bar); /* what is said now must not stand behind it */
    if (st == ST_OK)
        st = results_save(o, &d, &result, m, sha256, err);
    foreground_warn(d.record, &d.warned);
    if (st == ST_OK) {
        unlink(partial);
        tell_result(o, &result);
    }
    score_result_release(&result);
    json_decref(d.warned);
    json_decref(d.record);
    return st;
}

static int validate(int argc, char **argv)
{
    struct validate_options o = { .threads = cores_available() };
    struct score_config *config;
    struct model *m = NULL;
    struct error err = { 0 };
    size_t n_arguments;
    enum status st;
    int exit_status;

    if (!command_begin(&COMMAND_VALIDATE, argc, argv, &o, &n_arguments, &exit_status))
        return exit_status;
    if (!o.datasets || !o.weights || !o.out)
        return command_misuse(&COMMAND_VALIDATE, "--datasets, --weights and --out are needed");
    foreground_begin();
    config = calloc(1, sizeof *config);
    st = config ? weights_load(o.weights, &m, &err) : error_nomem(&err);
    if (st == ST_OK && model_is_backbone(m))
        st = error_set(&err, ST_UNUSABLE, "%s", BACKBONE_REFUSED);
    if (st == ST_OK)
        st = config_resolve(&o, m, config, &err);
    if (st == ST_OK)
        st = run(&o, m, config, &err);
    model_unref(m);
    free(config);
    return foreground_exit(&COMMAND_VALIDATE, st, &err, "the same command goes on with it");
}

const struct command COMMAND_VALIDATE = {
    "validate",
    "--datasets DIR --weights FILE --out DIR [OPTIONS]",
    "what a model is worth on a data set",
    OPTIONS,
    validate,
    .example = "cxrd validate --datasets datasets --dataset site --weights weights.safetensors --out site1",
    .exits = "130 stopped by Ctrl-C, 143 by SIGTERM: the same command goes on with it",
};
