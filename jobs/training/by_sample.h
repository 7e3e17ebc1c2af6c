/* jobs/training/by_sample.h - partial correctness: how right whole rows are, and how sure that is. */
#ifndef JOBS_TRAINING_BY_SAMPLE_H
#define JOBS_TRAINING_BY_SAMPLE_H

#include "evaluate.h"

/* Every measure of metrics_sample() as its mean over the rows, with its interval by patient.
 *   points  thresholds; a finding without one is never called. A kind that has none at all has no measures of calls: NaN
 *   rates   [labels], of the findings among the training rows: what they score, when nothing is called
 * Errors: ST_NOMEM. */
MUST_USE enum status evaluate_by_sample(const struct scores *s, const struct patients *patients,
                                        const struct operating_points *points, const double *rates,
                                        struct by_sample *ret);

json_t *by_sample_json(const struct by_sample *b); /* a new reference */

#endif
