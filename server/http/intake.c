/* server/http/intake.c - see intake.h. */
#include "intake.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

struct intake {
    struct wire wire;
    bool tls;
    bool at_work; /* a request is: the end is not told */
};

/* Where there was no memory for one. */
static struct intake SHUT_PLAIN = { .tls = false }, SHUT_TLS = { .tls = true };

/* By descriptor; NULL: none of ours. A descriptor has one owner at a time, which alone writes its place; others only
 * look whether it is theirs. */
static _Atomic(struct intake *) INTAKES[INTAKE_DESCRIPTORS];

static bool is_shut(const struct intake *i) { return i == &SHUT_PLAIN || i == &SHUT_TLS; }

bool intake_open(int fd, bool tls)
{
    struct intake *i = malloc(sizeof *i);

    if (i) {
        *i = (struct intake){ .tls = tls };
        wire_init(&i->wire);
    }
    atomic_store(&INTAKES[fd], i ? i : tls ? &SHUT_TLS : &SHUT_PLAIN);
    return i;
}

void intake_close(int fd)
{
    struct intake *i = atomic_exchange(&INTAKES[fd], NULL);

    if (!i || is_shut(i))
        return;
    wire_release(&i->wire);
    free(i);
}

void intake_work(int fd, bool at_work)
{
    struct intake *i = atomic_load(&INTAKES[fd]);

    if (i && !is_shut(i))
        i->at_work = at_work;
}

bool intake_recv(int fd, bool tls, const struct wire_source *from, void *ret, size_t n, ssize_t *ret_got)
{
    struct intake *i = fd >= 0 && fd < INTAKE_DESCRIPTORS ? atomic_load(&INTAKES[fd]) : NULL;

    if (!i || i->tls != tls)
        return false;
    if (is_shut(i)) {
        *ret_got = 0;
        return true;
    }
    *ret_got = wire_recv(&i->wire, from, ret, n);
    if (*ret_got == 0 && i->at_work) {
        errno = EAGAIN;
        *ret_got = -1;
    }
    if (i->wire.ended && *ret_got != 0)
        /* The library would wait for the kernel to tell of more, which it has done for the last time. Now it tells
         * once again, so that the library asks once again and hears of the end. */
        shutdown(fd, SHUT_RD);
    return true;
}
