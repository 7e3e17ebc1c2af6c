/* jobs/training/recalibration.h - do probabilities mean what they say? Logistic recalibration (Cox, Biometrika 1958).
 *
 * The log-odds that the truth asks for are taken as intercept + slope * the log-odds that were said. A slope below 1 is of a
 * model that is too sure of itself, above 1 of one that is not sure enough; the intercept, with the slope held at 1, is
 * "calibration in the large": below 0 where too much is promised (Van Calster et al., BMC Medicine 2019). */
#ifndef JOBS_TRAINING_RECALIBRATION_H
#define JOBS_TRAINING_RECALIBRATION_H

#include "figure.h"

/* Fit both by maximum likelihood (Newton's method), with errors by patient: each row's influence is the inverse of the
 * information times its part of the gradient.
 *   truth  [rows]: 0, 1, or 2 for rows that take no part
 *   score  [rows]: probabilities, kept 1e-7 from 0 and 1
 *   ret_*  NaN where not defined: without a positive or a negative; the slope also where all scores are equal, or part
 *          the two kinds without a fault
 * Errors: ST_NOMEM. */
MUST_USE enum status recalibrate(const struct patients *p, const uint8_t *truth, const float *score,
                                 struct estimate *ret_slope, struct estimate *ret_intercept);

#endif
