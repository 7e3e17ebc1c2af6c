/* jobs/training/cholesky.h - the logistic regression of one finding as jobs of before the recipe `transfer` were fitted: the
 * loss and the least are those of logistic.h, the second derivative is written down, and its factors give each step. Its last digits
 * are others, so that such a job is replayed and gone on with to the same weights. */
#ifndef JOBS_TRAINING_CHOLESKY_H
#define JOBS_TRAINING_CHOLESKY_H

#include "logistic.h"

/* Fit as logistic_fit() does, of rows that all count for one, with one ridge, from 0.
 *   ret  [d + 1]: the weights, then the bias
 * Errors: ST_NUMERIC (numbers that are not finite), ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status cholesky_fit(const struct logistic_rows *rows, const uint8_t *positive, double *ret);

#endif
