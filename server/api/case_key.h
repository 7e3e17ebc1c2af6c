/* server/api/case_key.h - a caller's own name for whose picture it is, as a number.
 *
 * `case` may be anything that is equal for the pictures of one patient. It may be a patient's id, so it is not kept: it becomes 48
 * bits of an HMAC under this server's key of patients, see cxrd/patients.h. */
#ifndef SERVER_API_CASE_KEY_H
#define SERVER_API_CASE_KEY_H

#include "../http/http.h"
#include "cxrd/patients.h"

enum { CASE_MOST = 128 }; /* bytes */

/* The number, 1 to 2^62, of what a request's `case` says; 0 where it says nothing. Errors: ST_INVALID, ST_NOMEM. */
MUST_USE enum status case_parse(const struct patients_key *key, const struct http_request *req, uint64_t *ret,
                                struct error *err);

#endif
