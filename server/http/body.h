/* server/http/body.h - a request's body, as it comes. Memory follows the bytes received, never a header. One thread at a
 * time.
 *
 * A large one comes into memory that another process can be given, see cxrd/shared.h: it grows there without being moved, and a picture
 * in it is decoded where it lies. Only so many do at a time, since each takes a descriptor; another is as a small one is. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include "budget.h"

#include "cxrd/buf.h"
#include "cxrd/shared.h"
#include "cxrd/status.h"

/* The most that all bodies may hold together. */
struct body_budget {
    struct budget bytes, shared;
};

struct body {
    size_t max; /* the limit */
    enum status
        status; /* ST_LIMIT, ST_BUSY (as many bytes as all requests may hold), ST_UNSUPPORTED, ST_NOMEM: what comes is dropped */
    bool coded; /* in a way that is not taken, unless nothing comes: that is the same in any coding */
    size_t received;
    size_t held;    /* what of it is counted in the budget */
    size_t dropped; /* bytes that came after it was refused */
    struct body_budget *budget;

    struct buf bytes;     /* of a small one; secret */
    struct shared shared; /* of a large one; closed where it is small */
    void *mapped;         /* that, once it is complete */
};

void body_init(struct body *b, struct body_budget *budget);

/* Take what came, or drop it where the body has a status. False: so much was dropped that the connection has to end. */
bool body_take(struct body *b, const char *data, size_t n);

/* So much of it has come that it is in memory that another process can be given. */
bool body_is_large(const struct body *b);

/* It is complete: it can be looked at, and cannot change. False, and it has the status ST_NOMEM: that failed. */
bool body_complete(struct body *b);
const void *body_bytes(const struct body *b); /* [received]; NULL: it is empty */

void body_release(struct body *b); /* wipes it, or gives its pages back to the kernel; again is fine */

#endif
