/* server/http/send.c - a reply on its way: its headers, when the client hears it, refusals, streams that go on. */
#include "exchange.h"
#include "problem.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- streams ---- */

static void stream_wake(void *exchange) { MHD_resume_connection(((struct exchange *)exchange)->connection); }

static void stream_sleep(void *exchange)
{
    MHD_suspend_connection(((struct exchange *)exchange)->connection);
}

/* A client that does not read is not kept until it does. */
static bool stream_allowed(void *exchange)
{
    struct exchange *x = exchange;

    if (auth_still_allows(x->http->options.auth, &x->pass))
        return true;
    reaper_set(x->http->reaper, x->peer, IDLE_SECONDS);
    log_event(LOG_INFO, "event stream ended, its key is gone",
              json_pack("{s:s,s:s}", "request_id", x->req.request_id, "key", x->req.who));
    return false;
}

const struct sse_calls STREAM_CALLS = { stream_wake, stream_sleep, stream_allowed };

/* ---- replies ---- */

/* The headers of a reply; false without memory for all of them. */
static bool headers_add(const struct exchange *x, struct MHD_Response *r)
{
    const struct http_response *res = &x->reply.res;
    const char *type = res->content_type ? res->content_type : "application/json";
    bool whole = res->status == 204 || res->status == 304 || MHD_add_response_header(r, "Content-Type", type);

    whole = whole && MHD_add_response_header(r, "X-Request-Id", x->req.request_id) &&
            MHD_add_response_header(r, "X-Content-Type-Options", "nosniff") &&
            MHD_add_response_header(r, "Vary", "Origin"); /* also where there was none: caches must know */
    for (size_t i = 0; i < res->n_headers; i++)
        whole = whole && MHD_add_response_header(r, res->headers[i].name, res->headers[i].value);
    if (x->origin[0])
        whole = whole && MHD_add_response_header(r, "Access-Control-Allow-Origin", x->origin) &&
                MHD_add_response_header(r, "Access-Control-Expose-Headers",
                                        "Location, Retry-After, X-Request-Id");
    if (x->close || atomic_load(&x->http->draining))
        whole = whole && MHD_add_response_header(r, "Connection", "close");
    return whole;
}

enum MHD_Result send_reply(struct exchange *x)
{
    const double seconds =
        x->http->options.request_s + reply_seconds(&x->reply); /* before it is taken over */
    struct MHD_Response *r = reply_make(&x->reply);
    enum MHD_Result queued;

    x->stage = STAGE_ANSWERED;
    reaper_set(x->http->reaper, x->peer, seconds);
    if (!r)
        return MHD_NO; /* no memory for a reply: the connection ends */
    queued = headers_add(x, r) ? MHD_queue_response(x->connection, (unsigned)x->reply.res.status, r) : MHD_NO;
    MHD_destroy_response(r);
    return queued;
}

enum MHD_Result send_when_heard(struct exchange *x)
{
    if (x->stage != STAGE_HEAD || !x->unread)
        return send_reply(x);
    x->stage = STAGE_BODY;
    x->body.status = ST_LIMIT; /* whatever comes is dropped */
    return MHD_YES;
}

/* ---- refusals ---- */

enum MHD_Result send_problem(struct exchange *x, enum status st, const struct error *why)
{
    problem_write(&x->req, st, why, &x->reply.res);
    account_reply(x); /* refused it is, whether that is on record or not */
    return send_when_heard(x);
}

enum MHD_Result send_refusal(struct exchange *x, int status, const char *fmt, ...)
{
    struct error err = { 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    x->reply.res.status = status;
    return send_problem(x, status == 503 ? ST_BUSY : ST_INVALID, &err);
}
