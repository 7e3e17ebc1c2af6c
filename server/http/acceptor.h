/* server/http/acceptor.h - the thread that takes new connections.
 *
 * Ours, and not the network library's: MHD_quiesce_daemon() ends the process when one of the library's threads is
 * quicker than it ("Failed to remove listen FD from epoll set", libmicrohttpd 0.9.75 with a thread pool), so a SIGTERM
 * on a busy machine could become a core dump. And at the limit newcomers wait in the kernel's queue here, instead of
 * being closed. */
#ifndef SERVER_HTTP_ACCEPTOR_H
#define SERVER_HTTP_ACCEPTOR_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <sys/socket.h>

struct acceptor;

struct acceptor_calls {
    bool (*room)(void *arg); /* may one more come in? */
    void (*take)(void *arg, int fd, const struct sockaddr *address, socklen_t address_size); /* owns fd */
    void *arg;
};

/* Start the thread on a listening socket, which is borrowed. Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status acceptor_start(int listen_fd, const struct acceptor_calls *calls,
                                    struct acceptor **ret_acceptor, struct error *err);

/* Take no more: when this returns take() will not be called again. NULL is fine. */
void acceptor_stop(struct acceptor *a);

#endif
