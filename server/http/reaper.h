/* server/http/reaper.h - absolute deadlines for connections.
 *
 * libmicrohttpd's timeout starts again with every byte, so a client that sends one a second stays for ever. Here every
 * connection has a moment at which it is over, whatever came in the meantime: then its socket is shut down, which the
 * library sees as the end of the connection. */
#ifndef SERVER_HTTP_REAPER_H
#define SERVER_HTTP_REAPER_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct reaper;
struct peer; /* a connection */

/* Start the thread. Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status reaper_start(struct reaper **ret_reaper, struct error *err);
void reaper_stop(struct reaper *r); /* once all peers have been removed; NULL is fine */

/* Watch a socket, until reaper_remove(), which must come before the descriptor is closed. NULL: no memory.
 *   seconds  from now; INFINITY: for ever */
struct peer *reaper_add(struct reaper *r, int fd, double seconds);
void reaper_set(struct reaper *r, struct peer *p, double seconds); /* a new deadline; p may be NULL */
void reaper_remove(struct reaper *r, struct peer *p);              /* p may be NULL */

/* Whether the client has closed its side: nobody will read a reply. */
bool peer_gone(const struct peer *p); /* p may be NULL */

struct reaper_counts {
    size_t connections, cut; /* open now; shut down since the start */
};
struct reaper_counts reaper_counts(struct reaper *r);

#endif
