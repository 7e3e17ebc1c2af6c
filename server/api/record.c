/* server/api/record.c - what is kept of a request: the audit log's line before the reply, the counters after it. */
#include "app.h"
#include "metrics.h"

#include "../audit.h"
#include "cxrd/json.h"

#include <string.h>

/* Reading is not an event, unless it was refused. */
static bool is_event(const struct http_done *done)
{
    const bool refused = done->status == 401 || done->status == 403;

    return refused || (done->route && strcmp(done->route->method, "GET") != 0);
}

static const char *event_name(const struct http_done *done)
{
    if (done->status == 401 || done->status == 403)
        return "refused";
    return done->route->lane == LANE_PREDICT ? "predict" : "change";
}

static const char *outcome_name(int status)
{
    return status < 400 ? "ok" : status < 500 ? "rejected" : "failed";
}

/* The model that an event is about: the one that answered, or the one in the path. */
static json_t *model_of(const struct http_done *done)
{
    json_t *answered = json_object_get(done->notes, "model");

    return answered ? json_incref(answered) : json_null();
}

/* What a stranger may have chosen is taken as it is: no event is lost for a byte in it. */
static json_t *members_of(const struct http_done *done)
{
    const struct http_request *req = done->req;

    return json_pack("{s:s,s:i,s:o,s:o,s:o,s:s,s:o,s:o}", "outcome", outcome_name(done->status), "status",
                     done->status, "key", json_any_text(req->who), "source", json_any_text(req->source),
                     "method", json_any_text(req->method), "route", done->route ? done->route->path : "",
                     "request_id", json_any_text(req->request_id), "model", model_of(done));
}

enum status record_before(struct app *app, const struct http_done *done, struct error *err)
{
    const bool durable =
        done->status < 400; /* a refusal changed nothing, and a network thread must not wait */

    if (!app->audit || !is_event(done))
        return ST_OK;
    return audit_write(app->audit, event_name(done), members_of(done), durable, err);
}

void record_after(struct app *app, const struct http_done *done) { metrics_request(app->metrics, done); }
