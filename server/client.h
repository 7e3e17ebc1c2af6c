/* server/client.h - this program as a client of another, through libcurl. */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include "cxrd/buf.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stddef.h>

/* The URL of a path of the server at `base`, which may end with a slash. */
void client_url(const char *base, const char *path, char *ret, size_t size);

/* Send a request, with the key in the environment variable CXRD_KEY where there is one, and append the reply's body to
 * `reply`, whose cap is the largest that is taken.
 *   body  NULL: none
 * Errors: ST_IO (no connection, or a reply other than 2xx: the sentence carries the problem's detail), ST_NOMEM. */
MUST_USE enum status client_bytes(const char *method, const char *url, const char *content_type,
                                  const void *body, size_t body_len, struct buf *reply, struct error *err);

/* The same for a JSON reply, a new reference. */
MUST_USE enum status client_json(const char *method, const char *url, const char *content_type,
                                 const void *body, size_t body_len, json_t **ret_reply, struct error *err);

#endif
