/* jobs/registry/follower.c - see follower.h.
 *
 * Invariants: `trust` is given only after a renewal that the store has accepted, which it does of the newest epoch alone, and for a time
 * that is counted from before the request and is TRUST_S, less than the lease has. So a server that is paused or cut off stops answering
 * before the others stop waiting for it. A smaller epoch than one that was seen means that the store has lost what was acknowledged:
 * nothing is answered until it has grown past that. A crash leaves a lease that runs out. */
#include "follower.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"
#include "cxrd/version.h"

#include <limits.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    LOOK_S = 2, /* at least so often, as a word may be lost */
    TRUST_S = REPLICA_LEASE_S - 1,
    AWAIT_S = REPLICA_LEASE_S + 5,
};

/* A function that takes up a kind of change; `seen`: the generation that was taken up last, -1: none. */
struct watch {
    take_up_fn *take_up;
    void *arg;
    int64_t seen;
};

struct follower {
    struct follower_options options;
    char host[HOST_NAME_MAX + 1];
    pthread_t thread,
        taker; /* taker: it takes up changes, which may be slow, after good turns of the thread */
    int wake;  /* an eventfd: turn round now */
    atomic_bool over, called;        /* called: there is a new address to tell */
    struct store_listener *listener; /* its thread's; NULL: none now */
    double due;                      /* its thread's: when the lease is to be renewed */
    int64_t said;                    /* its thread's: the epoch of the last renewal; -1: none yet */
    bool reached;                    /* its thread's: the store answered in the last turn */
    bool failed, taking_failed;      /* of a thread each: it did the last time, which was told */
    pthread_mutex_t
        watching; /* guards `watches`; held while one is called, taken before any lock of theirs */
    struct watch watches[N_SHARED];
    pthread_mutex_t lock; /* guards `address`, `turns` and `good_turns` */
    pthread_cond_t turned;
    char address[80];
    uint64_t turns, good_turns; /* good: the server was in step after it */
};

static void wake(struct follower *f)
{
    const uint64_t one = 1;

    while (write(f->wake, &one, sizeof one) < 0)
        ; /* it was interrupted: an eventfd is never so full */
}

/* ---- a turn ---- */

static int64_t answers_by(const struct follower *f)
{
    char fault[sizeof((struct error *)0)->text];

    return f->options.epoch(f->options.arg, fault);
}

/*   ours  by which this server answered before the store was asked for the newest: an activation of its own may have come since */
static enum status catch_up(struct follower *f, const struct epoch *newest, int64_t ours, struct error *err)
{
    if (newest->number < ours) {
        f->options.trust(f->options.arg, 0);
        return error_set(
            err, ST_CONFLICT,
            "the job database says that epoch %lld of the active model is the newest, but there was "
            "an epoch %lld: it was restored, or has lost what it had acknowledged",
            (long long)newest->number, (long long)ours);
    }
    return newest->number > answers_by(f) ? f->options.follow(f->options.arg, newest, err) : ST_OK;
}

static enum status renew(struct follower *f, struct epoch *ret_newest, struct error *err)
{
    char fault[sizeof err->text], address[sizeof f->address];
    struct replica me = { .host = f->host, .build = CXRD_BUILD };
    const double asked = clock_seconds();
    bool leads;
    enum status st;

    me.epoch = f->options.epoch(f->options.arg, fault);
    me.fault = fault[0] ? fault : NULL;
    pthread_mutex_lock(&f->lock);
    memcpy(address, f->address, sizeof address);
    pthread_mutex_unlock(&f->lock);
    me.address = address[0] ? address : NULL;
    st = store_replica_renew(f->options.store, &me, ret_newest, &leads, err);
    if (st != ST_OK)
        return st;
    f->said = me.epoch;
    f->due = asked + REPLICA_RENEW_S;
    f->options.trust(f->options.arg, asked + TRUST_S);
    return ST_OK;
}

/* Whether there is something to renew the lease for. */
static bool is_due(struct follower *f)
{
    return clock_seconds() >= f->due || atomic_exchange(&f->called, false) || answers_by(f) != f->said;
}

/* Another epoch may be made while one is taken up: then do it once more. */
static enum status turn(struct follower *f, struct error *err)
{
    struct epoch newest;
    int64_t ours = answers_by(f);
    enum status st = store_epoch(f->options.store, NULL, &newest, err);

    f->reached = st == ST_OK;
    for (bool again = true; st == ST_OK && again;) {
        st = catch_up(f, &newest, ours, err);
        again = false;
        if (st == ST_OK && is_due(f)) {
            ours = answers_by(f);
            st = renew(f, &newest, err);
            again = st == ST_CONFLICT;
            st = again ? ST_OK : st;
        }
    }
    return st;
}

/* A trial presupposes the epoch in which it began: until this server answers by the newest, it takes nothing up.
 * A kind that cannot be taken up now does not hold the others up; one that is busy is tried again after the next turn. */
static enum status take_up_changes(struct follower *f, struct error *err)
{
    int64_t generations[N_SHARED];
    struct error why;
    enum status st = store_generations(f->options.store, generations, err);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&f->watching);
    for (size_t k = 0; k < N_SHARED; k++) {
        struct watch *w = &f->watches[k];
        struct epoch newest;

        if (!w->take_up || w->seen == generations[k])
            continue;
        if (store_epoch(f->options.store, NULL, &newest, &why) != ST_OK || newest.number > answers_by(f))
            break;
        if (w->take_up(w->arg, &why) == ST_OK)
            w->seen = generations[k];
        else if (why.code != ST_BUSY)
            st = error_set(err, why.code, "%s", why.text);
    }
    pthread_mutex_unlock(&f->watching);
    return st;
}

void follower_watch(struct follower *f, enum shared_kind kind, take_up_fn *take_up, void *arg)
{
    pthread_mutex_lock(&f->watching);
    f->watches[kind] = (struct watch){ take_up, arg, -1 };
    pthread_mutex_unlock(&f->watching);
    wake(f);
}

static void tell(bool *failed, enum status st, const struct error *why)
{
    if (st != ST_OK && !*failed)
        log_error(LOG_ERROR, "this server is not in step with the others", why);
    if (st == ST_OK && *failed)
        log_event(LOG_INFO, "this server is in step with the others again", NULL);
    *failed = st != ST_OK;
}

/* ---- the threads ---- */

/* One that is lost is opened anew at the next turn, once the store answers: to try that may take longer than the lease has. */
static void listen_again(struct follower *f)
{
    struct error why;

    if (!f->listener && f->reached && store_listen(f->options.store, &f->listener, &why) != ST_OK)
        f->listener = NULL;
}

static void wait_for_news(struct follower *f)
{
    struct pollfd fds[2] = { { .fd = f->wake, .events = POLLIN },
                             { .fd = f->listener ? store_listener_socket(f->listener) : -1,
                               .events = POLLIN } };
    const double rest = fmin(fmax(f->due - clock_seconds(), f->failed ? 0.5 : 0.05), LOOK_S);
    uint64_t count;

    if (poll(fds, 2, (int)ceil(rest * 1e3)) <= 0)
        return;
    if (fds[0].revents && read(f->wake, &count, sizeof count) < 0)
        return; /* somebody was faster */
    if (fds[1].revents && !store_listener_hear(f->listener)) {
        store_listener_close(f->listener);
        f->listener = NULL;
    }
}

static void *follower_main(void *arg)
{
    struct follower *f = arg;

    while (!atomic_load(&f->over)) {
        struct error why = { 0 };
        enum status st;

        listen_again(f);
        wait_for_news(f);
        st = turn(f, &why);
        tell(&f->failed, st, &why);
        store_heard(f->options.store);
        pthread_mutex_lock(&f->lock);
        f->turns++;
        f->good_turns += st == ST_OK;
        pthread_cond_broadcast(&f->turned);
        pthread_mutex_unlock(&f->lock);
    }
    return NULL;
}

static void *taker_main(void *arg)
{
    struct follower *f = arg;
    uint64_t seen = 0;

    pthread_mutex_lock(&f->lock);
    while (!atomic_load(&f->over)) {
        struct error why = { 0 };

        if (f->good_turns == seen) {
            pthread_cond_wait(&f->turned, &f->lock);
            continue;
        }
        seen = f->good_turns;
        pthread_mutex_unlock(&f->lock);
        tell(&f->taking_failed, take_up_changes(f, &why), &why);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void threads_end(struct follower *f, bool taker)
{
    atomic_store(&f->over, true);
    wake(f);
    pthread_join(f->thread, NULL);
    if (!taker)
        return;
    pthread_mutex_lock(&f->lock);
    pthread_cond_broadcast(&f->turned);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->taker, NULL);
}

static enum status threads_begin(struct follower *f, struct error *err)
{
    enum status st = thread_start(&f->thread, follower_main, f, "the thread that follows other servers", err);

    if (st != ST_OK)
        return st;
    st = thread_start(&f->taker, taker_main, f, "the thread that takes up other servers' changes", err);
    if (st != ST_OK)
        threads_end(f, false);
    return st;
}

static void follower_free(struct follower *f)
{
    store_listener_close(f->listener);
    if (f->wake >= 0)
        close(f->wake);
    pthread_cond_destroy(&f->turned);
    pthread_mutex_destroy(&f->lock);
    pthread_mutex_destroy(&f->watching);
    free(f);
}

enum status follower_start(const struct follower_options *options, struct follower **ret, struct error *err)
{
    struct follower *f = calloc(1, sizeof *f);
    enum status st;

    if (!f)
        return error_nomem(err);
    f->options = *options;
    f->said = -1;
    pthread_mutex_init(&f->lock, NULL);
    pthread_mutex_init(&f->watching, NULL);
    condition_init(&f->turned);
    if (gethostname(f->host, sizeof f->host - 1) != 0)
        snprintf(f->host, sizeof f->host, "?");
    f->wake = eventfd(0, EFD_CLOEXEC);
    st = f->wake < 0 ? error_errno(err, ST_IO, "cannot make an event descriptor") : turn(f, err);
    if (st == ST_OK)
        st = threads_begin(f, err);
    if (st != ST_OK) {
        follower_free(f);
        return st;
    }
    *ret = f;
    return ST_OK;
}

void follower_stop(struct follower *f)
{
    struct error why;

    if (!f)
        return;
    threads_end(f, true);
    if (store_replica_leave(f->options.store, &why) != ST_OK)
        log_error(LOG_WARN, "the others wait until the lease of this server ends", &why);
    follower_free(f);
}

void follower_called(struct follower *f, const char *address)
{
    pthread_mutex_lock(&f->lock);
    snprintf(f->address, sizeof f->address, "%s", address);
    pthread_mutex_unlock(&f->lock);
    atomic_store(&f->called, true);
    wake(f);
}

/* ---- an activation ---- */

static void wait_for_turn(struct follower *f, uint64_t before)
{
    const double deadline = clock_seconds() + 0.25;

    pthread_mutex_lock(&f->lock);
    while (f->turns == before && condition_wait(&f->turned, &f->lock, deadline))
        ;
    pthread_mutex_unlock(&f->lock);
}

static uint64_t turns(struct follower *f)
{
    uint64_t n;

    pthread_mutex_lock(&f->lock);
    n = f->turns;
    pthread_mutex_unlock(&f->lock);
    return n;
}

enum status follower_await(struct follower *f, int64_t epoch, struct error *err)
{
    const double deadline = clock_seconds() + AWAIT_S;
    char behind[REPLICA_NAMES];
    struct error why = { .text = "" };

    wake(f); /* the others see that this one does */
    for (;;) {
        const uint64_t before = turns(f);
        const enum status st = store_replicas_behind(f->options.store, epoch, behind, &why);

        if (st == ST_OK && !behind[0] && answers_by(f) >= epoch)
            return ST_OK;
        if (clock_seconds() > deadline)
            return error_set(
                err, ST_BUSY,
                "the model is active as epoch %lld, but it is not known whether all servers answer by it: "
                "%s",
                (long long)epoch,
                st != ST_OK ? why.text
                : behind[0] ? behind
                            : f->host);
        wait_for_turn(f, before);
    }
}
