/* jobs/queue/state_lock.c - see cxrd/state_lock.h. */
#include "cxrd/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum status state_lock(const char *folder, int *ret_fd, struct error *err)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum status st;

    if (fd < 0)
        return error_errno(err, ST_IO, "cannot open the state folder '%s'", folder);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        st = errno == EWOULDBLOCK
                 ? error_set(err, ST_CONFLICT, "another server is using the state folder '%s'", folder)
                 : error_errno(err, ST_IO, "cannot lock the state folder '%s'", folder);
        close(fd);
        return st;
    }
    *ret_fd = fd;
    return ST_OK;
}
