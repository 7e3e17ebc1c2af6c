/* server/api/record.c - what is kept of a request: the audit log's lines before it changes anything and before the reply,
 * the counters after it. */
#include "record.h"

#include "accounting.h"
#include "metrics.h"
#include "serving.h"
#include "shadow.h"

#include "../audit.h"
#include "cxrd/json.h"
#include "cxrd/log.h"

#include <string.h>

static bool is_refused(const struct http_done *done) { return done->status == 401 || done->status == 403; }

/* Reading is not an event, unless it was refused. */
static bool is_event(const struct http_done *done)
{
    return is_refused(done) || (done->route && strcmp(done->route->method, "GET") != 0);
}

/* A prediction changes nothing: without its record its reply is kept back, and that is all. One whose result goes to an archive
 * is a change, there. */
static bool is_change(const struct http_done *done)
{
    return done->route && strcmp(done->route->method, "GET") != 0 && done->route->queue != QUEUE_PREDICT;
}

static const char *event_name(const struct http_done *done)
{
    if (is_refused(done))
        return "refused";
    return is_change(done) ? "change" : "predict";
}

static const char *outcome_name(int status)
{
    return status < 400 ? "ok" : status < 500 ? "rejected" : "failed";
}

/* The model or the job that an event is about: the one that the handler noted, or the one in a path that begins so. */
static json_t *subject_of(const struct http_done *done, const char *note, const char *path)
{
    json_t *noted = json_object_get(done->notes, note);

    if (noted)
        return json_incref(noted);
    return done->req->id[0] && done->route && strncmp(done->route->path, path, strlen(path)) == 0
               ? json_string(done->req->id)
               : json_null();
}

/* The profile that an event is about; NULL: it is about none. */
static json_t *profile_of(const struct http_done *done)
{
    json_t *profile = subject_of(done, "profile", "/profiles/");

    if (!json_is_null(profile))
        return profile;
    json_decref(profile);
    return NULL;
}

/* The request and its subject. Text that a stranger may have chosen is taken as it is: no event is lost for a byte in it. */
static json_t *members_of(const struct http_done *done)
{
    const struct http_request *req = done->req;

    return json_pack("{s:s,s:o,s:o,s:o,s:s,s:o,s:o,s:o,s:o*}", "id", req->event_id, "key",
                     json_any_text(req->who), "source", json_any_text(req->source), "method",
                     json_any_text(req->method), "route", done->route ? done->route->path : "", "request_id",
                     json_any_text(req->request_id), "model", subject_of(done, "model", "/models/"), "job",
                     subject_of(done, "job", "/jobs/"), "profile", profile_of(done));
}

enum status record_intent(struct app *app, const struct http_done *done, struct error *err)
{
    struct audit *audit = app_accounting(app)->audit;

    return audit && is_change(done) ? audit_write(audit, "intent", members_of(done), true, err) : ST_OK;
}

/* And how it ended. */
static json_t *ended_members_of(const struct http_done *done)
{
    json_t *members = members_of(done);

    if (json_object_set_new(members, "outcome", json_string(outcome_name(done->status))) == 0 &&
        json_object_set_new(members, "status", json_integer(done->status)) == 0)
        return members;
    json_decref(members);
    return NULL;
}

enum status record_before(struct app *app, const struct http_done *done, struct error *err)
{
    struct audit *audit = app_accounting(app)->audit;
    const bool durable =
        done->status < 400; /* a refusal changed nothing, and a network thread must not wait */
    enum status st;

    if (!audit || !is_event(done))
        return ST_OK;
    if (is_refused(done) && !done->handled && !done->req->who[0])
        return audit_untrusted(audit, ended_members_of(done), err);
    st = audit_write(audit, event_name(done), ended_members_of(done), durable, err);
    if (st == ST_OK || !is_change(done))
        return st;
    log_error(LOG_ERROR, "how a change ended could not be recorded", err);
    return ST_OK; /* it is done, and that it was to be is on record: the client hears how it ended */
}

void record_activated(void *arg, const char *job, const char *model)
{
    struct audit *audit = app_accounting(arg)->audit;
    struct error err = { 0 };

    if (audit_write(audit, "promote", json_pack("{s:s,s:s}", "model", model, "job", job), true, &err) !=
        ST_OK)
        log_error(LOG_ERROR, "an event could not be recorded", &err);
}

void record_shadow(void *arg, const struct shadow_promotion *p, const struct shadow_outcome *o)
{
    struct error err = { 0 };

    if (strcmp(o->state, "activated") == 0)
        record_activated(arg, p->job, p->model);
    if (audit_write(app_accounting(arg)->audit, "shadow",
                    json_pack("{s:s,s:s,s:s,s:s*}", "model", p->model, "job", p->job, "state", o->state,
                              "reason", o->reason),
                    true, &err) != ST_OK)
        log_error(LOG_ERROR, "an event could not be recorded", &err);
}

void record_taken_back(void *arg, const char *model, const char *reason)
{
    struct error err = { 0 };

    if (audit_write(app_accounting(arg)->audit, "take_back",
                    json_pack("{s:s,s:s}", "model", model, "reason", reason), true, &err) != ST_OK)
        log_error(LOG_ERROR, "an event could not be recorded", &err);
}

void record_after(struct app *app, const struct http_done *done)
{
    shadow_answered(app_serving(app)->shadow, done->req->event_id);
    metrics_request(app_accounting(app)->metrics, done);
}
