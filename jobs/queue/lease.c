/* jobs/queue/lease.c - the thread that renews the lease of the running job, every LEASE_RENEW_S seconds.
 *
 * Invariant: the store alone decides who has a job (jobs/store/leases.c), so a runner that is wrong about it writes nothing.
 * This thread ends work that would be in vain: where the store says that the job is another's, and, in a store that others share, where
 * it has not answered for so long that another may have the job by now. That time is counted from before the request was sent, and is
 * LEASE_TRUST_S, less than the lease has. A crash between two renewals leaves a lease that runs out. */
#include "worker.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <string.h>

/* With the lock held: the work is to end, and nothing of it is written. */
static void lose(struct runner *r, const struct error *why)
{
    atomic_store(&r->stop, STOP_LOST);
    log_error(LOG_WARN, "a job is given up: it is no longer this server's to run", why);
}

/* With the lock held, which it lets go of meanwhile. */
static void renew(struct runner *r)
{
    const struct claim claim = r->running;
    const double begun = clock_seconds();
    enum asked asked = ASKED_NOTHING;
    struct error err = { 0 };
    enum status st;

    pthread_mutex_unlock(&r->lock);
    st = store_job_renew(r->store, &claim, &asked, &err);
    pthread_mutex_lock(&r->lock);
    if (!job_is_running(r, claim.job) || r->running.token != claim.token ||
        atomic_load(&r->stop) == STOP_LOST)
        return;
    if (st == ST_OK) {
        r->trusted_until = begun + LEASE_TRUST_S;
        cancel_asked(r, asked);
    } else if (st == ST_CONFLICT || st == ST_NOTFOUND ||
               (store_is_shared(r->store) && clock_seconds() > r->trusted_until))
        lose(r, &err);
}

static void *lease_main(void *arg)
{
    struct runner *r = arg;

    pthread_mutex_lock(&r->lock);
    while (!r->over) {
        const int64_t token = r->running.token;

        if (!r->running.job[0])
            pthread_cond_wait(&r->begun, &r->lock);
        else if (!condition_wait(&r->begun, &r->lock, clock_seconds() + LEASE_RENEW_S) && r->running.job[0] &&
                 r->running.token == token)
            renew(r);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum status lease_thread_start(struct runner *r, struct error *err)
{
    return thread_start(&r->lease_thread, lease_main, r, "the thread that renews leases", err);
}

void lease_thread_end(struct runner *r)
{
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_broadcast(&r->begun);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->lease_thread, NULL);
}

void running_not_written(struct runner *r, const struct error *why, struct error *err)
{
    if (running_needs(r, why->code) == ST_CONFLICT || why->code == ST_NOTFOUND)
        atomic_store(&r->stop, STOP_LOST);
    storage_error(why->code, why, err);
}

enum status running_needs(struct runner *r, enum status st)
{
    if (st == ST_IO && store_is_shared(r->store)) /* another server may reach the database */
        atomic_store(&r->stop, STOP_LOST);
    return st;
}
