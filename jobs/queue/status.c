/* jobs/queue/status.c - a job as it is now: what the store has of it and, while it runs, how far it has come. */
#include "worker.h"

#include <math.h>
#include <string.h>

bool job_is_running(const struct runner *r, const char *id)
{
    return r->running.job[0] && strcmp(r->running.job, id) == 0;
}

/* Where the job is, if it is the one that runs. */
static bool look(struct runner *r, const char *id, struct snapshot *ret)
{
    bool running;

    pthread_mutex_lock(&r->lock);
    running = job_is_running(r, id);
    if (running)
        progress_read(&r->progress, ret);
    pthread_mutex_unlock(&r->lock);
    return running;
}

bool runner_progress(struct runner *r, const char *id, struct train_progress *ret)
{
    struct snapshot now;

    if (!look(r, id, &now))
        return false;
    *ret = now.train;
    return true;
}

bool runner_fetch_progress(struct runner *r, const char *id, struct fetch_progress *ret)
{
    struct snapshot now;

    if (!look(r, id, &now) || now.phase < SNAPSHOT_FETCH || now.fetch.files == 0)
        return false;
    *ret = now.fetch;
    return true;
}

uint64_t runner_images(const struct runner *r) { return atomic_load(&r->images); }

/* `current` of a job that fetches. */
static json_t *fetch_current(const struct fetch_progress *p)
{
    return json_pack("{s:I,s:I,s:I,s:o}", "file", (json_int_t)p->file, "files", (json_int_t)p->files, "bytes",
                     (json_int_t)p->bytes, "bytes_total",
                     p->total < 0 ? json_null() : json_integer((json_int_t)p->total));
}

void snapshot_record(const struct snapshot *now, json_t *record)
{
    const bool fetching = now->phase >= SNAPSHOT_FETCH;
    json_t *current = fetching ? NULL : current_json(&now->train);

    if (fetching && now->fetch.files > 0)
        current = fetch_current(&now->fetch);
    json_object_set_new(
        record, "phase",
        json_string(fetching ? FETCH_PHASE_NAMES[now->phase - SNAPSHOT_FETCH] : PHASE_NAMES[now->phase]));
    json_object_set_new(record, "progress", json_real(now->train.progress));
    json_object_del(record, "current"); /* of the run before */
    if (current)
        json_object_set_new(record, "current", current);
}

static void snapshot_tell(const struct snapshot *now, json_t *job)
{
    const double eta_s = now->train.eta_s;

    snapshot_record(now, job);
    json_object_set_new(job, "eta_s", eta_s < 0 ? json_null() : json_integer((json_int_t)ceil(eta_s)));
}

/* Add the progress of a job that the store called running. False: it has ended since, and the store knows how. */
static bool refresh(struct runner *r, json_t *job)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    struct snapshot now;
    bool running, told;

    if (!id || strcmp(json_string_value(json_object_get(job, "state")), "running") != 0)
        return true;
    pthread_mutex_lock(&r->lock);
    running = job_is_running(r, id);
    if (running)
        progress_read(&r->progress, &now);
    told = unwritten_tell(r, job);
    pthread_mutex_unlock(&r->lock);
    if (running)
        snapshot_tell(&now, job);
    return running || told;
}

/* Of one that waits, and that no server can do, say why. */
static void tell_left(struct runner *r, json_t *job)
{
    const char *id = json_string_value(json_object_get(job, "id"));
    const char *state = json_string_value(json_object_get(job, "state"));
    char same[ID_SIZE], why[WAITS_FOR_SIZE];

    if (id && state && strcmp(state, job_state_name(JOB_QUEUED)) == 0 && store_is_shared(r->store) &&
        store_job_left(r->store, id, same, why, NULL) == ST_OK)
        json_object_set_new(job, "waits_for", json_string(why));
}

void runner_refresh(struct runner *r, json_t *job)
{
    json_t *ended = NULL;

    tell_left(r, job);
    if (refresh(r, job) ||
        store_job_get(r->store, json_string_value(json_object_get(job, "id")), &ended, NULL) != ST_OK)
        return;
    json_object_update_existing(job, ended); /* what the list left out stays out */
    json_decref(ended);
}

enum status runner_job(struct runner *r, const char *id, json_t **ret_job, struct error *err)
{
    json_t *job = NULL;
    enum status st = store_job_get(r->store, id, &job, err);

    if (st == ST_OK && !refresh(r, job)) {
        json_decref(job);
        st = store_job_get(r->store, id, &job, err);
    }
    if (st == ST_OK) {
        tell_left(r, job);
        *ret_job = job;
    }
    return st;
}
