/* jobs/queue/progress.h - a running job's numbers: one writer publishes them, readers take them without a lock.
 *
 * A sequence lock over atomics (Boehm, "Can seqlocks get along with programming language memory models?", MSPC
 * 2012): the writer never waits; a reader that met a change tries again. */
#ifndef JOBS_PROGRESS_H
#define JOBS_PROGRESS_H

#include "cxrd/fetch.h"
#include "cxrd/trainer.h"

#include <stdatomic.h>

enum { SNAPSHOT_FETCH = 100 }; /* what a phase of fetching begins at */

struct snapshot {
    int64_t phase;               /* enum train_phase, or SNAPSHOT_FETCH + enum fetch_phase */
    struct train_progress train; /* of a job that fetches only `progress` */
    struct fetch_progress fetch;
};

enum { SNAPSHOT_WORDS = (sizeof(struct snapshot) + sizeof(uint64_t) - 1) / sizeof(uint64_t) };

struct progress {
    atomic_uint sequence; /* odd while the writer is writing */
    _Atomic uint64_t words[SNAPSHOT_WORDS];
};

void progress_publish(struct progress *p, const struct snapshot *s); /* one thread */
void progress_read(struct progress *p, struct snapshot *ret);        /* any thread */

#endif
