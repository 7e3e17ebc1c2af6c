/* server/http/reply.c - replies, as libmicrohttpd wants them; refusals; streams that go on. */
#include "mhd.h"
#include "problem.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/secret.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STREAM_BLOCK = 4096,
    FILE_BLOCK = 16 << 10,
    SMALL_REPLY = 4096, /* bytes; so much is always sent: there is no more of it than connections */
    REPLY_BYTES_A_SECOND = 32 << 10, /* a client that reads more slowly is cut off */
};

/* ---- what is sent ---- */

static void stream_wake(void *exchange) { MHD_resume_connection(((struct exchange *)exchange)->connection); }

static void stream_sleep(void *exchange)
{
    MHD_suspend_connection(((struct exchange *)exchange)->connection);
}

/* A client that does not read is not kept until it does. */
static bool stream_admits(void *exchange)
{
    struct exchange *x = exchange;

    if (door_admits(x->http->options.door, &x->pass))
        return true;
    reaper_set(x->http->reaper, x->peer, IDLE_SECONDS);
    log_event(LOG_INFO, "event stream ended, its key is gone",
              json_pack("{s:s,s:s}", "request_id", x->req.request_id, "key", x->req.who));
    return false;
}

const struct sse_calls REPLY_CALLS = { stream_wake, stream_sleep, stream_admits };

/* The next bytes of an event stream. Nothing to say: the connection sleeps, since libmicrohttpd would ask again and
 * again. */
static ssize_t on_stream(void *arg, uint64_t at, char *ret, size_t max)
{
    struct exchange *x = arg;
    const ssize_t n = sse_read(x->reader, ret, max);

    (void)at;
    return n == SSE_ENDED ? MHD_CONTENT_READER_END_OF_STREAM : n;
}

/* The next bytes of a file. */
static ssize_t on_file(void *arg, uint64_t at, char *ret, size_t max)
{
    const ssize_t n = sent_file_read(arg, at, ret, max);

    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void on_file_end(void *arg) { sent_file_release(arg); }

static struct MHD_Response *file_make(struct exchange *x)
{
    struct MHD_Response *r =
        MHD_create_response_from_callback(x->res.fd_size, FILE_BLOCK, on_file, x->file, on_file_end);

    if (r)
        x->file = NULL;
    return r;
}

static struct MHD_Response *lent_make(struct http_lent *lent)
{
    void *bytes = (void *)lent->bytes; /* which the library only reads */
    struct MHD_Response *r =
        lent->give_back ? MHD_create_response_from_buffer_with_free_callback_cls(lent->size, bytes,
                                                                                 lent->give_back, lent->arg)
                        : MHD_create_response_from_buffer(lent->size, bytes, MHD_RESPMEM_PERSISTENT);

    if (r)
        *lent = (struct http_lent){ 0 };
    return r;
}

static struct MHD_Response *response_make(struct exchange *x)
{
    struct http_response *res = &x->res;
    struct MHD_Response *r;

    if (x->reader)
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream, x, NULL);
    if (x->file)
        return file_make(x);
    if (res->lent.bytes)
        return lent_make(&res->lent);
    r = MHD_create_response_from_buffer_with_free_callback(res->body.len, res->body.data,
                                                           res->body.secret ? secret_free : free);
    if (r)
        buf_take(&res->body);
    return r;
}

/* The headers of a reply; false without memory for all of them. */
static bool headers_add(const struct exchange *x, struct MHD_Response *r)
{
    const struct http_response *res = &x->res;
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

/* ---- what it takes up ---- */

/* Whether it may be refused now: what has changed something is told, and there are few of those at a time. */
static bool may_be_withheld(const struct exchange *x)
{
    return x->route->lane != LANE_FILES || strcmp(x->method, "GET") == 0;
}

static size_t bytes_held(const struct exchange *x)
{
    return x->res.fd >= 0 ? FILE_BLOCK : x->res.body.capacity; /* lent ones take up nothing */
}

enum status reply_hold(struct exchange *x, struct error *err)
{
    struct budget *b = &x->http->replies;
    const size_t n = bytes_held(x);
    enum status st = ST_OK;

    if (n <= SMALL_REPLY || !may_be_withheld(x))
        budget_force(b, n);
    else if (!budget_take(b, n))
        st = error_set(err, ST_BUSY, "the server holds as many replies as it may");
    if (st == ST_OK)
        x->reply_held = n;
    if (st == ST_OK && x->res.fd >= 0) {
        x->file = files_share(x->http->files, x->res.fd);
        x->res.fd = -1;
        if (!x->file)
            st = error_set(err, ST_BUSY, "the server is sending as many files as it may");
    }
    if (st != ST_OK)
        reply_drop(x);
    return st;
}

void reply_drop(struct exchange *x)
{
    struct http_response *res = &x->res;

    budget_give(&x->http->replies, x->reply_held);
    x->reply_held = 0;
    buf_release(&res->body);
    sent_file_release(x->file);
    x->file = NULL;
    if (res->fd >= 0)
        close(res->fd);
    res->fd = -1;
    if (res->lent.bytes && res->lent.give_back)
        res->lent.give_back(res->lent.arg);
    res->lent = (struct http_lent){ 0 };
}

/* ---- sending ---- */

/* How long a client may take to read it. */
static double reply_seconds(const struct exchange *x)
{
    const size_t size = x->file ? x->res.fd_size : x->res.lent.bytes ? x->res.lent.size : x->res.body.len;

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
        log_error(LOG_ERROR, "a request could not be recorded", &err);
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
