/* include/cxrd/score_keeper.h - keeps the scores of predictions without their waiting for a disk.
 *
 * A score that is to be kept is put into a queue of bounded length and written in batches by a thread of its own; what finds no room is not
 * kept, and counted. The same thread removes what has been kept long enough. Any thread may call. */
#ifndef CXRD_SCORE_KEEPER_H
#define CXRD_SCORE_KEEPER_H

#include "cxrd/kept_scores.h"
#include "cxrd/registry.h"

struct score_keeper;

/* At most so many predictions are kept at a time: about 400 MB with 14 findings. */
enum { KEEPER_MOST = 1000000 };

/*   store  borrowed; must outlive it
 *   days   how long scores are kept; 0: none are, and what is there from before goes when its time is over
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status keeper_start(struct store *store, size_t days, struct score_keeper **ret_keeper,
                                  struct error *err);
void keeper_stop(struct score_keeper *k); /* writes what waits; NULL is fine */

size_t keeper_days(const struct score_keeper *k);

/* Take scores to be kept. Never waits for a disk. False: there was no room, or none are kept.
 *   by  the model of `row`, held until it is written */
bool keeper_add(struct score_keeper *k, struct loaded_model *by, const struct kept_scores *row);

/* Return when all that was added before is written, or cannot be now. */
void keeper_flush(struct score_keeper *k);

struct keeper_counts {
    size_t waiting;
    uint64_t kept, swept;
    uint64_t shed;    /* for want of room in the queue, */
    uint64_t full;    /* and because there are KEEPER_MOST */
    uint64_t retried; /* batches that the disk did not take, which are tried again */
};
struct keeper_counts keeper_counts(struct score_keeper *k);

#endif
