/* jobs/registry/follower.h - the thread that keeps a server in step with the others of a shared store: it holds the lease by which the
 * server may answer, and follows the active model. */
#ifndef JOBS_REGISTRY_FOLLOWER_H
#define JOBS_REGISTRY_FOLLOWER_H

#include "cxrd/store_replicas.h"

struct follower;

/* The registry as the thread sees it, with `arg`; called there, but for the first turn. */
struct follower_options {
    struct store *store;
    int64_t (*epoch)(void *arg, char fault[sizeof((struct error *)0)->text]); /* by which it answers now */

    /* Answer by that one from now on, or by none where its model cannot be used. Errors: ST_IO, ST_NOMEM, ST_BUSY: later. */
    enum status (*follow)(void *arg, const struct epoch *e, struct error *err);
    void (*trust)(void *arg, double until); /* it may answer until then, as clock_seconds() counts */
    void *arg;
};

/* Join the others: when this returns, the server has a lease. Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status follower_start(const struct follower_options *options, struct follower **ret,
                                    struct error *err);
void follower_stop(struct follower *f); /* leave them; NULL is fine */

void follower_called(struct follower *f, const char *address); /* where it listens */

/* Changes that others make of a kind are taken up so, once soon and then after each change, in a thread of the follower's that does not hold its lease up; where that fails, again a
 * little later. NULL: no longer; it is not being called when this returns. */
void follower_watch(struct follower *f, enum shared_kind kind, take_up_fn *take_up, void *arg);

/* Wait until neither this server nor another that has a lease answers by an epoch before that one; a lease ends, so this does. The epoch may
 * have been made by another server, whose reply this one repeats.
 * Errors: ST_BUSY (the sentence names those that do not). */
MUST_USE enum status follower_await(struct follower *f, int64_t epoch, struct error *err);

#endif
