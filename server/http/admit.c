/* server/http/admit.c - the first call: whether a request may come in, decided from its head alone. */
#include "door.h"
#include "head.h"
#include "mhd.h"

#include "cxrd/clock.h"

#include <stdio.h>
#include <string.h>

static enum MHD_Result refuse_route(struct exchange *x, int status, const char *allow)
{
    if (status == 404)
        return reply_refuse(x, 404, "there is nothing at this path");
    http_header_add(&x->res, "Allow", "%s", allow);
    if (status == 204 && x->origin[0]) { /* a browser asks what it may do */
        http_header_add(&x->res, "Access-Control-Allow-Methods", "%s", allow);
        http_header_add(&x->res, "Access-Control-Allow-Headers",
                        "Authorization, Content-Type, Idempotency-Key, X-Request-Id");
        http_header_add(&x->res, "Access-Control-Max-Age", "600");
    }
    if (status == 405)
        return reply_refuse(x, 405, "%s is not possible here", x->method);
    x->res.status = status; /* 204, to OPTIONS */
    return reply_when_heard(x);
}

/* What the door says against it. */
static enum MHD_Result refuse_entry(struct exchange *x, const struct verdict *v)
{
    if (v->status == 401)
        http_header_add(&x->res, "WWW-Authenticate", "Bearer realm=\"cxrd\"");
    if (v->status == 429)
        http_header_add(&x->res, "Retry-After", "%u", v->retry_after);
    return reply_refuse(x, v->status, "%s", v->why.text);
}

static enum MHD_Result refuse_length(struct exchange *x, size_t length)
{
    x->close = true;
    return body_limit(x) == 0
               ? reply_refuse(x, 400, "this request takes no body")
               : reply_refuse(x, 413, "the body has %zu bytes, the limit is %zu", length, body_limit(x));
}

/* There is a route for it, and whoever sends it may. */
static enum MHD_Result enter(struct exchange *x, const struct head *head)
{
    const char *fault = query_fault(x->req.query);

    if (fault)
        return reply_refuse(x, 400, "%s", fault);
    x->req.draining = atomic_load(&x->http->draining);
    if (x->req.draining && x->route->lane != LANE_INLINE)
        return reply_refuse(x, 503, "the server is shutting down");
    if (head->has_length && head->content_length > body_limit(x))
        return refuse_length(x, head->content_length);
    x->body.max = body_limit(x);
    x->stage = STAGE_BODY;
    return MHD_YES;
}

static enum MHD_Result on_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_size,
                                 const char *value, size_t value_size)
{
    (void)kind;
    head_add(arg, name, name_size, value, value_size);
    return MHD_YES;
}

/* What is kept of a method is ASCII that can be printed, whatever was sent: it goes into the log. */
static void keep_method(struct exchange *x, const char *method)
{
    size_t n = 0;

    for (; method[n] && n + 1 < sizeof x->method; n++)
        x->method[n] = method[n] > ' ' && method[n] < 127 ? method[n] : '?';
    x->method[n] = '\0';
}

/* What is wrong with the request line or the head, as a sentence, or NULL. */
static const char *fault_of(const struct exchange *x, const struct head *head, const char *method,
                            const char *version)
{
    const char *fault = head_fault(head, strcmp(version, MHD_HTTP_VERSION_1_1) != 0);

    if (!head_is_token(method, strlen(method)))
        return "the request's method is no token";
    if (fault)
        return fault;
    return x->target[0] ? NULL : "the request's target is not a path, or too long";
}

/* head  to be filled; a secret may stand in it */
static enum MHD_Result decide(struct exchange *x, struct head *head, const char *method, const char *version)
{
    struct verdict verdict;
    const char *fault;
    char allow[HTTP_TEXT];
    int status = 0;

    keep_method(x, method);
    MHD_get_connection_values_n(x->connection, MHD_HEADER_KIND, on_header, head);
    fault = fault_of(x, head, method, version);
    if (fault) {
        x->close = true;
        return reply_refuse(x, 400, "%s", fault);
    }
    x->unread = !head->expects && (!head->has_length || head->content_length <= MAX_DROPPED);
    x->route = route_find(x->method, x->req.path, x->req.id, &status, allow);
    if (door_shares_with(x->http->options.door, head->origin))
        memcpy(x->origin, head->origin, sizeof x->origin);
    door_ask(x->http->options.door, head, x->route, &verdict);
    snprintf(x->req.who, sizeof x->req.who, "%s", verdict.who);
    if (verdict.status)
        return refuse_entry(x, &verdict);
    return x->route ? enter(x, head) : refuse_route(x, status, allow);
}

enum MHD_Result admit(struct exchange *x, const char *method, const char *version)
{
    struct head head = { .req = &x->req };
    const enum MHD_Result result = decide(x, &head, method, version);

    explicit_bzero(head.authorization, sizeof head.authorization);
    if (x->stage == STAGE_BODY) /* what is left of the time for the whole request */
        reaper_set(x->http->reaper, x->peer, x->http->options.request_s - (clock_seconds() - x->begun));
    return result;
}
