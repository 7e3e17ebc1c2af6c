/* server/http/account.c - reports a request to the hooks and in its line of the log. It changes nothing. */
#include "exchange.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

static struct http_done done_of(const struct exchange *x)
{
    return (struct http_done){
        &x->req,          x->route,           x->reply.res.status, clock_seconds() - x->begun,
        x->body.received, x->reply.res.notes, x->handled
    };
}

static enum status record(const struct exchange *x,
                          enum status (*hook)(struct app *, const struct http_done *, struct error *))
{
    const struct http_done done = done_of(x);
    struct error err = { 0 };
    const enum status st = hook(x->http->app, &done, &err);

    if (st != ST_OK)
        log_error(LOG_ERROR, "a request could not be recorded", &err);
    return st;
}

enum status account_intent(const struct exchange *x) { return record(x, x->http->options.hooks.intent); }
enum status account_reply(const struct exchange *x) { return record(x, x->http->options.hooks.before); }

/* Whether it was turned away: only then does the log say where a request came from. */
static bool was_kept_out(const struct exchange *x)
{
    return x->reply.res.status == 401 || x->reply.res.status == 403 || x->reply.res.status == 429;
}

/* One line a request; never its query, its body or its headers: they may speak of a patient. */
static void log_access(const struct exchange *x)
{
    json_t *line =
        json_pack("{s:s,s:s,s:s,s:s,s:i,s:f,s:I}", "request_id", x->req.request_id, "key", x->req.who,
                  "method", x->method, "route", x->route ? x->route->path : "", "status", x->reply.res.status,
                  "ms", (clock_seconds() - x->begun) * 1e3, "bytes", (json_int_t)x->body.received);

    if (line && x->req.trace_id[0])
        json_object_set_new(line, "trace_id", json_string(x->req.trace_id));
    if (line && was_kept_out(x))
        json_object_set_new(line, "source", json_string(x->req.source));
    if (line && x->reply.res.notes)
        json_object_update_missing(line, x->reply.res.notes);
    log_event(LOG_INFO, "request", line);
}

void account_end(const struct exchange *x)
{
    const struct http_done done = done_of(x);

    log_access(x);
    x->http->options.hooks.after(x->http->app, &done);
}
