/* tests/support/pieces.h - bytes that come on a connection in pieces, as a source for wire_recv(). */
#ifndef TESTS_PIECES_H
#define TESTS_PIECES_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/types.h>

/* `n` bytes at `at`, in pieces of at most `piece`, and every second time there is nothing at the moment. */
struct pieces {
    const char *at;
    size_t n, piece;
    bool came; /* a piece, the last time */
};

/* As recv(), of a struct pieces. */
static inline ssize_t pieces_read(void *arg, void *ret, size_t n)
{
    struct pieces *p = arg;
    size_t m = p->n < p->piece ? p->n : p->piece;

    p->came = !p->came;
    if (p->n > 0 && !p->came) {
        errno = EAGAIN;
        return -1;
    }
    m = m < n ? m : n;
    memcpy(ret, p->at, m);
    p->at += m;
    p->n -= m;
    return (ssize_t)m;
}

#endif
