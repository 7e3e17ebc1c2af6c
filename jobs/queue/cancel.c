/* jobs/queue/cancel.c - what becomes of a job that does not simply succeed: it is cancelled, maybe with its best epoch
 * kept, or deleted. */
#include "worker.h"

#include "cxrd/file.h"
#include "cxrd/log.h"

/* The lock is held so that it does not begin meanwhile. */
enum status cancel_waiting(struct runner *r, const char *id, bool keep_best, struct error *err)
{
    const struct claim nobody = unclaimed(id);
    json_t *record = NULL;
    enum job_state state;
    enum status st = store_job_look(r->store, id, &state, &record, err);

    if (st == ST_OK && !job_may_become(state, JOB_CANCELLED))
        st = error_set(err, ST_CONFLICT, "the job is %s and cannot become cancelled", job_state_name(state));
    if (st == ST_OK && keep_best)
        st = job_file_fetch(r, id, CHECKPOINT_NAME, err);
    if (st == ST_OK && keep_best)
        st = job_keep_checkpoint(r, &nobody, record, err);
    if (st == ST_OK)
        st = store_job_move(r->store, &nobody, JOB_CANCELLED, record, err);
    if (st == ST_OK)
        job_checkpoint_drop(r, id);
    json_decref(record);
    return st;
}

/* A second cancel, or the end of the server, does not wait for figures; an epoch that is to be kept is kept. The lock is held. */
void cancel_running(struct runner *r, bool keep_best)
{
    int stop = atomic_load(&r->stop);

    if (stop == STOP_LOST)
        return;
    if (keep_best)
        atomic_store(&r->keep_best, true);
    if (!keep_best || stop == STOP_SHUTDOWN)
        stop = STOP_CANCELLED;
    else if (stop == GO_ON)
        stop = STOP_ENOUGH;
    atomic_store(&r->stop, stop);
}

void cancel_asked(struct runner *r, enum asked asked)
{
    if (asked != ASKED_NOTHING && !r->too_late)
        cancel_running(r, asked == ASKED_KEEP_BEST);
}

/* Of a store that is shared: another process may run the job.
 *   ret_asked  it does, and was asked to end it */
static enum status cancel_elsewhere(struct runner *r, const char *id, bool keep_best, bool *ret_asked,
                                    struct error *err)
{
    json_t *record = NULL;
    enum job_state state;
    const enum status st = store_job_look(r->store, id, &state, &record, err);

    json_decref(record);
    *ret_asked = st == ST_OK && state == JOB_RUNNING;
    return *ret_asked ? store_job_ask(r->store, id, keep_best ? ASKED_KEEP_BEST : ASKED_CANCEL, err) : st;
}

enum status runner_cancel(struct runner *r, const char *id, bool keep_best, struct error *err)
{
    enum status st = ST_OK;
    bool running, elsewhere = false;

    pthread_mutex_lock(&r->lock); /* held to the end: the job must neither begin nor end in between */
    running = job_is_running(r, id);
    if (running && r->too_late) {
        st = error_set(err, ST_CONFLICT, "the job is saving its results and can no longer be cancelled");
    } else if (running) {
        cancel_running(r, keep_best);
    } else if ((st = unwritten_settle(r, id, err)) == ST_OK) {
        if (store_is_shared(r->store))
            st = cancel_elsewhere(r, id, keep_best, &elsewhere, err);
        if (st == ST_OK && !elsewhere)
            st = cancel_waiting(r, id, keep_best, err);
    }
    pthread_mutex_unlock(&r->lock);
    if (st == ST_OK && !running && !elsewhere)
        fetch_discard(r->options.datasets, id);
    return st;
}

enum status runner_delete(struct runner *r, const char *id, struct error *err)
{
    char folder[PATH_MAX];
    struct error why;
    enum status st;

    pthread_mutex_lock(&r->lock);
    if ((st = unwritten_settle(r, id, err)) == ST_OK)
        st = store_job_delete(r->store, id,
                              err); /* first the record: files without one are swept, not missed */
    if (st == ST_OK && job_folder(r, id, folder, &why) == ST_OK && folder_delete(folder, &why) != ST_OK)
        log_error(LOG_WARN, "files of a deleted job stay until the next start", &why);
    pthread_mutex_unlock(&r->lock);
    if (st == ST_OK)
        fetch_discard(r->options.datasets, id);
    return st;
}

void jobs_retain(struct runner *r)
{
    const size_t keep = r->options.keep_jobs;
    char id[ID_SIZE] = "";
    struct error why;
    enum status st = ST_OK;

    while (keep > 0 && st == ST_OK && (st = store_job_surplus(r->store, keep, id, &why)) == ST_OK && id[0]) {
        st = runner_delete(r, id, &why);
        if (st == ST_OK)
            log_event(LOG_INFO, "job deleted", json_pack("{s:s,s:s}", "job", id, "why", "--keep-jobs"));
        else if (st == ST_NOTFOUND) /* somebody was faster */
            st = ST_OK;
    }
    if (st != ST_OK)
        log_error(LOG_WARN, "older jobs are not deleted", &why);
}
