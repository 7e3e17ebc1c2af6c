/* server/http/intake.h - which descriptors are connections of ours, and what has come on each, see wire.h. */
#ifndef SERVER_HTTP_INTAKE_H
#define SERVER_HTTP_INTAKE_H

#include "wire.h"

enum { INTAKE_DESCRIPTORS = 1 << 16 }; /* a connection's descriptor is below it */

/* A connection begins: from here on the library sees of it only what wire_recv() hands on. False: there is no memory,
 * and of this connection it will see nothing at all. In the network thread that owns the connection, as all of these.
 *   tls  what comes is deciphered first, so that it is not the descriptor's own bytes that are read */
bool intake_open(int fd, bool tls);
void intake_close(int fd); /* before the descriptor is closed */

/* A request of it is at work, or no longer: meanwhile the library is told of bytes, but not of the end, of which it would
 * take leave without the reply. It hears of the end when it asks the next time. */
void intake_work(int fd, bool at_work);

/* libmicrohttpd's recv() and gnutls_record_recv() end up here, see recv.c. False: the descriptor is not ours, or
 * is read in the other way; nothing was done. */
bool intake_recv(int fd, bool tls, const struct wire_source *from, void *ret, size_t n, ssize_t *ret_got);

#endif
