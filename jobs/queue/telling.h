/* jobs/queue/telling.h - a job that runs tells those who watch it, and keeps its record: what all jobs with the phases and steps of a run
 * have in common. */
#ifndef JOBS_TELLING_H
#define JOBS_TELLING_H

#include "worker.h"

struct telling {
    struct runner *r;
    const char *id;
    struct snapshot now;
    json_t *record;       /* borrowed; grows as the job goes on; what the store keeps */
    struct error storage; /* why the record could not be written: the job ends of it */
};

/* Tell those who watch, and keep the record if there is something new in it; NULL: there is nothing. Takes over `data`. */
void telling_event(struct telling *t, const char *event, json_t *data, const json_t *record);
void telling_commit(struct telling *t); /* keep the record */
void telling_phase(struct telling *t, enum train_phase phase);
void telling_step(struct telling *t, const struct train_progress *p);

/* Read the store's record of a job that has begun before into `record`; a new one's stays as it was queued, with today's environment.
 * Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status telling_recall(struct telling *t, struct error *err);

/* Whether somebody wants the results. From now on it is too late to say no. */
bool telling_still_wanted(struct telling *t);

#endif
