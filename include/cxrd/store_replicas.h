/* include/cxrd/store_replicas.h - the servers that share a store, and which epoch of the active model each of them answers by.
 *
 * A server answers predictions while it has a lease: REPLICA_LEASE_S seconds by the database's clock from its last renewal, which is
 * made only by one that answers by the newest epoch. So once every server with a lease has renewed it by an epoch, nobody answers by
 * an older one, nor will: a server that lost its lease has to read the newest epoch first. */
#ifndef CXRD_STORE_REPLICAS_H
#define CXRD_STORE_REPLICAS_H

#include "cxrd/store.h"

enum { REPLICA_LEASE_S = 10, REPLICA_RENEW_S = 3 };

/* A server as it tells of itself; texts may be NULL where there is nothing to say. */
struct replica {
    const char *host, *address, *build;
    const char *fault; /* why it has no model that answers */
    int64_t epoch;     /* by which it answers */
};

/* Renew the lease of this server, which begins so too.
 *   ret_newest  the newest epoch
 *   ret_leads   of those that have a lease it is the one that does what one is to do for all
 * Errors: ST_CONFLICT (`r->epoch` is not the newest: the lease stays as it is), ST_IO. */
MUST_USE enum status store_replica_renew(struct store *s, const struct replica *r, struct epoch *ret_newest,
                                         bool *ret_leads, struct error *err);

/* It ends now. Errors: ST_IO. */
MUST_USE enum status store_replica_leave(struct store *s, struct error *err);

/* The other servers that have a lease and answer by an epoch before that one: their hosts, with commas between them; "": none.
 * Errors: ST_IO. */
enum { REPLICA_NAMES = 160 };
MUST_USE enum status store_replicas_behind(struct store *s, int64_t epoch, char ret[REPLICA_NAMES],
                                           struct error *err);

/* All of them, an array, a new reference: {"id","host","address","build","begun_at","ready","lease_s","epoch","fault","self"}.
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_replicas(struct store *s, json_t **ret, struct error *err);

/* ---- what one server changes and the others take up ----
 *
 * Each kind has a generation, a number that grows in the transaction of each change. A server that reads the number first and then takes
 * the kind up misses no change, if it does so whenever the number is another. */
enum shared_kind {
    SHARED_MODELS, /* that were deleted */
    SHARED_THRESHOLDS,
    SHARED_PROFILES,
    SHARED_CANARY,
    SHARED_SHADOW,
    N_SHARED
};

/* Take up what others have changed. Errors: ST_IO, ST_NOMEM, ST_BUSY: it may be possible in a moment. */
typedef enum status take_up_fn(void *arg, struct error *err);

/* All of them; 0: nothing was ever changed. Errors: ST_IO. */
MUST_USE enum status store_generations(struct store *s, int64_t ret[N_SHARED], struct error *err);

/* ---- being woken: by a change that others may wait for ----
 *
 * A lost message costs time, no more: a listener looks every few seconds anyway. One thread's. */
struct store_listener;

/* Errors: ST_IO, ST_NOMEM, ST_UNSUPPORTED (the store is not shared). */
MUST_USE enum status store_listen(const struct store *s, struct store_listener **ret, struct error *err);
void store_listener_close(struct store_listener *l); /* NULL is fine */
int store_listener_socket(
    struct store_listener *l);                      /* readable: somebody has said something, or it is lost */
bool store_listener_hear(struct store_listener *l); /* take it; false: it is lost, open another one */

/* Something was heard, or may have been missed: those who look at journals and notices look again. */
void store_heard(struct store *s);

#endif
