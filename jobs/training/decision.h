/* jobs/training/decision.h - decisions on the rows that a model is tested on, see cxrd/decision.h. */
#ifndef JOBS_TRAINING_DECISION_H
#define JOBS_TRAINING_DECISION_H

#include "cxrd/decision.h"
#include "evaluate.h"

/*   points  whose Youden thresholds are asked for
 * Errors: ST_NOMEM. */
MUST_USE enum status decide(const struct scores *s, const struct operating_points *points,
                            struct decisions *ret_decisions);

/* Net benefit of acting at `at` on a column, of those whom the scores call and of all. NaN without a row. */
struct net_benefit {
    double model, treat_all;
};
struct net_benefit net_benefit(size_t n, const uint8_t *truth, const float *score, size_t stride, double at);

#endif
