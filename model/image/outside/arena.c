/* model/image/outside/arena.c - see arena.h. */
#include "arena.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

bool arena_open(struct arena *a, const char *name, size_t size)
{
    const int fd = descriptor_above(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));

    if (fd < 0)
        return false;
    if (ftruncate(fd, (off_t)size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
        const int saved = errno;

        close(fd);
        errno = saved;
        return false;
    }
    *a = (struct arena){ fd, size };
    return true;
}

bool arena_write(const struct arena *a, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    for (size_t done = 0; done < n;) {
        const ssize_t k = pwrite(a->fd, from + done, n - done, (off_t)done);

        if (k < 0 && errno != EINTR)
            return false;
        if (k > 0)
            done += (size_t)k;
    }
    return true;
}

bool arena_read(const struct arena *a, size_t at, void *ret, size_t n)
{
    uint8_t *to = ret;

    for (size_t done = 0; done < n;) {
        const ssize_t k = pread(a->fd, to + done, n - done, (off_t)(at + done));

        if (k == 0)
            errno = EIO; /* behind its end */
        if (k == 0 || (k < 0 && errno != EINTR))
            return false;
        if (k > 0)
            done += (size_t)k;
    }
    return true;
}

bool arena_clear(const struct arena *a)
{
    int rc;

    do
        rc = fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)a->size);
    while (rc != 0 && errno == EINTR);
    return rc == 0;
}

void arena_close(struct arena *a)
{
    if (a->fd >= 0)
        close(a->fd);
    *a = (struct arena)ARENA_INIT;
}
