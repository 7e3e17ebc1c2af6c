/* server/api/jobs.c - training jobs over HTTP. */
#include "cxrd/fetch.h"
#include "cxrd/id.h"
#include "cxrd/run_comparison.h"
#include "handlers.h"
#include "input.h"
#include "work.h"

#include <string.h>

static json_t *links_json(const struct work *work, const char *id)
{
    const char *base = work->base_path;

    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "self", json_sprintf("%s/jobs/%s", base, id), "events",
                     json_sprintf("%s/jobs/%s/events", base, id), "cancel",
                     json_sprintf("%s/jobs/%s/cancel", base, id), "scores",
                     json_sprintf("%s/jobs/%s/scores", base, id), "report",
                     json_sprintf("%s/jobs/%s/report", base, id));
}

/* A record from before `dry_run` was written: a training that succeeded without an epoch to keep. */
static bool was_dry(const json_t *job)
{
    const char *type = json_string_value(json_object_get(job, "type")),
               *state = json_string_value(json_object_get(job, "state"));

    return type && state && strcmp(type, JOB_TRAIN) == 0 && strcmp(state, "succeeded") == 0 &&
           !json_is_integer(json_object_get(job, "kept_epoch"));
}

/* A member that a job has not come to yet is null, so that a record always has all of its members; an entry of a list has the
 * short ones. */
static void complete(json_t *job, bool whole)
{
    static const char *const LATER[] = { "macro_auroc",    "validation_loss", "top5_accuracy", "kept_epoch",
                                         "baseline",       "model",           "error",         "dataset",
                                         "evaluation",     "environment",     "promotion",     "calibration",
                                         "weights_sha256", "replay" };
    const size_t n = whole ? sizeof LATER / sizeof LATER[0] : 7;

    for (size_t i = 0; i < n; i++)
        if (!json_object_get(job, LATER[i]))
            json_object_set_new(job, LATER[i], json_null());
    if (!json_object_get(job, "dry_run"))
        json_object_set_new(job, "dry_run", json_boolean(was_dry(job)));
    if (whole && !json_object_get(job, "epochs"))
        json_object_set_new(job, "epochs", json_array());
    train_config_shown(json_object_get(job, "config"));
    fetch_config_shown(json_object_get(job, "config"));
}

typedef enum status submit_fn(struct runner *r, const json_t *request, const char *idempotency_key,
                              const char *request_sha256, char ret_id[ID_SIZE], json_t *errors,
                              struct error *err);

static enum status job_post(submit_fn *submit, const struct work *work, const struct http_request *req,
                            struct http_response *res, struct error *err)
{
    char id[ID_SIZE], sha256[DIGEST_TEXT_SIZE];
    json_t *request = NULL;
    enum status st = body_json(req, res, &request, err);

    if (st != ST_OK)
        return st;
    st = digest_bytes(req->body_len ? req->body : "", req->body_len, sha256);
    res->errors = json_array();
    if (st == ST_OK)
        st = submit(work->runner, request, req->idempotency_key[0] ? req->idempotency_key : NULL, sha256, id,
                    res->errors, err);
    json_decref(request);
    if (st == ST_CONFLICT)
        res->status = 422; /* the Idempotency-Key names another body */
    if (st == ST_BUSY) {
        res->status = 429;
        http_header_add(res, "Retry-After", "60");
    }
    if (st != ST_OK)
        return storage_status(st, res);
    res->status = 202;
    res->notes = json_pack("{s:s}", "job", id);
    http_header_add(res, "Location", "%s/jobs/%s", work->base_path, id);
    return http_json(res,
                     json_pack("{s:s,s:s,s:o}", "id", id, "state", "queued", "links", links_json(work, id)));
}

enum status jobs_train_post(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    return job_post(runner_submit, app_work(app), req, res, err);
}

enum status jobs_predict_post(struct app *app, const struct http_request *req, struct http_response *res,
                              struct error *err)
{
    return job_post(runner_submit_predict, app_work(app), req, res, err);
}

enum status jobs_validate_post(struct app *app, const struct http_request *req, struct http_response *res,
                               struct error *err)
{
    return job_post(runner_submit_validate, app_work(app), req, res, err);
}

enum status datasets_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                             struct error *err)
{
    const struct work *work = app_work(app);

    if (!outgoing_enabled(work->outgoing, OUTGOING_DATA) || !work->datasets) {
        res->status = 403;
        return error_set(err, ST_CONFLICT, "data are not fetched: this server was started without %s",
                         work->datasets ? "--data-hosts" : "--datasets");
    }
    return json_at_head(app, req, res, err);
}

enum status datasets_post(struct app *app, const struct http_request *req, struct http_response *res,
                          struct error *err)
{
    const enum status st = datasets_at_head(app, req, res, err);

    return st == ST_OK ? job_post(runner_submit_fetch, app_work(app), req, res, err) : st;
}

static bool job_type_ok(const char *type)
{
    return strcmp(type, JOB_TRAIN) == 0 || strcmp(type, JOB_FETCH) == 0 || strcmp(type, JOB_PREDICT) == 0 ||
           strcmp(type, JOB_VALIDATE) == 0;
}

enum status jobs_get(struct app *app, const struct http_request *req, struct http_response *res,
                     struct error *err)
{
#define X(name, text) text ", "
    static const char STATES[] = JOB_STATE_MAP(X);
#undef X
    char state[PARAMETER_TEXT], type[PARAMETER_TEXT], text[PARAMETER_TEXT];
    enum job_state parsed;
    struct page page = { 0 };
    json_t *jobs = NULL;
    int64_t next;
    enum status st = page_parse(req, &page, err);

    if (st == ST_OK && http_parameter(req, "state", state)) {
        if (!job_state_parse(state, &parsed))
            return error_set(err, ST_INVALID, "there is no job state '%.32s', only %.*s", state,
                             (int)sizeof STATES - 3, STATES);
        page.state = job_state_name(parsed);
    }
    if (st == ST_OK && http_parameter(req, "type", type)) {
        if (!job_type_ok(type))
            return error_set(err, ST_INVALID,
                             "there is no job type '%.32s', only train, fetch, predict and validate", type);
        page.type = type;
    }
    if (st == ST_OK && http_parameter(req, "q", text))
        page.text = text;
    if (st == ST_OK)
        st = store_jobs(app_work(app)->store, &page, &jobs, &next, err);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < json_array_size(jobs); i++) {
        runner_refresh(app_work(app)->runner, json_array_get(jobs, i));
        complete(json_array_get(jobs, i), false);
    }
    return http_json(res, json_pack("{s:o,s:o}", "jobs", jobs, "next_cursor", cursor_json(next)));
}

enum status job_get(struct app *app, const struct http_request *req, struct http_response *res,
                    struct error *err)
{
    json_t *job = NULL;
    const enum status st = runner_job(app_work(app)->runner, req->id, &job, err);

    if (st != ST_OK)
        return st;
    complete(job, true);
    return http_json(res, job);
}

enum status job_scores_get(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    struct runner *r = app_work(app)->runner;
    char split[PARAMETER_TEXT] = "validation";
    const bool asked = http_parameter(req, "split", split);
    enum status st;
    int set = 0;

    while (set < N_SCORED && strcmp(SCORED_NAMES[set], split) != 0)
        set++;
    if (set == N_SCORED && strcmp(split, "all") != 0)
        return error_set(err, ST_INVALID, "there is no split '%.32s': validation, test, no_finding or all",
                         split);
    res->content_type = "text/csv; charset=utf-8";
    st = runner_scores(r, req->id, set, &res->fd, &res->fd_size, err);
    if (st == ST_NOTFOUND && !asked) /* of a job that did not train */
        st = runner_scores(r, req->id, SCORED_ALL, &res->fd, &res->fd_size, err);
    return storage_status(st, res);
}

enum status job_compare_get(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    char with[PARAMETER_TEXT], split[PARAMETER_TEXT] = "test";
    struct run_comparison c;
    json_t *answer;
    enum status st;

    http_parameter(req, "split", split);
    if (!http_parameter(req, "with", with) || !id_ok(with, strlen(with)))
        return error_set(err, ST_INVALID, "'with' must be the id of the other job");
    if (strcmp(split, "train") != 0 && strcmp(split, "validation") != 0 && strcmp(split, "test") != 0 &&
        strcmp(split, "no_finding") != 0)
        return error_set(err, ST_INVALID, "there is no split '%.32s': train, validation, test or no_finding",
                         split);
    st = storage_status(runner_compare(app_work(app)->runner, with, req->id, split, &c, err), res);
    if (st != ST_OK)
        return st;
    answer = run_comparison_json(&c, split);
    json_object_set_new(answer, "jobs", json_pack("[s,s]", with, req->id));
    return http_json(res, answer);
}

enum status job_report_get(struct app *app, const struct http_request *req, struct http_response *res,
                           struct error *err)
{
    char copy[PARAMETER_TEXT] = "whole";
    enum report_form form = REPORT_WHOLE;

    http_parameter(req, "copy", copy);
    while (form < N_REPORT_FORMS && strcmp(REPORT_FORM_NAMES[form], copy) != 0)
        form++;
    if (form == N_REPORT_FORMS)
        return error_set(err, ST_INVALID, "there is no copy '%.32s': whole or mail", copy);
    res->content_type = "text/html; charset=utf-8";
    return storage_status(runner_report(app_work(app)->runner, req->id, form, &res->fd, &res->fd_size, err),
                          res);
}

/* The answer to a call that changes a job: which, and how it is now. */
static enum status job_accepted(const struct work *work, const struct http_request *req,
                                struct http_response *res, struct error *err)
{
    json_t *job = NULL;
    enum status st = runner_job(work->runner, req->id, &job, err);

    if (st != ST_OK)
        return st;
    res->status = 202;
    st = http_json(res, json_pack("{s:s,s:O,s:o}", "id", req->id, "state", json_object_get(job, "state"),
                                  "links", links_json(work, req->id)));
    json_decref(job);
    return st;
}

static enum status unknown_field(struct http_response *res, const char *field, const char *detail,
                                 struct error *err)
{
    if (!res->errors)
        res->errors = json_array();
    json_array_append_new(res->errors, json_pack("{s:s,s:s}", "field", field, "detail", detail));
    return error_set(err, ST_INVALID, "the request has a field that cannot be used");
}

/* {} or {"keep_best": true or false}. */
static enum status cancel_parse(const json_t *request, struct http_response *res, bool *ret_keep_best,
                                struct error *err)
{
    const char *key;
    json_t *value;
    enum status st = ST_OK;

    if (!json_is_object(request))
        return error_set(err, ST_INVALID, "the body must be a JSON object");
    json_object_foreach ((json_t *)request, key, value) {
        if (strcmp(key, "keep_best") != 0)
            st = unknown_field(res, key, "there is no such field", err);
        else if (!json_is_boolean(value))
            st = unknown_field(res, key, "must be true or false", err);
        else
            *ret_keep_best = json_is_true(value);
    }
    return st;
}

enum status job_cancel_post(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    json_t *request = NULL;
    bool keep_best = false;
    enum status st = body_json(req, res, &request, err);

    if (st == ST_OK)
        st = cancel_parse(request, res, &keep_best, err);
    json_decref(request);
    if (st == ST_OK)
        st = storage_status(runner_cancel(app_work(app)->runner, req->id, keep_best, err), res);
    return st == ST_OK ? job_accepted(app_work(app), req, res, err) : st;
}

enum status job_resume_post(struct app *app, const struct http_request *req, struct http_response *res,
                            struct error *err)
{
    const enum status st = storage_status(runner_resume(app_work(app)->runner, req->id, err), res);

    if (st == ST_BUSY) {
        res->status = 429;
        http_header_add(res, "Retry-After", "60");
    }
    return st == ST_OK ? job_accepted(app_work(app), req, res, err) : st;
}

enum status job_delete(struct app *app, const struct http_request *req, struct http_response *res,
                       struct error *err)
{
    const enum status st = storage_status(runner_delete(app_work(app)->runner, req->id, err), res);

    res->status = st == ST_OK ? 204 : res->status;
    return st;
}
