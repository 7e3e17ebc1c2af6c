/* jobs/training/compare.h - two models on the same rows: what the one gains over the other, paired by row and clustered by
 * patient (figure.h). */
#ifndef JOBS_TRAINING_COMPARE_H
#define JOBS_TRAINING_COMPARE_H

#include "evaluate.h"

/* Both of the same findings, scored on the same rows in the same order. Fills in all but `narrower`.
 *   n_normal  how many of the rows are of normal chests
 * Errors: ST_NOMEM. */
MUST_USE enum status compare(const struct scores *candidate, const struct scores *active, size_t n_normal,
                             struct comparison *ret);

#endif
