/* server/api/input.c - see input.h. */
#include "input.h"

#include "cxrd/json.h"
#include "cxrd/plain_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool content_type_is(const struct http_request *req, const char *type)
{
    const size_t n = strcspn(req->content_type, "; \t");

    return (n == 0 && req->body_len == 0 && req->announced == 0) ||
           (n == strlen(type) && strncasecmp(req->content_type, type, n) == 0);
}

enum status json_at_head(struct app *app, const struct http_request *req, struct http_response *res,
                         struct error *err)
{
    (void)app;
    if (content_type_is(req, "application/json"))
        return ST_OK;
    res->status = 415;
    return error_set(err, ST_UNSUPPORTED, "the body must be JSON, with Content-Type: application/json");
}

enum status body_json(const struct http_request *req, struct http_response *res, json_t **ret,
                      struct error *err)
{
    const struct plain_text text = plain_text_of(req->body, req->body_len);
    json_error_t why;
    enum status st = json_at_head(NULL, req, res, err);

    if (st != ST_OK)
        return st;
    if (text.n == 0) {
        *ret = json_object();
        return *ret ? ST_OK : error_nomem(err);
    }
    st = json_read(text.at, text.n, JSON_REJECT_DUPLICATES, ret, &why);
    if (st != ST_FORMAT)
        return st == ST_OK ? ST_OK : error_nomem(err);
    return error_set(err, ST_FORMAT, "the body is not JSON: line %d, column %d: %s", why.line, why.column,
                     why.text);
}

enum status number_parse(const struct http_request *req, const char *name, int64_t min, int64_t max,
                         int64_t *ret, struct error *err)
{
    char text[PARAMETER_TEXT], *end;
    long long v;

    if (!http_parameter(req, name, text))
        return ST_OK;
    errno = 0;
    v = strtoll(text, &end, 10);
    if (end == text || *end || errno || v < min || v > max)
        return error_set(err, ST_INVALID, "'%s' must be a whole number in %" PRId64 "..%" PRId64, name, min,
                         max);
    *ret = v;
    return ST_OK;
}

enum status page_parse(const struct http_request *req, struct page *ret, struct error *err)
{
    int64_t limit = 20;
    enum status st = number_parse(req, "limit", 1, 100, &limit, err);

    if (st == ST_OK)
        st = number_parse(req, "cursor", 1, INT64_MAX, &ret->before, err);
    ret->limit = (size_t)limit;
    return st;
}

enum status label_parse(const struct http_request *req, const char *name, const struct labels *labels,
                        int *ret_label, struct error *err)
{
    char text[PARAMETER_TEXT], field[64];

    if (!http_parameter(req, name, text))
        return ST_OK;
    snprintf(field, sizeof field, "'%s'", name);
    return labels_choose(labels, text, field, ret_label, err);
}

bool model_named(const struct http_request *req, char ret_id[PARAMETER_TEXT])
{
    return http_parameter(req, "model", ret_id);
}

json_t *cursor_json(int64_t next) { return next ? json_sprintf("%" PRId64, next) : json_null(); }

enum status storage_status(enum status st, struct http_response *res)
{
    if (st == ST_IO) {
        res->status = 503;
        http_header_add(res, "Retry-After", "30");
    }
    return st;
}

enum status loading_status(enum status st, struct http_response *res)
{
    if (st == ST_FORMAT || st == ST_UNUSABLE)
        res->status = 409;
    return storage_status(st, res);
}
