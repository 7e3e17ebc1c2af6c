/* jobs/training/groups.h - subgroups of the rows that a model is tested on, see cxrd/groups.h. */
#ifndef JOBS_TRAINING_GROUPS_H
#define JOBS_TRAINING_GROUPS_H

#include "evaluate.h"

/* The performance of the scores in each group, and which groups differ.
 *   points  whose Youden thresholds are asked for
 * Errors: ST_NOMEM. */
MUST_USE enum status groups_evaluate(const struct scores *s, const struct table *t,
                                     const struct operating_points *points, struct groups *ret_groups);

#endif
