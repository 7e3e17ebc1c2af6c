/* server/http/work.c - a request that is complete meets its handler, in the network thread or in a queue's. */
#include "exchange.h"
#include "intake.h"
#include "multipart.h"
#include "problem.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NO_RECORD "the audit log cannot be written"

/* The reply is known: what must be on record before it leaves is put there, or it does not leave. */
static void record(struct exchange *x)
{
    struct error err = { .text = NO_RECORD };

    if (account_reply(x) == ST_OK)
        return;
    reply_drop(&x->reply);
    x->reply.res.status = 503;
    problem_write(&x->req, ST_BUSY, &err, &x->reply.res);
}

/* Answer without asking the handler. */
static void decline(struct exchange *x, int status, const char *sentence)
{
    struct error err = { 0 };

    snprintf(err.text, sizeof err.text, "%s", sentence);
    x->req.body = NULL;
    body_release(&x->body);
    x->reply.res.status = status;
    problem_write(&x->req, ST_BUSY, &err, &x->reply.res);
}

/* Whether it may be refused now: what has changed something is told, and there are few of those at a time. */
static bool may_be_withheld(const struct exchange *x)
{
    return (x->route->queue != QUEUE_FILES && x->route->queue != QUEUE_RESULTS) ||
           strcmp(x->method, "GET") == 0;
}

/* Take the form apart that the body is, where it is one and the route takes one.
 *   form  as long as the request is looked at */
static enum status find_form(struct exchange *x, struct multipart *form, struct error *err)
{
    enum status st;

    if (!x->route->forms || x->req.body_len == 0 || !multipart_is(x->req.content_type))
        return ST_OK;
    st = form_take(x->route->query, &x->req, form, err);
    x->req.form = st == ST_OK ? form : NULL;
    return st;
}

static enum status call_handler(struct exchange *x, struct error *err)
{
    struct multipart form;
    enum status st = find_form(x, &form, err);

    if (st == ST_OK)
        st = x->route->handler(x->http->app, &x->req, &x->reply.res, err);
    else
        http_header_add(&x->reply.res, "Cache-Control", "no-store");
    x->req.form = NULL;
    return st;
}

static void handle(struct exchange *x)
{
    struct error err = { 0 };
    enum status st;

    if (account_intent(x) != ST_OK) {
        decline(x, 503, NO_RECORD);
        return;
    }
    json_watch(); /* see http_json() */
    x->handled = true;
    st = call_handler(x, &err);
    if (st == ST_OK && x->reply.res.stream.more)
        st = sse_open(x->http->streams, &x->reply.res.stream, &STREAM_CALLS, x, &x->reply.reader, &err);
    if (st == ST_OK)
        st = reply_hold(&x->reply, x->http->files, may_be_withheld(x), &err);
    if (st != ST_OK)
        problem_write(&x->req, st, &err, &x->reply.res);
    else if (x->reply.res.status == 0)
        x->reply.res.status = 200;
    record(x);
    x->req.body = NULL;
    body_release(&x->body);
}

/* A queue did not take it. */
static void decline_busy(struct exchange *x)
{
    decline(x, 503,
            atomic_load(&x->http->late) ? "the server is shutting down"
                                        : "the server is busy: its queue is full");
}

/* The queue that it is handled in. */
static enum queue queue_of(struct exchange *x)
{
    enum queue queue = x->route->queue;
    struct multipart form;
    struct error none;

    if (x->route->waits_in && find_form(x, &form, &none) == ST_OK)
        queue = x->route->waits_in(x->http->app, &x->req);
    x->req.form = NULL;
    return queue;
}

/* Whether it belongs to another queue, and has not come there yet. */
static bool has_to_move(struct exchange *x, enum queue *ret_queue)
{
    if (x->moved)
        return false;
    *ret_queue = queue_of(x);
    x->moved = *ret_queue != x->route->queue;
    return x->moved;
}

void work_do(struct work_item *item)
{
    struct exchange *x = (struct exchange *)item;
    struct MHD_Connection *connection = x->connection;
    enum queue queue;

    if (queue_predicts(x->route->queue) && reaper_lost(x->http->reaper, x->peer))
        decline(x, 499, "the client has gone"); /* for the log: nobody reads it */
    else if (atomic_load(&x->http->late))
        decline(x, 503, "the server is shutting down");
    else if (clock_seconds() - x->req.received > x->http->options.request_s)
        decline(x, 503, "the request waited too long");
    else if (!has_to_move(x, &queue))
        handle(x);
    else if (work_queue_push(x->http->queues[queue], &x->item))
        return; /* its worker owns x now */
    else
        decline_busy(x);
    MHD_resume_connection(connection); /* from here on the network thread owns x again */
}

enum MHD_Result work_begin(struct exchange *x)
{
    x->req.body = body_bytes(&x->body);
    x->req.body_len = x->body.received;
    x->req.shared = x->body.shared.fd >= 0 ? &x->body.shared : NULL;
    x->req.received = clock_seconds();
    x->stage = STAGE_WORKING;
    reaper_set(x->http->reaper, x->peer, INFINITY);
    if (x->route->queue == QUEUE_INLINE || x->route->queue == QUEUE_PROBE) {
        handle(x);
        return send_reply(x);
    }
    intake_work(x->fd, true);
    MHD_suspend_connection(x->connection); /* first: a worker may resume it at once */
    if (work_queue_push(x->http->queues[x->route->queue], &x->item))
        return MHD_YES;
    decline_busy(x);
    MHD_resume_connection(x->connection);
    return MHD_YES;
}
