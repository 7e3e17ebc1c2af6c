/* server/http/problem.h - errors as application/problem+json (RFC 9457). */
#ifndef SERVER_HTTP_PROBLEM_H
#define SERVER_HTTP_PROBLEM_H

#include "http.h"

/* The HTTP status that a status code stands for. */
int problem_status(enum status st);

/* "Not Found" */
const char *problem_title(int http_status);

/* Make `res` a problem: res->status as given, or by `st` where it is 0; detail from err->text; err->reason and
 * res->errors if any. */
void problem_write(const struct http_request *req, enum status st, const struct error *err,
                   struct http_response *res);

#endif
