/* jobs/queue/runner.c - the thread that works off the queue of jobs, see cxrd/runner.h. */
#include "worker.h"

#include "cxrd/clock.h"
#include "cxrd/log.h"
#include "cxrd/thread.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_S = 2 }; /* for jobs that others have queued, where nothing says so */
static const double AFTER_S = 0.02,
                    LEAST_S = 0.05; /* from the end of a lease to the claim; between two looks */

/* ---- one job ---- */

/* How a job ended, from how its work did. A cause outside of a training has nothing to do with whether it was asked well:
 * it can go on later. A job that fetches goes on only where a host does not answer. The files it has gathered may be what fills
 * the disk, so they go. */
static enum job_state verdict(struct runner *r, const char *type, enum status st)
{
    if (st == ST_OK)
        return JOB_SUCCEEDED;
    if (st == ST_CANCELLED)
        return atomic_load(&r->stop) == STOP_SHUTDOWN ? JOB_INTERRUPTED : JOB_CANCELLED;
    if (strcmp(type, JOB_FETCH) == 0 ? st == ST_BUSY : status_is_outside(st))
        return JOB_INTERRUPTED;
    return JOB_FAILED;
}

/* With the lock held. */
static void job_begin(struct runner *r, const struct claim *c, const char *type, double asked)
{
    progress_publish(
        &r->progress, /* not the last job's numbers */
        &(struct snapshot){ .phase = strcmp(type, JOB_FETCH) == 0 ? SNAPSHOT_FETCH : 0, .train.eta_s = -1 });
    r->running = *c;
    r->trusted_until = asked + LEASE_TRUST_S;
    pthread_cond_broadcast(&r->begun);
    r->too_late = false;
    atomic_store(&r->stop, GO_ON);
    atomic_store(&r->keep_best, false);
    cancel_asked(r, c->asked);
}

/* Somebody asked for its end after the work had come to another: whether it has that end now. With the lock held. */
static bool cancel_late(struct runner *r, const char *id)
{
    struct error err;

    if (!stop_cancels(atomic_load(&r->stop)))
        return false;
    if (cancel_waiting(r, id, atomic_load(&r->keep_best), &err) == ST_OK)
        return true;
    log_error(LOG_WARN, "a job that was to be cancelled is interrupted", &err);
    return false;
}

/* One that is done needs no word of how far it came; of any other that is what one wants to know. */
static void progress_keep(struct runner *r, enum job_state state, json_t *record)
{
    struct snapshot now;

    progress_read(&r->progress, &now);
    snapshot_record(&now, record);
    if (state == JOB_SUCCEEDED)
        for (const char *const *name = (const char *const[]){ "phase", "progress", "current", NULL }; *name;
             name++)
            json_object_del(record, *name);
}

/* With the lock held: its end into the store. True: it is there, or will be once the storage can; false: it is not this runner's to
 * write. */
static bool end_write(struct runner *r, enum job_state state, json_t *record, bool *ret_written)
{
    struct error err = { .text = "another has it" };
    enum status st = ST_CONFLICT;

    if (atomic_load(&r->stop) != STOP_LOST)
        st = store_job_move(r->store, &r->running, state, record, &err);
    *ret_written = st == ST_OK;
    if (st == ST_CONFLICT || st == ST_NOTFOUND) {
        log_error(LOG_WARN, "nothing is written of a job that is no longer this server's to run", &err);
        return false;
    }
    if (st != ST_OK) {
        log_error(LOG_ERROR, "job state not written", &err);
        unwritten_keep(r, &r->running, state, record);
    }
    return true;
}

static void job_end(struct runner *r, const char *id, const char *type, json_t *record, enum status st,
                    const struct error *why)
{
    const enum job_state state = verdict(r, type, st);
    const bool told = state == JOB_FAILED || (state == JOB_INTERRUPTED && st != ST_CANCELLED);
    bool ours, written, done;

    progress_keep(r, state, record);
    if (told)
        json_object_set_new(record, "error", json_string(why->text));
    if ((state == JOB_FAILED || state == JOB_CANCELLED) &&
        atomic_load(&r->stop) != STOP_LOST) /* else it may be another's */
        fetch_discard(r->options.datasets, id);
    pthread_mutex_lock(&r->lock); /* so that no one finds it running when it has ended */
    ours = end_write(r, state, record, &written);
    if (written && state != JOB_INTERRUPTED)
        job_checkpoint_drop(r, id); /* it can never be resumed */
    r->running = (struct claim){ .token = 0 };
    done = written && (state == JOB_SUCCEEDED || (state == JOB_INTERRUPTED && cancel_late(r, id)));
    pthread_mutex_unlock(&r->lock);
    /* Not before: a crash in between would leave a job that does not know that it is done. */
    if (done)
        fetch_discard(r->options.datasets, id);
    if (ours)
        log_event(state == JOB_FAILED ? LOG_ERROR : LOG_INFO,
                  "job ended", /* the sentence may name a picture */
                  json_pack("{s:s,s:s,s:s}", "job", id, "state", job_state_name(state), "detail",
                            told ? status_text(st) : ""));
}

static void job_run(struct runner *r, const char *id, const char *type, const json_t *config)
{
    json_t *record = job_record_begin(r, type, config);
    struct error err = { 0 }, why = { 0 };
    enum status st;

    if (!record)
        st = error_nomem(&err);
    else if (strcmp(type, JOB_FETCH) == 0)
        st = fetching_run(r, id, config, record, &err);
    else if (strcmp(type, JOB_PREDICT) == 0 || strcmp(type, JOB_VALIDATE) == 0)
        st = scoring_job_run(r, id, type, config, record, &err);
    else
        st = training_job_run(r, id, config, record, &err);
    if (record && atomic_load(&r->stop) != STOP_LOST &&
        job_files_keep(r, id, verdict(r, type, st) == JOB_INTERRUPTED, &why) != ST_OK)
        running_not_written(r, &why, &err);
    job_end(r, id, type, record, st, &err);
    json_decref(record);
}

/* ---- the thread ---- */

/* How long to wait for a job of others: until the first of their leases ends, so that a job whose server died waits no longer than its
 * lease. One that is renewed until then ends later, and is asked for again. */
static double pause_for(struct runner *r, const struct able *able)
{
    struct error err;
    int64_t ms = -1;

    if (store_job_due(r->store, able, &ms, &err) != ST_OK || ms < 0)
        return LOOK_S;
    return fmin(fmax((double)ms / 1e3 + AFTER_S, LEAST_S), LOOK_S);
}

/* With the lock held: claim a job that this server can do. */
static enum status claim_next(struct runner *r, struct claim *ret, char type[JOB_TYPE_SIZE],
                              json_t **ret_config, double *ret_pause, struct error *err)
{
    const bool shared = store_is_shared(r->store);
    struct buf names = BUF_INIT(DATASETS_MOST);
    struct able able = { "", outgoing_enabled(r->options.outgoing, OUTGOING_DATA) && r->options.datasets };
    enum status st = shared ? datasets_here(r->options.datasets, &names, err) : ST_OK;

    if (st == ST_OK) {
        able.datasets = names.len > 0 ? names.data : "";
        if (shared)
            able_tell(r, &able);
        st = store_job_begin(r->store, shared ? &able : NULL, ret, type, ret_config, err);
    }
    if (st == ST_NOTFOUND && shared) { /* others queue jobs too, and lose them */
        left_job_log(r);
        *ret_pause = pause_for(r, &able);
    }
    buf_release(&names);
    return st;
}

/* Wait for a job to run; false at shutdown. */
static bool next_job(struct runner *r, struct claim *ret, char type[JOB_TYPE_SIZE], json_t **ret_config)
{
    double asked = 0;
    struct error err;
    bool found = false, told = false;

    pthread_mutex_lock(&r->lock);
    while (!r->shutdown && !found) {
        double pause = 1; /* what could not be written may be written by then */
        enum status st = ST_IO;

        asked = clock_seconds();
        if (unwritten_retry(r))
            st = claim_next(r, ret, type, ret_config, &pause, &err);
        else
            error_set(&err, st, "a job's end is not written yet");
        found = st == ST_OK;
        if (!found && st != ST_NOTFOUND && !told)
            log_error(LOG_ERROR, "cannot take a job from the queue, but will try again", &err);
        told = st != ST_NOTFOUND;
        if (st == ST_NOTFOUND && !store_is_shared(r->store))
            pthread_cond_wait(&r->wake, &r->lock);
        else if (!found)
            condition_wait(&r->wake, &r->lock, clock_seconds() + pause);
    }
    if (found)
        job_begin(r, ret, type, asked);
    pthread_mutex_unlock(&r->lock);
    return found;
}

/* A job's memory in pieces too small for mappings of their own lies about the heaps, wherever its threads were sent by
 * the allocator, which would keep it: resident memory would go up by steps for as long as jobs come. */
static void memory_return(void)
{
#if defined __GLIBC__
    malloc_trim(0);
#endif
}

static void *runner_main(void *arg)
{
    struct runner *r = arg;
    char type[JOB_TYPE_SIZE];
    struct claim claim;
    json_t *config = NULL;

    thread_set_class(POOL_BACKGROUND);
    jobs_retain(r);
    while (next_job(r, &claim, type, &config)) {
        job_run(r, claim.job, type, config);
        json_decref(config);
        jobs_retain(r);
        memory_return();
    }
    pthread_mutex_lock(&r->lock);
    r->over = true;
    pthread_cond_broadcast(&r->wake);
    pthread_cond_broadcast(&r->begun);
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void runner_free(struct runner *r)
{
    json_decref(r->unwritten.record);
    free(r->told_datasets);
    pthread_cond_destroy(&r->begun);
    pthread_cond_destroy(&r->wake);
    pthread_mutex_destroy(&r->fetching);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

enum status runner_start(const struct runner_options *options, struct store *store, struct registry *registry,
                         struct runner **ret_runner, struct error *err)
{
    struct runner *r = calloc(1, sizeof *r);
    enum status st;

    if (!r)
        return error_nomem(err);
    r->options = *options;
    r->store = store;
    r->registry = registry;
    pthread_mutex_init(&r->lock, NULL);
    pthread_mutex_init(&r->fetching, NULL);
    condition_init(&r->wake);
    condition_init(&r->begun);
    st = lease_thread_start(r, err);
    if (st == ST_OK &&
        (st = thread_start(&r->thread, runner_main, r, "the thread that runs jobs", err)) != ST_OK)
        lease_thread_end(r);
    if (st != ST_OK) {
        runner_free(r);
        return st;
    }
    *ret_runner = r;
    return ST_OK;
}

void runner_halt(struct runner *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->shutdown = true;
    atomic_compare_exchange_strong(&r->stop, &(int){ GO_ON }, STOP_SHUTDOWN); /* a cancelled job stays that */
    atomic_compare_exchange_strong(&r->stop, &(int){ STOP_ENOUGH }, STOP_CANCELLED);
    pthread_cond_broadcast(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

bool runner_stop(struct runner *r, double seconds)
{
    const double deadline = clock_seconds() + seconds;
    bool over;

    if (!r)
        return true;
    runner_halt(r);
    pthread_mutex_lock(&r->lock);
    while (!r->over && condition_wait(&r->wake, &r->lock, deadline))
        ;
    over = r->over;
    pthread_mutex_unlock(&r->lock);
    if (!over)
        return false;
    pthread_join(r->thread, NULL);
    lease_thread_end(r);
    unwritten_retry(r); /* or the next start finds it running, and calls it interrupted */
    runner_free(r);
    return true;
}
