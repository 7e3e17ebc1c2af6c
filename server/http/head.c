/* server/http/head.c - see head.h. */
#include "head.h"

#include <stdlib.h>
#include <string.h>

/* A value of at most size - 1 bytes; a longer one is as good as absent. */
static void keep(char *place, size_t size, const char *value, size_t n)
{
    if (n >= size)
        return;
    memcpy(place, value, n);
    place[n] = '\0';
}

void head_fault(const char *value, struct fault *ret)
{
    char *end;
    const long status = strtol(value, &end, 10);

    fault_set(ret, (int)status, "%s", end + (*end == ' '));
}

void head_add(struct head *h, const char *name, const char *value, size_t value_size)
{
    char *places[N_HEADERS] = {
        [HEADER_ACCEPT] = h->req->accept,
        [HEADER_ACCEPT_ENCODING] = h->req->accept_encoding,
        [HEADER_AUTHORIZATION] = h->authorization,
        [HEADER_CONTENT_ENCODING] = h->req->content_encoding,
        [HEADER_CONTENT_TYPE] = h->req->content_type,
        [HEADER_HOST] = h->host,
        [HEADER_IDEMPOTENCY_KEY] = h->req->idempotency_key,
        [HEADER_IF_MODEL_EPOCH] = h->req->if_model_epoch,
        [HEADER_IF_NONE_MATCH] = h->req->if_none_match,
        [HEADER_LAST_EVENT_ID] = h->req->last_event_id,
        [HEADER_ORIGIN] = h->origin,
        [HEADER_PREFLIGHT] = h->preflight,
        [HEADER_REQUEST_ID] = h->req->request_id,
        [HEADER_TRACEPARENT] = h->traceparent,
    };

    for (int i = 0; i < N_HEADERS; i++)
        if (strcmp(name, HEADER_NAMES[i]) == 0)
            keep(places[i], HTTP_TEXT, value, value_size);
    if (strcmp(name, HEADER_TARGET) == 0)
        keep(h->target, sizeof h->target, value, value_size);
    else if (strcmp(name, HEADER_FAULT) == 0)
        head_fault(value, &h->fault);
    else if (strcmp(name, "Expect") == 0)
        h->expects = true;
    else if (strcmp(name, "Content-Length") == 0) {
        h->has_length = true;
        h->content_length = strtoull(value, NULL, 10);
    }
}

static void settle_request_id(struct http_request *req)
{
    const char *id = req->request_id;

    id_new(req->event_id);
    if (!*id ||
        strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") != strlen(id) ||
        strlen(id) > 128)
        id_new(req->request_id);
}

/* "00-<32 hex: the trace>-<16 hex: the caller's span>-<flags>"; anything else is as good as absent. */
static void take_trace(const char *traceparent, char ret[33])
{
    const char *trace = traceparent + 3;

    if (strlen(traceparent) >= 55 && traceparent[2] == '-' && strspn(trace, "0123456789abcdef") == 32 &&
        trace[32] == '-' && strspn(trace, "0") < 32) {
        memcpy(ret, trace, 32);
        ret[32] = '\0';
    }
}

void head_settle(struct head *h)
{
    settle_request_id(h->req);
    take_trace(h->traceparent, h->req->trace_id);
}
