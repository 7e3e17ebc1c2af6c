/* decode/inflate.h - a deflated data set (PS3.5, A.5), into memory that is bounded. */
#ifndef DECODE_INFLATE_H
#define DECODE_INFLATE_H

#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

/* Inflate a stream without a zlib header to *ret [*ret_n], owned by the caller.
 * Errors: ST_FORMAT (broken or cut short), ST_LIMIT (more than `most` bytes), ST_NOMEM. */
MUST_USE enum status inflate_all(const uint8_t *in, size_t n, size_t most, uint8_t **ret, size_t *ret_n,
                                 struct error *err);

#endif
