/* jobs/queue/pending_end.c - the end of a job while the storage failed: told from memory, and written as soon as it can be. */
#include "worker.h"

#include "cxrd/log.h"

#include <string.h>

void unwritten_keep(struct runner *r, const struct claim *c, enum job_state state, json_t *record)
{
    json_decref(r->unwritten.record);
    r->unwritten = (struct unwritten){ .claim = *c, .state = state, .record = json_incref(record) };
    clock_utc(r->unwritten.finished_at);
}

bool unwritten_retry(struct runner *r)
{
    struct unwritten *u = &r->unwritten;
    enum status st;

    if (!u->claim.job[0])
        return true;
    st = store_job_move(r->store, &u->claim, u->state, u->record, NULL);
    if (st == ST_IO || st == ST_NOMEM)
        return false;
    if (st == ST_OK && u->state != JOB_INTERRUPTED) { /* otherwise it is another's, or gone */
        job_checkpoint_drop(r, u->claim.job);
        fetch_discard(r->options.datasets, u->claim.job);
    }
    log_event(LOG_INFO,
              st == ST_OK ? "job's end written at last" : "job's end is no longer this server's to write",
              json_pack("{s:s}", "job", u->claim.job));
    json_decref(u->record);
    *u = (struct unwritten){ .record = NULL };
    return true;
}

enum status unwritten_settle(struct runner *r, const char *id, struct error *err)
{
    if (unwritten_retry(r) || strcmp(r->unwritten.claim.job, id) != 0)
        return ST_OK;
    return error_set(err, ST_IO, "the job has ended, but that cannot be written yet: the storage fails");
}

bool unwritten_tell(const struct runner *r, json_t *job)
{
    const struct unwritten *u = &r->unwritten;

    if (!u->claim.job[0] || strcmp(u->claim.job, json_string_value(json_object_get(job, "id"))) != 0)
        return false;
    json_object_update_existing(job, u->record);
    json_object_set_new(job, "state", json_string(job_state_name(u->state)));
    json_object_set_new(job, "finished_at", json_string(u->finished_at));
    return true;
}
