/* include/cxrd/digest.h - SHA-256 (FIPS 180-4, by libcrypto) as the 64 hexadecimal digits that records carry. */
#ifndef CXRD_DIGEST_H
#define CXRD_DIGEST_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_SIZE 65

struct digest; /* a running hash; one thread at a time */

MUST_USE enum status digest_new(struct digest **ret_digest); /* ST_NOMEM */
void digest_add(struct digest *d, const void *bytes, size_t n);
void digest_finish(struct digest *d, char text[DIGEST_TEXT_SIZE]); /* frees `d` */
void digest_free(struct digest *d);                                /* NULL is fine */

/* The digest of `n` bytes in one call. ST_NOMEM. */
MUST_USE enum status digest_bytes(const void *bytes, size_t n, char text[DIGEST_TEXT_SIZE]);

/* Whether two digests are the same, without stopping at the first difference, which would tell how much of a secret's was
 * guessed. */
bool digest_equal(const char a[DIGEST_TEXT_SIZE], const char b[DIGEST_TEXT_SIZE]);

#endif
