/* jobs/fetch/unpack_process.h - unpack_run() in a process of its own: libarchive 3.6 ends its process where an allocation of a few bytes
 * fails, and the server has other things to do.
 *
 *   cxrd ------ posix_spawn() -----> cxrd FETCH_UNPACKER
 *
 * It gets the archive, the folder and a socket (SOCK_SEQPACKET), and the order over that; it sends news as it goes on, the last of
 * which says how it ended. It ends with the process that started it. */
#ifndef JOBS_FETCH_UNPACK_PROCESS_H
#define JOBS_FETCH_UNPACK_PROCESS_H

#include "parts.h"

/* As unpack_run(), and: ST_NOMEM where the process ended for want of memory, ST_BUSY where it could not begin or somebody ended it,
 * ST_FORMAT where it ended over the archive. This program is a cxrd. */
MUST_USE enum status unpack_apart(struct unpack *u, struct error *err);

#endif
