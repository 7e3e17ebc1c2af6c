/* jobs/queue/fetch_job.c - a job that fetches a data set, as the runner does it. */
#include "worker.h"

#include "cxrd/clock.h"
#include "cxrd/fetch.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

struct fetch_job {
    struct runner *r;
    const char *id;
    const struct fetch_config *config;
    json_t *record; /* grows as files come */
    struct snapshot now;
    struct error storage; /* why the record could not be written: the job ends of it */
};

static bool on_cancelled(void *arg)
{
    const struct fetch_job *f = arg;

    return atomic_load(&f->r->stop) != GO_ON || f->storage.code != ST_OK;
}

static void on_phase(void *arg, enum fetch_phase phase)
{
    struct fetch_job *f = arg;
    char now[CLOCK_TEXT_SIZE];
    json_t *data = json_pack("{s:s,s:s}", "phase", FETCH_PHASE_NAMES[phase], "at", clock_utc(now));
    struct error err;

    f->now.phase = SNAPSHOT_FETCH + phase;
    progress_publish(&f->r->progress, &f->now);
    if (store_job_tell(f->r->store, &f->r->running, "phase", data, NULL, &err) != ST_OK)
        running_not_written(f->r, &err, &f->storage);
    json_decref(data);
}

static void on_progress(void *arg, const struct fetch_progress *progress)
{
    struct fetch_job *f = arg;

    f->now.fetch = *progress;
    f->now.train.progress = progress->progress;
    progress_publish(&f->r->progress, &f->now);
}

static void on_file(void *arg, const struct fetch_source *source, int64_t bytes, const char *sha256)
{
    struct fetch_job *f = arg;
    const size_t at = (size_t)(source - f->config->sources);
    json_t *files = json_object_get(f->record, "files");
    json_t *file = json_pack("{s:s%,s:I,s:s}", "url", source->url, strcspn(source->url, "?"), "bytes",
                             (json_int_t)bytes, "sha256", sha256);
    struct error err;

    if (at < json_array_size(files)) /* it was told before the job was interrupted */
        json_array_set_new(files, at, file);
    else
        json_array_append_new(files, file);
    if (store_job_record(f->r->store, &f->r->running, f->record, &err) != ST_OK)
        running_not_written(f->r, &err, &f->storage);
}

static json_t *pictures_found(const struct fetch_found *found)
{
    char elsewhere[128] = "";

    if (found->pattern)
        snprintf(elsewhere, sizeof elsewhere, "; give a training 'images': \"%s\", which finds those of %zu",
                 found->pattern, found->elsewhere);
    return json_sprintf(
        "of %zu rows of the table %zu have a picture that 'images_*/images/*.png' finds, of %zu that it "
        "finds%s",
        found->rows, found->with_picture, found->pictures, elsewhere);
}

static void warn(json_t *warnings, const char *code, json_t *detail)
{
    json_array_append_new(warnings, json_pack("{s:s,s:o}", "code", code, "detail", detail));
}

static void on_found(void *arg, const struct fetch_found *found)
{
    struct fetch_job *f = arg;
    json_t *warnings = json_array();

    if (found->refusal[0])
        warn(warnings, "unreadable_table",
             json_sprintf("a training %swill refuse this data set: %s",
                          found->readable ? "that does not name its findings in 'labels' " : "",
                          found->refusal));
    if (found->readable && found->with_picture < found->rows)
        warn(warnings, "missing_images", pictures_found(found));
    json_object_set_new(f->record, "warnings", warnings);
    if (found->readable)
        json_object_set_new(f->record, "found",
                            json_pack("{s:I,s:I,s:I}", "rows", (json_int_t)found->rows, "with_picture",
                                      (json_int_t)found->with_picture, "pictures",
                                      (json_int_t)found->pictures));
}

/* The record gets the files that a job which was interrupted has told of, or none. */
static enum status files_recall(struct fetch_job *f, struct error *err)
{
    json_t *before = NULL, *files;
    enum job_state state;
    const enum status st = running_needs(f->r, store_job_look(f->r->store, f->id, &state, &before, err));

    files = json_object_get(before, "files");
    if (st == ST_OK && json_is_array(files))
        json_object_set(f->record, "files", files);
    json_decref(before);
    return st;
}

enum status fetching_run(struct runner *r, const char *id, const json_t *config, json_t *record,
                         struct error *err)
{
    struct fetch_config *parsed = calloc(1, sizeof *parsed);
    struct fetch_job f = { .r = r, .id = id, .config = parsed, .record = record, .now.train.eta_s = -1 };
    const struct fetch_observer observer = { &f, on_cancelled, on_phase, on_progress, on_file, on_found };
    json_t *errors = json_array();
    const struct fetch_request request = { .config = parsed,
                                           .outgoing = r->options.outgoing,
                                           .datasets = r->options.datasets,
                                           .job = id,
                                           .credentials = r->options.s3_credentials,
                                           .max_bytes = r->options.data_bytes,
                                           .max_files = r->options.data_files,
                                           .tries = r->options.data_tries };
    enum status st = parsed && errors ? fetch_config_parse(config, parsed, errors) : ST_NOMEM;

    json_object_set_new(record, "files", json_array());
    if (st == ST_NOMEM)
        error_nomem(err);
    else if (st != ST_OK)
        error_set(err, st, "the job's configuration is no longer valid");
    else
        st = files_recall(&f, err);
    if (st == ST_OK && (!outgoing_enabled(r->options.outgoing, OUTGOING_DATA) || !r->options.datasets))
        st = error_set(err, ST_INVALID, "this server was started without --data-hosts or without --datasets");
    if (st == ST_OK)
        st = fetch_run(&request, &observer, err);
    if (st == ST_CANCELLED && f.storage.code != ST_OK) {
        *err = f.storage;
        st = err->code;
    }
    json_decref(errors);
    free(parsed);
    return st;
}
