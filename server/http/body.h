/* server/http/body.h - a request's body, as it comes. Memory follows the bytes received, never a header. One thread at a
 * time. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include "budget.h"

#include "cxrd/buf.h"
#include "cxrd/status.h"

struct body {
    struct buf bytes; /* secret; its `max` is the limit */
    enum status
        status; /* ST_LIMIT, ST_BUSY (as many bytes as all requests may hold), ST_UNSUPPORTED, ST_NOMEM: what comes is dropped */
    bool coded; /* in a way that is not taken, unless nothing comes: that is the same in any coding */
    size_t received;
    size_t held;    /* what of it is counted in the budget */
    size_t dropped; /* bytes that came after it was refused */
    struct budget *budget;
};

void body_init(struct body *b, struct budget *budget);

/* Take what came, or drop it where the body has a status. False: so much was dropped that the connection has to end. */
bool body_take(struct body *b, const char *data, size_t n);

void body_release(struct body *b); /* wipes it; again is fine */

#endif
