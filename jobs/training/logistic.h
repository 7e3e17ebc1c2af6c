/* jobs/training/logistic.h - the logistic regression of one finding on some numbers. */
#ifndef JOBS_TRAINING_LOGISTIC_H
#define JOBS_TRAINING_LOGISTIC_H

#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

/* Numbers of rows, standardised: what is not known is 0, the mean. All borrowed. */
struct logistic_rows {
    size_t n, d;    /* rows; numbers a row, 1..LOGISTIC_MAX */
    const float *x; /* [n][d] */
};
enum { LOGISTIC_MAX = 4 + 2 * 64 }; /* the inputs of MAX_LABELS findings */
/* The ridge holds a table of few rows together: with 32 inputs of ChestX-ray14's table the held-out loss of 370, 1,860 and 37,260
 * training rows is 0.3161, 0.2731 and 0.2616 with a ridge of 1, and 0.2773, 0.2667 and 0.2615 with this one. */
#define LOGISTIC_RIDGE 50.0

/* Fit logit = bias + weights . x by Newton's method (iteratively reweighted least squares). The loss is
 *
 *     sum over rows of cross-entropy + LOGISTIC_RIDGE |weights|^2 / 2 + half a positive and half a negative row at x = 0
 *
 * convex, with one least, which is finite whatever the rows: the ridge holds weights that would grow without end, and the
 * two half rows the bias, whose value without any numbers is log_odds() (balance.h).
 *   positive     [n]: 0 or 1
 *   ret_weights  [d]
 * Errors: ST_NUMERIC (numbers that are not finite). */
MUST_USE enum status logistic_fit(const struct logistic_rows *rows, const uint8_t *positive,
                                  double *ret_weights, double *ret_bias);

#endif
