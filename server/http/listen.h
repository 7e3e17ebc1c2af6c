/* server/http/listen.h - the address to listen on, as text, as it was resolved and as a socket. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ADDRESS_SIZE = 80 };

/* A name is resolved once: what was found to be loopback is then what is bound. */
struct listen_address {
    char text[ADDRESS_SIZE]; /* as the operator wrote it */
    struct sockaddr_storage address;
    socklen_t size;
    bool loopback; /* it can be reached from this machine only */
};

/* Whether a text is HOST:PORT or [IPV6]:PORT; nothing is resolved. Errors: ST_INVALID, a sentence that goes on behind the
 * option's name. */
MUST_USE enum status listen_check(const char *text, struct error *err);

/* Resolve such a text; of several addresses the first counts. Errors: ST_INVALID. */
MUST_USE enum status listen_resolve(const char *text, struct listen_address *ret, struct error *err);

/* Bind and listen; port 0 picks one. An address of all interfaces, [::], takes IPv4 as well.
 *   ret_address  the address as bound
 * Errors: ST_IO. */
MUST_USE enum status listen_open(const struct listen_address *at, int *ret_fd, char ret_address[ADDRESS_SIZE],
                                 struct error *err);

#endif
