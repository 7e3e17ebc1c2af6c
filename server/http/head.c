/* server/http/head.c - see head.h. */
#include "head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool head_is_token(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 127 ||
            strchr("\"(),/:;<=>?@[\\]{}", text[i]))
            return false;
    return n > 0;
}

bool head_has_control_byte(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 127)
            return true;
    return false;
}

/* A header that handlers want, if it fits; one that does not is as good as absent, but see head_fault(). */
static void keep(const char *name, const char *value, size_t n, struct head *h)
{
    struct http_request *req = h->req;
    const struct {
        const char *name;
        char *place;
    } kept[] = {
        { "Content-Type", req->content_type },
        { "Content-Encoding", req->content_encoding },
        { "Accept-Encoding", req->accept_encoding },
        { "If-None-Match", req->if_none_match },
        { "Idempotency-Key", req->idempotency_key },
        { "Last-Event-ID", req->last_event_id },
        { "X-Request-Id", req->request_id },
        { "Authorization", h->authorization },
        { "Host", h->host },
        { "Origin", h->origin },
        { "traceparent", h->traceparent },
    };

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (strcasecmp(name, kept[i].name) == 0 && n < HTTP_TEXT) {
            memcpy(kept[i].place, value, n);
            kept[i].place[n] = '\0';
        }
}

void head_add(struct head *h, const char *name, size_t name_size, const char *value, size_t value_size)
{
    h->bad_name |= !head_is_token(name, name_size);
    h->control_byte |= head_has_control_byte(value, value_size);
    if (strcasecmp(name, "Content-Length") == 0) {
        h->content_lengths++;
        h->has_length = true;
        h->content_length = strtoull(value, NULL, 10); /* libmicrohttpd has refused what is no number */
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        h->transfer_encodings++;
        h->odd_encoding |= strcasecmp(value, "chunked") != 0;
    } else if (strcasecmp(name, "Host") == 0) {
        h->hosts++;
        h->long_name |= value_size >= HTTP_TEXT;
    } else if (strcasecmp(name, "Authorization") == 0) {
        h->authorizations++;
    } else if (strcasecmp(name, "Origin") == 0) {
        h->origins++;
        h->long_name |= value_size >= HTTP_TEXT;
    } else if (strcasecmp(name, "Access-Control-Request-Method") == 0) {
        h->preflight = true;
    } else if (strcasecmp(name, "Expect") == 0) {
        h->expects = true; /* it waits for our word before it sends a body */
    } else if (strcasecmp(name, "Idempotency-Key") == 0) {
        h->long_key |= value_size >= HTTP_TEXT; /* without it a repetition would become a second job */
    }
    keep(name, value, value_size, h);
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

const char *head_fault(const struct head *h, bool http_1_0)
{
    settle_request_id(h->req);
    take_trace(h->traceparent, h->req->trace_id);
    if (h->content_lengths > 1)
        return "the request has more than one Content-Length";
    if (h->content_lengths && h->transfer_encodings)
        return "the request has both a Content-Length and a Transfer-Encoding";
    if (h->transfer_encodings > 1 || h->odd_encoding)
        return "the request has a Transfer-Encoding other than chunked";
    if (h->transfer_encodings && http_1_0)
        return "an HTTP/1.0 request cannot have a Transfer-Encoding";
    if (h->hosts > 1 || (h->hosts == 0 && !http_1_0))
        return "the request must have exactly one Host";
    if (h->authorizations > 1 || h->origins > 1)
        return "the request has more than one Authorization or Origin";
    if (h->long_name)
        return "the request's Host or Origin is too long";
    if (h->bad_name)
        return "the request has a header with a broken name";
    if (h->control_byte)
        return "the request has a header with a control character";
    return h->long_key ? "the Idempotency-Key is longer than 255 bytes" : NULL;
}
