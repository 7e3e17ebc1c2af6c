/* server/commands/ranks_mpi.h - ranks that mpirun, or whatever speaks for it, has started: the form of cxrd/ranks.h that goes by MPI. */
#ifndef SERVER_COMMANDS_RANKS_MPI_H
#define SERVER_COMMANDS_RANKS_MPI_H

#include "cxrd/ranks.h"

/* Open it; once in a process. Its thread alone may use the ranks.
 *   ended       whether this process was told to end: it does not wait then for ranks that do not come
 *   wait        see ranks_new()
 *   ret_ranks   NULL: this process was started alone
 * Errors: those of ranks_new(). */
MUST_USE enum status ranks_mpi_open(bool (*ended)(void), double wait, struct ranks **ret_ranks,
                                    struct error *err);

/* Let go of it. Where a rank is lost all of them are ended: by rank 0, if it is there, which may have something to write first. Does not
 * return then.
 *   status  what the process ends with */
void ranks_mpi_close(struct ranks *ranks, int status);

#endif
