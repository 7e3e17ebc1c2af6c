/* server/http/request_head.c - the first call: whether a request may come in, decided from its head alone. */
#include "auth.h"
#include "exchange.h"
#include "head.h"

#include "cxrd/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* There is no route for it: which thing is not there, or which path is meant. */
static enum MHD_Result refuse_path(struct exchange *x)
{
    const struct route_table *routes = &x->http->options.routes;
    const char *base = x->http->options.base_path, *thing = route_thing(routes, x->req.path);
    const char *meant = thing ? NULL : route_meant(routes, x->req.path);

    if (thing)
        return send_refusal(x, 404, "there is no such %s", thing);
    if (meant)
        return send_refusal(x, 404, "there is nothing at this path; is %s%s meant?", base, meant);
    if (*base && x->req.path != x->req.asked + strlen(base))
        return send_refusal(x, 404, "there is nothing at this path: all paths here begin with %s/", base);
    return send_refusal(x, 404, "there is nothing at this path");
}

static enum MHD_Result refuse_route(struct exchange *x, int status, const char *allow)
{
    if (status == 404)
        return refuse_path(x);
    http_header_add(&x->reply.res, "Allow", "%s", allow);
    if (status == 204 && x->origin[0]) { /* a browser asks what it may do */
        http_header_add(&x->reply.res, "Access-Control-Allow-Methods", "%s", allow);
        http_header_add(&x->reply.res, "Access-Control-Allow-Headers",
                        "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, traceparent, "
                        "X-Request-Id");
        http_header_add(&x->reply.res, "Access-Control-Max-Age", "600");
    }
    if (status == 405)
        return send_refusal(x, 405, "%s is not possible here, only %s", x->method, allow);
    x->reply.res.status = status; /* 204, to OPTIONS */
    return send_when_heard(x);
}

/* auth.h refuses it. */
static enum MHD_Result refuse_entry(struct exchange *x, const struct verdict *v)
{
    if (v->status == 401)
        http_header_add(&x->reply.res, "WWW-Authenticate", "Bearer realm=\"cxrd\"");
    if (v->status == 429)
        http_header_add(&x->reply.res, "Retry-After", "%u", v->retry_after);
    return send_refusal(x, v->status, "%s", v->why.text);
}

static size_t body_limit(const struct exchange *x)
{
    return x->route->max_body == (size_t)MAX_BODY_UPLOAD ? x->http->options.max_upload : x->route->max_body;
}

static enum MHD_Result refuse_length(struct exchange *x, size_t length)
{
    x->close = true;
    return body_limit(x) == 0
               ? send_refusal(x, 400, "this request takes no body")
               : send_refusal(x, 413, "the body has %zu bytes, the limit is %zu", length, body_limit(x));
}

static bool is_plain(const char *encoding) { return !*encoding || strcasecmp(encoding, "identity") == 0; }

/* There is a route for it, and whoever sends it may. */
static enum MHD_Result enter(struct exchange *x, const struct head *head)
{
    const char *fault = x->route->any_query ? NULL : query_fault(x->req.query);
    const bool coded = body_limit(x) > 0 && !is_plain(x->req.content_encoding);
    char unknown[HTTP_TEXT];
    struct error why = { 0 };
    enum status st;

    if (fault)
        return send_refusal(x, 400, "%s", fault);
    if (!x->route->any_query && query_unknown(x->route->query, x->req.query, unknown))
        return send_refusal(x, 400, "%s", unknown);
    x->req.announced = head->has_length ? head->content_length : 0;
    x->req.draining = atomic_load(&x->http->draining);
    if (x->req.draining && x->route->queue != QUEUE_INLINE && x->route->queue != QUEUE_PROBE)
        return send_refusal(x, 503, "the server is shutting down");
    if (head->has_length && head->content_length > body_limit(x))
        return refuse_length(x, head->content_length);
    if (coded && x->req.announced > 0)
        return send_refusal(x, 415, CODED_BODY);
    if (x->route->queue != QUEUE_PROBE && !reaper_work(x->http->reaper, x->peer, &fault)) {
        x->close = true;
        return send_refusal(x, 503, "%s", fault);
    }
    if (head->expects && x->route->at_head &&
        (st = x->route->at_head(x->http->app, &x->req, &x->reply.res, &why)) != ST_OK)
        return send_problem(x, st, &why);
    x->body.max = body_limit(x);
    x->body.coded = coded;
    x->stage = STAGE_BODY;
    return MHD_YES;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                 const char *value, size_t value_size)
{
    (void)kind, (void)name_size;
    head_add(arg, name, value, value_size);
    return MHD_YES;
}

/* req.path and req.query are the two halves of the target, the path without the server's prefix. False: no memory. */
static bool keep_target(struct exchange *x, const char *target)
{
    const char *base = x->http->options.base_path;
    const size_t n_base = strlen(base);
    char *query;

    x->target = strdup(target);
    if (!x->target)
        return false;
    query = strchr(x->target, '?');
    x->req.query = query ? query + 1 : "";
    if (query)
        *query = '\0';
    x->req.path = x->req.asked = x->target;
    if (n_base && strncmp(x->target, base, n_base) == 0 && x->target[n_base] == '/')
        x->req.path = x->target + n_base;
    else if (n_base && x->target[0] == '/')
        x->req.path = "//"; /* matches no route */
    return true;
}

/* head  to be filled; a secret may stand in it */
static enum MHD_Result decide(struct exchange *x, struct head *head)
{
    struct verdict verdict;
    char allow[HTTP_TEXT];
    int status = 0;

    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, head);
    head_settle(head);
    if (!keep_target(x, head->target))
        return MHD_NO;
    if (auth_shares_with(x->http->options.auth, head->origin))
        memcpy(x->origin, head->origin, sizeof x->origin);
    x->unread = !head->expects && (!head->has_length || head->content_length <= MAX_DROPPED);
    if (head->fault.status) {
        x->close = true;
        return send_refusal(x, head->fault.status, "%s", head->fault.text);
    }
    x->route = route_find(&x->http->options.routes, x->method, x->req.path, x->req.id, &status, allow);
    auth_check(x->http->options.auth, head, x->route, &verdict);
    snprintf(x->req.who, sizeof x->req.who, "%s", verdict.who);
    x->pass = verdict.pass;
    if (verdict.status)
        return refuse_entry(x, &verdict);
    return x->route ? enter(x, head) : refuse_route(x, status, allow);
}

enum MHD_Result request_head(struct exchange *x, const char *method)
{
    struct head head = { .req = &x->req };
    enum MHD_Result result;

    snprintf(x->method, sizeof x->method, "%s", method);
    result = decide(x, &head);

    explicit_bzero(head.authorization, sizeof head.authorization);
    return result;
}
