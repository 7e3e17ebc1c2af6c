/* jobs/training/operating.h - choose operating points, and say how they do on other rows. */
#ifndef JOBS_TRAINING_OPERATING_H
#define JOBS_TRAINING_OPERATING_H

#include "cxrd/operating_points.h"

#include <stddef.h>
#include <stdint.h>

/* The threshold of each kind for one column, always one of its scores. Of two that are as good by its rule, the one
 * that loses less of the other side is taken; of two that are equal in both, the higher.
 *   ret_threshold  NaN without a positive or a negative, where a score is NaN, or where none is high enough for the rule
 * Errors: ST_NOMEM. */
MUST_USE enum status operating_choose(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                      float ret_threshold[N_OPERATING]);

/* The same by one rule whose part is chosen: the best specificity of those thresholds with a sensitivity of at least `at`
 * (OPERATE_SENSITIVITY_90 without the 90), the best sensitivity of those with a specificity of at least `at`
 * (OPERATE_SPECIFICITY_90), or Youden's, where `at` is not read. */
MUST_USE enum status operating_choose_by(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                         enum operating_kind kind, double at, float *ret_threshold);

struct operating_rates {
    double sensitivity; /* positives at or above the threshold / positives; NaN without one */
    double specificity; /* negatives below it / negatives; NaN without one */
};

/* Both NaN for a threshold that is NaN. */
struct operating_rates operating_rates(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                       float threshold);

#endif
