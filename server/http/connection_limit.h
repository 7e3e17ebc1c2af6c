/* server/http/connection_limit.h - how many connections there are, where they come from, and which of them gives way when there
 * are too many.
 *
 * A connection that waits for a request may have to go: one between two requests, or whose head has not come whole. Of the source
 * that has most connections, the one that has waited longest goes. So a stranger's crowd gives way to itself and not to others, and
 * a newcomer that asks at once has its answer before its turn to go comes. A connection with a request at work never goes.
 *
 * A source is an IPv4 address, or the first half of an IPv6 address: a host can have all that begin with it. All calls
 * cost the same, however many connections there are. No locks: one thread at a time. */
#ifndef SERVER_HTTP_CONNECTION_LIMIT_H
#define SERVER_HTTP_CONNECTION_LIMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct connection_limit;
struct source;

/* A connection as it is counted here: a member of the caller's struct for it. */
struct counted {
    struct source *source;
    struct counted *next,
        *before; /* those of its source that wait: the one that came later, the one that came earlier */
    enum { CONNECTION_WAITS, CONNECTION_WORKS, CONNECTION_GOES } state;
};

struct connection_limit *connection_limit_new(size_t most); /* NULL: no memory */
void connection_limit_free(struct connection_limit *l);     /* once all have left; NULL is fine */

/* A connection has come; it waits. False: no memory. */
bool connection_limit_enter(struct connection_limit *l, struct counted *c, const struct sockaddr *from);
void connection_limit_leave(struct connection_limit *l, struct counted *c);

/* A request of it is at work, also of one that goes: it asked before it was told, and is counted again until it has its
 * reply. */
void connection_limit_work(struct connection_limit *l, struct counted *c);

/* It waits for the next request. One that goes still does. */
void connection_limit_wait(struct connection_limit *l, struct counted *c);

/* The one whose turn it is to go: it is no longer counted. NULL: none waits. */
struct counted *connection_limit_give_way(struct connection_limit *l);

/* The same among those of one source. */
struct counted *connection_limit_give_way_of(struct connection_limit *l, struct source *source);

size_t connection_limit_taken(const struct connection_limit *l);   /* by those that do not go */
size_t connection_limit_working(const struct connection_limit *l); /* requests */
size_t connection_limit_working_of(const struct counted *c);       /* of its source */
size_t connection_limit_taken_of(const struct counted *c);

#endif
