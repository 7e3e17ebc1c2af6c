/* include/cxrd/json.h - JSON where memory may run out.
 *
 * jansson, out of memory, drops bytes of a text or members of an object and says nothing, or calls the text malformed. So
 * its allocations are watched: what was read or built while one failed is not believed. */
#ifndef CXRD_JSON_H
#define CXRD_JSON_H

#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Parse a text; `flags` and *ret_why are jansson's, ret_why may be NULL.
 *   ret  a new reference
 * Errors: ST_FORMAT (*ret_why says what), ST_NOMEM; *ret is untouched then. */
MUST_USE enum status json_read(const void *text, size_t n, size_t flags, json_t **ret, json_error_t *ret_why);

/* A value as text, for free(); NULL without memory, and never less than the whole. */
MUST_USE char *json_text(const json_t *value, size_t flags);

/* A string of whatever a stranger sent: where it is no UTF-8, which JSON could not hold, it is cut at 1,023 bytes, and '?'
 * stands for those beyond ASCII. NULL without memory. */
json_t *json_any_text(const char *text);

/* Between these two this thread built something: did it lack memory meanwhile? */
void json_watch(void);
MUST_USE bool json_ran_out(void);

/* The value being built lacks a part, for whatever reason: treated as lack of memory. */
void json_lack(void);

/* The value built since json_watch() as text, for free(); NULL if memory was lacking on the way, or `value` is NULL. */
MUST_USE char *json_built(const json_t *value, size_t flags);

#endif
