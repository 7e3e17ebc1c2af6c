/* include/cxrd/job.h - the life of a job: its states and the changes between them that are legal. */
#ifndef CXRD_JOB_H
#define CXRD_JOB_H

#include <stdbool.h>

#define JOB_STATE_MAP(X)      \
    X(QUEUED, "queued")       \
    X(RUNNING, "running")     \
    X(SUCCEEDED, "succeeded") \
    X(FAILED, "failed")       \
    X(CANCELLED, "cancelled") \
    X(INTERRUPTED, "interrupted")

enum job_state {
#define X(name, text) JOB_##name,
    JOB_STATE_MAP(X)
#undef X
        N_JOB_STATES
};

const char *job_state_name(enum job_state s);
bool job_state_parse(const char *name, enum job_state *ret_state);

/* queued -> running | cancelled; running -> succeeded | failed | cancelled | interrupted;
 * interrupted -> queued (resumed) | cancelled. The other three are final. */
bool job_may_become(enum job_state from, enum job_state to);
bool job_has_ended(enum job_state s); /* succeeded, failed, cancelled or interrupted: nothing is going on */

#endif
