/* server/http/reply.c - replies, as libmicrohttpd wants them; refusals; streams that go on. */
#include "mhd.h"
#include "problem.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    STREAM_BLOCK = 4096,
    REPLY_BYTES_A_SECOND = 32 << 10, /* a client that reads more slowly is cut off */
};

/* ---- what is sent ---- */

void reply_wake(void *connection) { MHD_resume_connection(connection); }

static void stream_sleep(void *connection) { MHD_suspend_connection(connection); }

/* The next bytes of an event stream. Nothing to say: the connection sleeps, since libmicrohttpd would ask again and
 * again. */
static ssize_t on_stream(void *arg, uint64_t at, char *ret, size_t max)
{
    struct exchange *x = arg;
    const ssize_t n = sse_read(x->reader, ret, max, stream_sleep);

    (void)at;
    return n == SSE_ENDED ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

static struct MHD_Response *response_make(struct exchange *x)
{
    struct http_response *res = &x->res;
    struct MHD_Response *r;

    if (x->reader)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, x, NULL);
    if (res->fd >= 0) {
        r = MHD_create_response_from_fd64(res->fd_size, res->fd); /* closes it */
        if (r)
            res->fd = -1;
        return r;
    }
    r = MHD_create_response_from_buffer(res->body.len, res->body.data, MHD_RESPMEM_MUST_FREE);
    if (r)
        buf_take(&res->body);
    return r;
}

/* The headers of a reply; false without memory for all of them. */
static bool headers_add(const struct exchange *x, struct MHD_Response *r)
{
    const struct http_response *res = &x->res;
    const char *type = res->content_type ? res->content_type : "application/json";
    bool whole = res->status == 204 || MHD_add_response_header(r, "Content-Type", type);

    whole = whole && MHD_add_response_header(r, "X-Request-Id", x->req.request_id) &&
            MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < res->n_headers; i++)
        whole = whole && MHD_add_response_header(r, res->headers[i].name, res->headers[i].value);
    if (x->origin[0])
        whole = whole && MHD_add_response_header(r, "Access-Control-Allow-Origin", x->origin) &&
                MHD_add_response_header(r, "Access-Control-Expose-Headers",
                                        "Location, Retry-After, X-Request-Id") &&
                MHD_add_response_header(r, "Vary", "Origin");
    if (x->close || atomic_load(&x->http->draining))
        whole = whole && MHD_add_response_header(r, "Connection", "close");
    return whole;
}

/* How long a client may take to read it. */
static double reply_seconds(const struct exchange *x)
{
    const size_t size = x->res.fd >= 0 ? x->res.fd_size : x->res.body.len;

    return x->reader ? INFINITY : x->http->options.request_s + (double)size / REPLY_BYTES_A_SECOND;
}

enum MHD_Result reply_send(struct exchange *x)
{
    const double seconds = reply_seconds(x); /* before the body is taken over */
    struct MHD_Response *r = response_make(x);
    enum MHD_Result queued;

    x->stage = STAGE_ANSWERED;
    reaper_set(x->http->reaper, x->peer, seconds);
    if (!r)
        return MHD_NO; /* no memory for a reply: the connection ends */
    queued = headers_add(x, r) ? MHD_queue_response(x->connection, (unsigned)x->res.status, r) : MHD_NO;
    MHD_destroy_response(r);
    return queued;
}

enum MHD_Result reply_when_heard(struct exchange *x)
{
    if (x->stage != STAGE_HEAD || !x->unread)
        return reply_send(x);
    x->stage = STAGE_BODY;
    x->body_status = ST_LIMIT; /* whatever comes is dropped */
    return MHD_YES;
}

/* ---- what is known of it ---- */

struct http_done reply_done(const struct exchange *x)
{
    return (struct http_done){ &x->req,     x->route,     x->res.status, clock_seconds() - x->begun,
                               x->received, x->res.notes, x->handled };
}

static enum status record(struct exchange *x,
                          enum status (*hook)(struct app *, const struct http_done *, struct error *))
{
    const struct http_done done = reply_done(x);
    struct error err = { 0 };
    const enum status st = hook(x->http->app, &done, &err);

    if (st != ST_OK)
        log_text(LOG_ERROR, "a request could not be recorded", "%s", err.text);
    return st;
}

enum status reply_intend(struct exchange *x) { return record(x, x->http->options.hooks.intent); }
enum status reply_record(struct exchange *x) { return record(x, x->http->options.hooks.before); }

enum MHD_Result reply_refuse(struct exchange *x, int status, const char *fmt, ...)
{
    struct error err = { 0 };
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    x->res.status = status;
    problem_write(&x->req, status == 503 ? ST_BUSY : ST_INVALID, &err, &x->res);
    reply_record(x); /* refused it is, whether that is on record or not */
    return reply_when_heard(x);
}
