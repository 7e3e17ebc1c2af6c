/* server/http/places.h - the places that there are for connections: from where those come that have one, and which of
 * them gives way when places are short.
 *
 * That is one that waits for a request: between two of them, or its head has not come whole. Of the source that has most
 * connections it is the one that has waited longest. So a stranger's crowd gives way to itself and not to others, and a
 * newcomer that asks at once has its answer before its turn to go comes. What is at work is never asked to.
 *
 * A source is an IPv4 address, or the first half of an IPv6 address: a host can have all that begin with it. All calls
 * cost the same, however many places there are. No locks: one thread at a time. */
#ifndef SERVER_HTTP_PLACES_H
#define SERVER_HTTP_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct places;
struct source;

/* Of a connection; a member of what is known of it. */
struct place {
    struct source *source;
    struct place *next,
        *before; /* those of its source that wait: the one that came later, the one that came earlier */
    enum { PLACE_WAITS, PLACE_WORKS, PLACE_GOES } state;
};

struct places *places_new(size_t most); /* NULL: no memory */
void places_free(struct places *p);     /* once all have left; NULL is fine */

/* A connection comes; it waits. False: no memory. */
bool places_enter(struct places *p, struct place *place, const struct sockaddr *from);
void places_leave(struct places *p, struct place *place);

/* A request of it is at work, also of one that goes: it asked before it was told, and is counted again until it has its
 * reply. */
void places_work(struct places *p, struct place *place);

/* It waits for the next request. One that goes still does. */
void places_wait(struct places *p, struct place *place);

/* Whose turn it is to go: it is no longer counted. NULL: nobody waits. */
struct place *places_give_way(struct places *p);

/* The same among those of one source. */
struct place *places_give_way_of(struct places *p, struct source *source);

size_t places_taken(const struct places *p);         /* by those that do not go */
size_t places_working(const struct places *p);       /* requests */
size_t places_working_of(const struct place *place); /* of its source */
size_t places_taken_of(const struct place *place);

#endif
