/* server/api/archive.h - where results go that nobody waits for: to the operator's archive, or into memory until they are fetched. */
#ifndef SERVER_API_ARCHIVE_H
#define SERVER_API_ARCHIVE_H

#include "cxrd/image.h"
#include "cxrd/outgoing.h"
#include "kept.h"

struct archive;

/*   outgoing       borrowed; its results_url is `url`
 *   url            of the archive's DICOMweb service, "/studies" comes behind it; NULL: results are kept to be fetched. Borrowed
 *   authorization  a file whose first line is what Authorization says to it; NULL: nothing is said
 * Errors: ST_INVALID, ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status archive_open(const struct outgoing *outgoing, const char *url, const char *authorization,
                                  struct archive **ret_archive, struct error *err);
void archive_close(struct archive *a); /* NULL is fine */

/* Whether results wait here to be fetched. */
bool archive_keeps(const struct archive *a);

/* Hand over the result about a picture; after ST_OK it is the archive's, or can be fetched. Takes as long as the archive does, up to
 * ARCHIVE_SECONDS. Any thread.
 *   who     the key that may fetch it
 *   result  taken over
 * Errors: ST_BUSY (it could not be delivered now), ST_UNUSABLE (the archive does not want it), ST_LIMIT, ST_NOMEM. */
enum { ARCHIVE_SECONDS = 20 };
MUST_USE enum status archive_deliver(struct archive *a, const char *who, const struct image_source *picture,
                                     struct buf *result, struct error *err);

/* Append the results about a study that `who` may have, as a body of RELATED_TYPE. Errors: ST_NOTFOUND, and those of `out`. */
MUST_USE enum status archive_fetch(struct archive *a, const char *who, const char *study, struct buf *out,
                                   struct error *err);

#endif
