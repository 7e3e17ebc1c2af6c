/* jobs/queue/running_job.c - see running_job.h. */
#include "running_job.h"

#include "cxrd/log.h"

void running_job_event(struct running_job *t, const char *event, json_t *data, const json_t *record)
{
    struct error err;

    if (store_job_tell(t->r->store, &t->r->running, event, data, record, &err) != ST_OK)
        running_not_written(t->r, &err, &t->storage);
    json_decref(data);
}

void running_job_commit(struct running_job *t)
{
    struct error err;

    if (store_job_record(t->r->store, &t->r->running, t->record, &err) != ST_OK)
        running_not_written(t->r, &err, &t->storage);
}

void running_job_phase(struct running_job *t, enum train_phase phase)
{
    char now[CLOCK_TEXT_SIZE];

    t->now.phase = phase;
    progress_publish(&t->r->progress, &t->now);
    running_job_event(t, "phase", json_pack("{s:s,s:s}", "phase", PHASE_NAMES[phase], "at", clock_utc(now)),
                      NULL);
    log_event(LOG_INFO, "job phase", json_pack("{s:s,s:s}", "job", t->id, "phase", PHASE_NAMES[phase]));
}

void running_job_step(struct running_job *t, const struct train_progress *p)
{
    atomic_fetch_add(&t->r->images, p->images - t->now.train.images);
    t->now.train = *p;
    progress_publish(&t->r->progress, &t->now);
}

enum status running_job_recall(struct running_job *t, struct error *err)
{
    json_t *before = NULL;
    enum job_state state;
    const enum status st = running_needs(t->r, store_job_look(t->r->store, t->id, &state, &before, err));

    if (st == ST_OK && json_is_object(json_object_get(before, "dataset")))
        json_object_update(t->record, before);
    if (st == ST_OK &&
        json_is_string(json_object_get(before, "error"))) { /* why it was interrupted: no more */
        json_object_set_new(t->record, "error", json_null());
        running_job_commit(t);
    }
    json_decref(before);
    return st;
}

/* With the lock held: whether another server has asked for the end since the last renewal. Where the store does not answer, such a
 * request may come too late. */
static void hear(struct runner *r)
{
    enum asked asked = ASKED_NOTHING;
    struct error err;
    const enum status st = store_job_keeping(r->store, &r->running, &asked, &err);

    cancel_asked(r, asked);
    if (st == ST_CONFLICT || st == ST_NOTFOUND)
        atomic_store(&r->stop, STOP_LOST);
}

bool running_job_still_wanted(struct running_job *t)
{
    struct runner *r = t->r;
    bool wanted;

    pthread_mutex_lock(&r->lock);
    if (store_is_shared(r->store))
        hear(r);
    wanted = !stop_cancels(atomic_load(&r->stop)) && atomic_load(&r->stop) != STOP_LOST;
    r->too_late = wanted;
    pthread_mutex_unlock(&r->lock);
    return wanted;
}
