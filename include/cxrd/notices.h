/* include/cxrd/notices.h - the thread that tells others what has changed: webhooks, signed as Standard Webhooks has it.
 *
 * A notice is written by the store in the transaction that makes it so; this thread posts it until a receiver
 * says 2xx, each time after twice the pause, through restarts, for about three days. A receiver may get a notice twice,
 * and knows it by its webhook-id. */
#ifndef CXRD_NOTICES_H
#define CXRD_NOTICES_H

#include "cxrd/outgoing.h"
#include "cxrd/store.h"

struct notices;

struct notices_options {
    const char *url;    /* the operator's own receiver, told of every job and every activation; NULL: none */
    const char *secret; /* file of one to four lines "whsec_<base64>"; every notice is signed with each */
    size_t retry_s;     /* the first pause */
};

/* Start the thread.
 *   store, outgoing  borrowed; must outlive it; so must what `options` points to
 * Errors: ST_INVALID (the file holds no secret), ST_NOTFOUND, ST_IO, ST_NOMEM. */
MUST_USE enum status notices_start(const struct notices_options *options, struct store *store,
                                   const struct outgoing *outgoing, struct notices **ret_notices,
                                   struct error *err);

/* Stop it; what is not told yet waits in the store. Before store_close(). NULL is fine. */
void notices_stop(struct notices *n);

#endif
