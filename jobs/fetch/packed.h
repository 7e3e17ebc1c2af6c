/* jobs/fetch/packed.h - the only libarchive, and what it reads an archive's file through. */
#ifndef JOBS_FETCH_PACKED_H
#define JOBS_FETCH_PACKED_H

#include "parts.h"

#include <archive.h>
#include <archive_entry.h>

#define TOO_MANY_ENTRIES "%s holds more entries than are left of --data-files"

/* The archive's file while libarchive reads it: u->archive, from where it stands. */
struct packed {
    struct unpack *u;
    enum status st;    /* why reading ended, where libarchive does not know it */
    struct error *err; /* and what it says */
    uint64_t bytes;    /* read since packed_next() */
    uint64_t entries;  /* of a zip's directory, read before there was one */
    bool is_sought;    /* somebody has looked elsewhere than at what comes next */
    char block[64 * 1024];
};

/* False: archive_error_string() says why, or p->st is set. `p` must outlive `a`. */
bool packed_open(struct packed *p, struct archive *a);
void packed_next(struct packed *p); /* before a call that reads: it may read so much and no more */

#endif
