/* include/cxrd/state_lock.h - a state folder is one process's at a time. */
#ifndef CXRD_STATE_LOCK_H
#define CXRD_STATE_LOCK_H

#include "cxrd/status.h"

#define STATE_DATABASE "cxrd.db" /* in it, where it is not another database's */

/* Take a folder that is there. The lock goes with the process, however it ends. It is the folder's own: a file that stands for it could be
 * removed, and made anew by a second process.
 *   ret_fd  its end is that of the lock
 * Errors: ST_CONFLICT (another process has it), ST_IO. */
MUST_USE enum status state_lock(const char *folder, int *ret_fd, struct error *err);

#endif
