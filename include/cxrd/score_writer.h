/* include/cxrd/score_writer.h - writes the scores of predictions to the store, and no prediction waits for a disk.
 *
 * A score that is to be kept is put into a queue of bounded length and written in batches by a thread of its own; a score that finds no room
 * is dropped and counted. The same thread removes scores that are older than `days`. Any thread may call. */
#ifndef CXRD_SCORE_WRITER_H
#define CXRD_SCORE_WRITER_H

#include "cxrd/kept_scores.h"
#include "cxrd/registry.h"

struct score_writer;

/* At most so many predictions are kept at a time: about 400 MB with 14 findings. */
enum { SCORE_WRITER_MOST = 1000000 };

/*   store  borrowed; must outlive it
 *   days   how long scores are kept; 0: none are, and what is there from before goes when its time is over
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status score_writer_start(struct store *store, size_t days, struct score_writer **ret_writer,
                                        struct error *err);
void score_writer_stop(struct score_writer *k); /* writes what waits; NULL is fine */

size_t score_writer_days(const struct score_writer *k);

/* Take scores to be kept. Never waits for a disk. False: there was no room, or none are kept.
 *   by  the model of `row`, held until it is written */
bool score_writer_add(struct score_writer *k, struct loaded_model *by, const struct kept_scores *row);

/* Return when all that was added before is written, or cannot be now. */
void score_writer_flush(struct score_writer *k);

struct score_writer_counts {
    size_t waiting;
    uint64_t kept, swept;
    uint64_t shed;    /* for want of room in the queue, */
    uint64_t full;    /* and because there are SCORE_WRITER_MOST */
    uint64_t retried; /* batches that the disk did not take, which are tried again */
};
struct score_writer_counts score_writer_counts(struct score_writer *k);

#endif
