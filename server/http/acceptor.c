/* server/http/acceptor.c - see acceptor.h. */
#include "acceptor.h"

#include "cxrd/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MAX_LAST = 4096, NAP_MS = 50 }; /* where there is no room, no descriptor or no memory */

struct acceptor {
    struct acceptor_calls calls;
    int listen_fd, stop_fd; /* stop_fd becomes readable when it is time to stop */
    pthread_t thread;
};

/* Wait for a newcomer, or only for time to pass. False: stop. */
static bool wait_for(const struct acceptor *a, bool newcomer)
{
    struct pollfd look[] = { { .fd = a->stop_fd, .events = POLLIN },
                             { .fd = a->listen_fd, .events = POLLIN } };

    poll(look, newcomer ? 2 : 1, newcomer ? -1 : NAP_MS);
    return look[0].revents == 0;
}

static bool take_one(const struct acceptor *a)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    const int fd = accept4(a->listen_fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0)
        a->calls.take(a->calls.arg, fd, (const struct sockaddr *)&address, size);
    return fd >= 0;
}

static void *acceptor_main(void *arg)
{
    const struct acceptor *a = arg;
    bool nap = false;

    while (wait_for(a, !nap)) {
        nap = !a->calls.room(a->calls.arg);
        if (!nap && !take_one(a))
            nap = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    }
    for (int i = 0; i < MAX_LAST && a->calls.room(a->calls.arg) && take_one(a); i++)
        ; /* who has come already is told that we stop, and not just cut off */
    return NULL;
}

enum status acceptor_start(int listen_fd, const struct acceptor_calls *calls, struct acceptor **ret_acceptor,
                           struct error *err)
{
    struct acceptor *a = calloc(1, sizeof *a);
    enum status st;

    if (!a)
        return error_nomem(err);
    a->calls = *calls;
    a->listen_fd = listen_fd;
    a->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->stop_fd < 0) {
        free(a);
        return error_errno(err, ST_IO, "cannot make an event descriptor");
    }
    st = thread_start(&a->thread, acceptor_main, a, "the thread that takes connections", err);
    if (st != ST_OK) {
        close(a->stop_fd);
        free(a);
        return st;
    }
    *ret_acceptor = a;
    return ST_OK;
}

void acceptor_stop(struct acceptor *a)
{
    if (!a)
        return;
    eventfd_write(a->stop_fd, 1);
    pthread_join(a->thread, NULL);
    close(a->stop_fd);
    free(a);
}
