/* server/api/case_key.h - a caller's own name for whose picture it is, as a number.
 *
 * `case` may be anything that is equal for the pictures of one patient. It may be a patient's id, so nothing of it is kept: it
 * becomes 48 bits of a keyed hash, and the key is made at the start and dies with the process. So pictures of a patient before and
 * after a restart count as those of two. */
#ifndef SERVER_API_CASE_KEY_H
#define SERVER_API_CASE_KEY_H

#include "../http/http.h"

struct case_key {
    unsigned char secret[32];
};

/* Errors: ST_IO. */
MUST_USE enum status case_key_make(struct case_key *ret, struct error *err);

enum { CASE_MOST = 128 }; /* bytes */

/* The number, 1 to 2^62, of what a request's `case` says; 0 where it says nothing. Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status case_parse(const struct case_key *key, const struct http_request *req, uint64_t *ret,
                                struct error *err);

#endif
