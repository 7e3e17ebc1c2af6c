/* server/api/input.h - what requests carry: JSON bodies, the parameters of paged lists. */
#ifndef SERVER_API_INPUT_H
#define SERVER_API_INPUT_H

#include "../http/http.h"
#include "cxrd/labels.h"
#include "cxrd/store.h"

/* A request's body as JSON, a new reference; an empty body is {}. Errors: ST_UNSUPPORTED (Content-Type), ST_FORMAT. */
MUST_USE enum status body_json(const struct http_request *req, struct http_response *res, json_t **ret,
                               struct error *err);

/* The part of that in the head: a route's at_head. */
handler_fn json_at_head;

/* Whether a request's Content-Type is this one, whatever its parameters. One that has neither type nor body passes: a
 * browser's form, which may come from anywhere, always has a type. */
bool content_type_is(const struct http_request *req, const char *type);

/* A whole number among the parameters; *ret is left alone where the parameter is missing. Errors: ST_INVALID. */
MUST_USE enum status number_parse(const struct http_request *req, const char *name, int64_t min, int64_t max,
                                  int64_t *ret, struct error *err);

/* ?limit= (1..100, 20 where it is missing) and ?cursor= of a list. Errors: ST_INVALID. */
MUST_USE enum status page_parse(const struct http_request *req, struct page *ret, struct error *err);

/* One of a model's findings by name among the parameters, such as ?explain=Mass; *ret_label is left alone where the parameter is missing.
 * Errors: ST_INVALID (no finding has that name). */
MUST_USE enum status label_parse(const struct http_request *req, const char *name,
                                 const struct labels *labels, int *ret_label, struct error *err);

/* The parameter `model`. False: it names none. */
bool model_named(const struct http_request *req, char ret_id[PARAMETER_TEXT]);

json_t *cursor_json(int64_t next); /* null for 0 */

/* The storage fails (ST_IO): not the client's fault, and the same call may work when there is room again, so 503.
 * Returns `st`. */
enum status storage_status(enum status st, struct http_response *res);

/* A model cannot be made to answer. A file that is missing, or not what was stored, is a state of this server, and so is its
 * precision: 409. Returns `st`. */
enum status loading_status(enum status st, struct http_response *res);

#endif
