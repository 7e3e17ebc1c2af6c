/* jobs/queue/running_job.h - reports a running job to its readers and keeps its record: the common part of jobs with phases and steps of a run. */
#ifndef JOBS_RUNNING_JOB_H
#define JOBS_RUNNING_JOB_H

#include "worker.h"

struct running_job {
    struct runner *r;
    const char *id;
    struct snapshot now;
    json_t *record;       /* borrowed; grows as the job goes on; what the store keeps */
    struct error storage; /* why the record could not be written: the job ends of it */
};

/* Tell those who watch, and keep the record if there is something new in it; NULL: there is nothing. Takes over `data`. */
void running_job_event(struct running_job *t, const char *event, json_t *data, const json_t *record);
void running_job_commit(struct running_job *t); /* keep the record */
void running_job_phase(struct running_job *t, enum train_phase phase);
void running_job_step(struct running_job *t, const struct train_progress *p);

/* Read the store's record of a job that has begun before into `record`; a new one's stays as it was queued, with today's environment.
 * Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status running_job_recall(struct running_job *t, struct error *err);

/* Whether somebody wants the results. From now on it is too late to say no. */
bool running_job_still_wanted(struct running_job *t);

#endif
