/* jobs/store/job.c - see cxrd/job.h. */
#include "cxrd/job.h"

#include <string.h>

static const char *const NAMES[] = {
#define X(name, text) text,
    JOB_STATE_MAP(X)
#undef X
};

const char *job_state_name(enum job_state s) { return NAMES[s]; }

bool job_state_parse(const char *name, enum job_state *ret_state)
{
    for (int i = 0; i < N_JOB_STATES; i++)
        if (strcmp(name, NAMES[i]) == 0) {
            *ret_state = (enum job_state)i;
            return true;
        }
    return false;
}

bool job_may_become(enum job_state from, enum job_state to)
{
    static const bool LEGAL[N_JOB_STATES][N_JOB_STATES] = {
        [JOB_QUEUED] = { [JOB_RUNNING] = true, [JOB_CANCELLED] = true },
        [JOB_RUNNING] = { [JOB_SUCCEEDED] = true,
                          [JOB_FAILED] = true,
                          [JOB_CANCELLED] = true,
                          [JOB_INTERRUPTED] = true },
        [JOB_INTERRUPTED] = { [JOB_QUEUED] = true, [JOB_CANCELLED] = true },
    };

    return LEGAL[from][to];
}

bool job_has_ended(enum job_state s) { return s != JOB_QUEUED && s != JOB_RUNNING; }
