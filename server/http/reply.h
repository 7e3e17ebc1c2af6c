/* server/http/reply.h - a reply: what it holds until the request ends, and what of it the network library is given. */
#ifndef SERVER_HTTP_REPLY_H
#define SERVER_HTTP_REPLY_H

#include "budget.h"
#include "files.h"
#include "http.h"
#include "sse.h"

struct MHD_Response;

struct reply {
    struct http_response res;  /* as the handler fills it */
    struct sse_reader *reader; /* of a reply that goes on */
    struct sent_file *file;    /* that is the reply */
    size_t held;               /* what of it is counted in the budget */
    struct budget *budget;
};

void reply_init(struct reply *r, struct budget *budget);

/* The handler has filled r->res: count what it holds until the request ends.
 *   files      that are being sent
 *   withhold   there is no harm in refusing it now
 * Errors: ST_BUSY, there is no room for it; r->res then holds nothing. In the handler's thread. */
MUST_USE enum status reply_hold(struct reply *r, struct files *files, bool withhold, struct error *err);

/* The reply as the library sends it, without headers; the content of r->res is taken over. NULL: no memory. */
struct MHD_Response *reply_make(struct reply *r);

/* How long a client may take to read it, beside what any reply may take; INFINITY for one that goes on. Before
 * reply_make(). */
double reply_seconds(const struct reply *r);

void reply_drop(struct reply *r);    /* what r->res holds; again is fine */
void reply_release(struct reply *r); /* and the rest */

#endif
