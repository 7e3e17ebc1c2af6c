/* jobs/training/partial.h - what has been scored so far, in a file that only grows: a scoring that was stopped or killed goes on
 * behind it. Stretch by stretch in the order in which they are scored, each with a digest; what is not whole, or of other rows,
 * is written anew from there on. */
#ifndef JOBS_TRAINING_PARTIAL_H
#define JOBS_TRAINING_PARTIAL_H

#include "evaluate.h"

struct partial;

/* Open the file or make it.
 *   key  what the scores depend on: a file of another key is begun anew
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status partial_open(const char *path, const char key[DIGEST_TEXT_SIZE], size_t n_labels,
                                  struct partial **ret, struct error *err);
void partial_close(struct partial *p); /* NULL is fine */

/* As struct stretch_memory has them. */
bool partial_recall(struct partial *p, struct stretch_scores *t);
MUST_USE enum status partial_keep(struct partial *p, const struct stretch_scores *t, struct error *err);

#endif
