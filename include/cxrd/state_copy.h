/* include/cxrd/state_copy.h - all that a server knows, its jobs and models with their files, put into another store: of a file of one
 * server into a PostgreSQL database of several, or back.
 *
 * A store is a state folder, or the address of a database as libpq reads it. Neither of the two may be in use: of a folder its lock is taken,
 * a database is locked against all who write to it, for as long as the copy takes. The source is not changed. All or nothing of it is in the
 * target afterwards, however the program ends, and what was copied has been read back and compared by then. A first server on the target goes
 * on with the same ids, epochs, tokens and events; jobs that ran are taken up as after a crash. Not copied: the rows of servers, which come
 * back by themselves, the cache of pictures, the audit log, and patients.key, which is no store's. */
#ifndef CXRD_STATE_COPY_H
#define CXRD_STATE_COPY_H

#include "cxrd/digest.h"

#include <stddef.h>

enum { COPIED_KINDS = 20 }; /* of rows, table by table, and of files */

struct state_copied {
    struct {
        const char *name;
        size_t n;
    } kinds[COPIED_KINDS]; /* the last of them are the files */
    size_t file_bytes;
    char digest[DIGEST_TEXT_SIZE]; /* of all of it, in whatever store it is */
};

/* Errors: ST_INVALID (both are the same place), ST_NOTFOUND (there is no store), ST_CONFLICT (one is in use, or the target is not empty),
 * ST_UNSUPPORTED (it is of another version of cxrd), ST_IO (also: the source is damaged), ST_LIMIT (a file is too large), ST_NOMEM. */
MUST_USE enum status state_copy(const char *from, const char *to, struct state_copied *ret,
                                struct error *err);

#endif
