/* model/core/shared.c - see cxrd/shared.h. */
#include "cxrd/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

bool shared_open(struct shared *ret, const char *name, size_t size)
{
    struct shared s = { memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), size };

    if (s.fd < 0)
        return false;
    if (size > 0 &&
        (ftruncate(s.fd, (off_t)size) != 0 || fcntl(s.fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0)) {
        const int saved = errno;

        shared_close(&s);
        errno = saved;
        return false;
    }
    *ret = s;
    return true;
}

void shared_prepare(const struct shared *s, size_t n, bool (*go_on)(void *arg), void *arg)
{
    enum { STEP = 256 << 10 };

    for (size_t end = n, step; end > 0 && go_on(arg); end -= step) {
        step = (end - 1) % STEP + 1; /* whole ones but for the first */
        if (fallocate(s->fd, 0, (off_t)(end - step), (off_t)step) != 0)
            break; /* then they come when they are written */
    }
}

size_t shared_clear(const struct shared *s, size_t n, bool (*go_on)(void *arg), void *arg)
{
    static const uint8_t ZEROS[64 << 10];
    size_t done = 0;

    while (done < n && go_on(arg)) {
        const size_t left = n - done;
        const ssize_t k = pwrite(s->fd, ZEROS, left < sizeof ZEROS ? left : sizeof ZEROS, (off_t)done);

        if (k < 0 && errno != EINTR)
            break;
        done += k > 0 ? (size_t)k : 0;
    }
    return done;
}

bool shared_append(struct shared *s, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;

    for (size_t done = 0; done < n;) {
        const ssize_t k = pwrite(s->fd, from + done, n - done, (off_t)s->size);

        if (k < 0 && errno != EINTR)
            return false;
        if (k > 0) {
            done += (size_t)k;
            s->size += (size_t)k;
        }
    }
    return true;
}

bool shared_read(const struct shared *s, size_t at, void *ret, size_t n)
{
    uint8_t *to = ret;

    for (size_t done = 0; done < n;) {
        const ssize_t k = pread(s->fd, to + done, n - done, (off_t)(at + done));

        if (k == 0)
            errno = EIO; /* behind its end */
        if (k == 0 || (k < 0 && errno != EINTR))
            return false;
        if (k > 0)
            done += (size_t)k;
    }
    return true;
}

bool shared_seal(const struct shared *s)
{
    return fcntl(s->fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0;
}

void *shared_map(const struct shared *s, size_t n)
{
    void *at = mmap(NULL, n, PROT_READ, MAP_SHARED, s->fd, 0);

    return at == MAP_FAILED ? NULL : at;
}

void shared_close(struct shared *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct shared)SHARED_INIT;
}
