/* model/image/outside/descriptor.c - see descriptor.h. */
#include "descriptor.h"

#include "cxrd/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int descriptor_above(int fd)
{
    int above, saved;

    if (fd < 0 || fd > DECODE_OUTPUT)
        return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, DECODE_OUTPUT + 1);
    saved = errno;
    close(fd);
    errno = saved;
    return above;
}
