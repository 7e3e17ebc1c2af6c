/* server/api/kept.h - results that wait to be fetched. In memory only, since they name patients: overwritten when they go, gone with
 * the process. Any thread may call. */
#ifndef SERVER_API_KEPT_H
#define SERVER_API_KEPT_H

#include "cxrd/buf.h"

struct kept;

/*   max_bytes  of all results; the oldest go first
 *   seconds    that each is kept
 * Errors: ST_NOMEM. */
MUST_USE enum status kept_new(size_t max_bytes, double seconds, struct kept **ret_kept);
void kept_free(struct kept *k); /* NULL is fine */

/* Keep the result about a picture, in place of an earlier one about the same.
 *   who      the key that it is for: no other is given it
 *   study, picture  UIDs
 *   result   taken over; empty afterwards, also on failure
 * Errors: ST_LIMIT (it is larger than all may be), ST_NOMEM. */
MUST_USE enum status kept_add(struct kept *k, const char *who, const char *study, const char *picture,
                              struct buf *result);

/* Append all results about a study, the oldest first, as parts of a multipart body with its end. Errors: ST_NOTFOUND (there is
 * none), and those of `out`. */
MUST_USE enum status kept_write(struct kept *k, const char *who, const char *study, struct buf *out);

/* Of a body that holds DICOM files. Nothing in what we write can hold a line that begins with two dashes: no value has a line
 * end. */
#define RELATED_BOUNDARY "cxrd-2b1c7f5a9d3e4a60"
#define RELATED_TYPE     "multipart/related; type=\"application/dicom\"; boundary=" RELATED_BOUNDARY
void related_part(struct buf *out, const void *file, size_t n);
void related_end(struct buf *out);

#endif
