/* server/client.h - this program as a client of another, through libcurl. */
#ifndef SERVER_CLIENT_H
#define SERVER_CLIENT_H

#include "cxrd/buf.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A server, and what it is believed by. */
struct client_server {
    const char *url; /* of its root; may end with a slash */
    const char *ca;  /* certificates of authorities, PEM, in place of the system's; NULL: the system's */
    /* It is our own, on this machine: its certificate is not checked, as it is for the name that others know it by, and it is
     * shown no key. */
    bool is_ours;
};

/* Send a request, with the key in the environment variable CXRD_KEY where there is one, and append the reply's body to
 * `reply`, whose cap is the largest that is taken.
 *   path  with its query, from the server's root
 *   body  NULL: none
 * Errors: ST_IO (no connection, a certificate that is not believed, or a reply other than 2xx), ST_UNUSABLE (400, 413, 415 or 422:
 * what was sent is refused; the sentence of these two carries the problem's detail), ST_INVALID (an address that is too long), ST_NOMEM. */
MUST_USE enum status client_bytes(const struct client_server *server, const char *method, const char *path,
                                  const char *content_type, const void *body, size_t body_len,
                                  struct buf *reply, struct error *err);

/* The same for a JSON reply, a new reference. */
MUST_USE enum status client_json(const struct client_server *server, const char *method, const char *path,
                                 const char *content_type, const void *body, size_t body_len,
                                 json_t **ret_reply, struct error *err);

/* Append "?age=58" to a path where there is a value; NULL is none.
 *   mark  what stands before it; "&" stands before the next */
void client_parameter(const char *name, const char *value, const char **mark, struct buf *out);

#endif
