/* server/http/listen.h - the address to listen on, as text and as a socket. */
#ifndef SERVER_HTTP_LISTEN_H
#define SERVER_HTTP_LISTEN_H

#include "cxrd/status.h"

#include <stddef.h>

enum { ADDRESS_SIZE = 80 };

/* Bind and listen on "host:port" or "[v6]:port"; port 0 picks one.
 *   ret_address  the address as bound
 * Errors: ST_INVALID (not an address), ST_IO. */
MUST_USE enum status listen_open(const char *listen, int *ret_fd, char ret_address[ADDRESS_SIZE],
                                 struct error *err);

#endif
