/* jobs/training/checkpoint.h - all that a run's future depends on, in one file, so that it can go on after any crash
 * and end with the same weights, bit for bit.
 *
 * A run that keeps something new from one step to the next (another generator, another moving mean) adds a line to
 * pieces_of() in checkpoint.c; saving, checking and loading all walk that list. */
#ifndef JOBS_TRAINING_CHECKPOINT_H
#define JOBS_TRAINING_CHECKPOINT_H

#include "run.h"

/* Write the run as it is between two steps to request->checkpoint, so that no crash leaves half of it.
 * Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status checkpoint_save(struct run *r);

/* Put a prepared run where request->checkpoint says that it was; no such file, or a damaged one: it stays at its
 * beginning, and the result says `began_again` of the latter.
 * Errors: ST_FORMAT (its digest is right, what it says cannot be), ST_CONFLICT (of another job, version or data), ST_IO, ST_NOMEM. */
MUST_USE enum status checkpoint_load(struct run *r);

#endif
