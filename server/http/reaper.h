/* server/http/reaper.h - connections: how long they may stay, and which go when there are too many.
 *
 * libmicrohttpd's timeout starts again with every byte, so a client that sends one a second stays for ever. Here every
 * connection has a moment at which it is over, whatever came in the meantime: then its socket is shut down, which the
 * library sees as the end of the connection. Where a head is waited for and has come, but no network thread had the time to
 * read it, the connection stays until one has: the time that is limited is the client's. Some connections are kept free of work, so
 * that a client can always come in, be told that the server is busy, or have a probe answered.
 *
 * When there are too many, some of those that wait for a request are told to go, see connection_limit.h: their sockets are shut
 * down for reading only. Bytes that have come are still read and answered, then the library sees the end. So a client that has asked
 * has its reply, however late the network threads look at its connection. */
#ifndef SERVER_HTTP_REAPER_H
#define SERVER_HTTP_REAPER_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct reaper;
struct peer; /* a connection */

/* Start the thread.
 *   most         connections at a time, 8 at least
 *   of_a_source  of them, and requests at work, from one address (a few more may wait); 0: seven eighths
 * Errors: ST_NOMEM, ST_IO (no more threads). */
MUST_USE enum status reaper_start(size_t most, size_t of_a_source, struct reaper **ret_reaper,
                                  struct error *err);
void reaper_stop(struct reaper *r); /* once the library has stopped; NULL is fine */

/* How many requests may be at work at a time, of `most` connections. */
size_t reaper_room(size_t most);

/* Whether one more connection may come. Where places are short, one that waits is told to go. */
bool reaper_make_room(struct reaper *r);

/* One was taken, and is on its way to reaper_add(). It counts already, and its turn to go is that of those that came when
 * it did, whichever network thread is slower than the others. False: no memory. */
MUST_USE bool reaper_expect(struct reaper *r, int fd, const struct sockaddr *from);

/* It has arrived: its socket is watched until reaper_remove(), which must come before the descriptor is closed. NULL: it
 * is not expected any more.
 *   seconds  from now, that its first head may take */
struct peer *reaper_add(struct reaper *r, int fd, double seconds);

/* A request has begun, which may take so long. p may be NULL. */
void reaper_begin(struct reaper *r, struct peer *p, double seconds);

/* A new deadline; INFINITY: none. p may be NULL. */
void reaper_set(struct reaper *r, struct peer *p, double seconds);
void reaper_remove(struct reaper *r, struct peer *p); /* p may be NULL */

/* A request is to be worked on. False: it must be refused; *ret_why, a sentence. p may be NULL. */
bool reaper_work(struct reaper *r, struct peer *p, const char **ret_why);

/* Its reply is out: it waits for the next request, for so long. p may be NULL. */
void reaper_wait(struct reaper *r, struct peer *p, double seconds);

/* Whether the client has closed its side: nobody will read a reply. */
bool reaper_lost(struct reaper *r, const struct peer *p); /* p may be NULL */

struct reaper_counts {
    size_t connections, cut,
        displaced; /* open now; since the start: shut down at their deadline, for others */
};
struct reaper_counts reaper_counts(struct reaper *r);

#endif
