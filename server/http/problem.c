/* server/http/problem.c - see problem.h. */
#include "problem.h"

#include "cxrd/json.h"
#include "cxrd/log.h"

#include <stdlib.h>
#include <string.h>

int problem_status(enum status st)
{
    switch (st) {
    case ST_OK: return 200;
    case ST_FORMAT: return 400;
    case ST_UNSUPPORTED: return 415;
    case ST_INVALID:
    case ST_UNUSABLE:
    case ST_LIMIT:
    case ST_NUMERIC: return 422;
    case ST_NOTFOUND: return 404;
    case ST_CONFLICT: return 409;
    case ST_BUSY:
    case ST_CANCELLED:
    case ST_NOMEM: return 503;
    case ST_IO: return 500;
    }
    return 500;
}

const char *problem_title(int http_status)
{
    static const struct {
        int status;
        const char *title;
    } TITLES[] = {
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 422, "Unprocessable Content" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 499, "Client Closed Request" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 503, "Service Unavailable" },
        { 505, "HTTP Version Not Supported" },
    };

    for (size_t i = 0; i < sizeof TITLES / sizeof TITLES[0]; i++)
        if (TITLES[i].status == http_status)
            return TITLES[i].title;
    return "Error";
}

void http_header_add(struct http_response *res, const char *name, const char *fmt, ...)
{
    va_list ap;

    if (res->n_headers == MAX_HEADERS)
        return;
    res->headers[res->n_headers].name = name;
    va_start(ap, fmt);
    vsnprintf(res->headers[res->n_headers].value, HTTP_TEXT, fmt, ap);
    va_end(ap);
    res->n_headers++;
}

enum status http_json(struct http_response *res, json_t *value)
{
    char *text = json_built(value, JSON_COMPACT | JSON_REAL_PRECISION(9));

    json_decref(value);
    if (!text)
        return ST_NOMEM;
    buf_clear(&res->body);
    buf_puts(&res->body, text);
    buf_puts(&res->body, "\n");
    free(text);
    return buf_status(&res->body);
}

/* The reason, where the fault is the server's: its storage or its memory, or more than the client is told. */
static void log_fault(const struct http_request *req, enum status st, const struct error *err)
{
    if (err && (err->inner[0] || st == ST_IO || st == ST_NOMEM))
        log_event(LOG_ERROR, "a request failed",
                  json_pack("{s:s,s:s,s:s*}", "request_id", req->request_id, "detail", err->text, "inner",
                            err->inner[0] ? err->inner : NULL));
}

void problem_write(const struct http_request *req, enum status st, const struct error *err,
                   struct http_response *res)
{
    const char *detail = err && err->text[0] ? err->text : status_text(st);
    json_t *problem;

    log_fault(req, st, err);
    if (res->status < 400) /* none yet, or what it would have been */
        res->status = problem_status(st);
    if (res->status == 503 && (st == ST_BUSY || st == ST_NOMEM))
        http_header_add(res, "Retry-After", "1");
    res->content_type = "application/problem+json";
    json_watch();
    problem = json_pack("{s:s,s:s,s:i,s:o,s:o,s:s}", "type", "about:blank", "title",
                        problem_title(res->status), "status", res->status, "detail", json_any_text(detail),
                        "instance", json_any_text(req->asked), "request_id", req->request_id);
    if (problem && err && err->reason)
        json_object_set_new(problem, "reason", json_string(err->reason));
    if (problem && json_array_size(res->errors) > 0)
        json_object_set(problem, "errors", res->errors);
    if (http_json(res, problem) != ST_OK)
        buf_clear(&res->body); /* no memory: the status line must do */
}
