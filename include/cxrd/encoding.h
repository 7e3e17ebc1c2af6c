/* include/cxrd/encoding.h - bytes as text: hexadecimal, and base64 (RFC 4648 section 4, by libcrypto). */
#ifndef CXRD_ENCODING_H
#define CXRD_ENCODING_H

#include "cxrd/buf.h"

/* Append `n` bytes as base64, padded. Failure is the buffer's, see buf_status(). */
void base64_put(struct buf *out, const void *bytes, size_t n);

/* The bytes of a base64 text, at most `max` bytes, its length a multiple of four.
 * Errors: ST_FORMAT (it is not base64), ST_LIMIT (it is longer). */
MUST_USE enum status base64_decode(const char *text, void *ret, size_t max, size_t *ret_n);

/* Two lower-case digits for each of `n` bytes, and a NUL: 2 n + 1 characters. Needs no memory. */
void hex_encode(const void *bytes, size_t n, char *text);

int hex_value(char digit); /* 0..15, of either case; -1: not a digit */

#endif
