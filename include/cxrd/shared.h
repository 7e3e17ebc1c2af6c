/* include/cxrd/shared.h - memory that another process gets as it is: a file that has no name (memfd_create(2)).
 *
 * It is filled by this process or by the other one, never by both, and sealed when it is full: from then on its size and its bytes
 * are fixed, and it can be mapped without fear that they change or go away while they are looked at. Memory behind the last
 * byte that was written is zero and takes no memory. When it is closed and unmapped everywhere, the kernel has its pages back. */
#ifndef CXRD_SHARED_H
#define CXRD_SHARED_H

#include <stdbool.h>
#include <stddef.h>

struct shared {
    int fd; /* -1: closed */
    size_t size;
};
#define SHARED_INIT \
    {               \
        -1, 0       \
    }

/* One of `size` zero bytes, which whoever else has it cannot make any other; 0: it grows with what is appended. False: errno says why,
 * as for all that follow. */
bool shared_open(struct shared *ret, const char *name, size_t size);
/* Take the memory of the first `n` bytes, of which it has so many, while another process begins to write them: the last ones first, so
 * that both meet somewhere and that one finds half of it there already. They stay zero until they are written.
 *   go_on  asked again and again: whether that makes sense any more */
void shared_prepare(const struct shared *s, size_t n, bool (*go_on)(void *arg), void *arg);

/* Write zeros into the first `n` bytes, before another process has it: that one finds their memory there, and zero. Where memory runs out
 * it is there in part.
 *   go_on  as above
 * Returns how many bytes of it are there. */
size_t shared_clear(const struct shared *s, size_t n, bool (*go_on)(void *arg), void *arg);

bool shared_append(struct shared *s, const void *bytes, size_t n);
bool shared_read(const struct shared *s, size_t at, void *ret, size_t n);

/* From now on only a mapping for writing that exists already can change it. */
bool shared_seal(const struct shared *s);

/* Map the first `n` bytes of one that is sealed, for reading; munmap() ends that, shared_close() does not. NULL: it failed. */
void *shared_map(const struct shared *s, size_t n);

void shared_close(struct shared *s); /* safe on SHARED_INIT and twice */

#endif
