/* jobs/training/logistic.h - the logistic regression of one finding on some numbers. */
#ifndef JOBS_TRAINING_LOGISTIC_H
#define JOBS_TRAINING_LOGISTIC_H

#include "cxrd/principal.h"
#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

/* Numbers of rows, standardised: what is not known is 0, the mean. All borrowed. */
struct logistic_rows {
    size_t n, d;         /* rows; numbers a row, at least 1 */
    const float *x;      /* [n][d] */
    const double *ridge; /* [d]: of each number; NULL: LOGISTIC_RIDGE of all */

    /* How the search goes. */
    const float *weights; /* [n]: how many rows each counts for, 0: it is left out; NULL: 1 */
    const double *begin;  /* [d + 1]: where the search begins, the bias last; NULL: at 0 */
    double
        precision; /* it ends where a step promises less than this part of the loss; 0: where less could not be seen */
    struct interruption stop;
};
/* The ridge holds a table of few rows together: with 32 inputs of ChestX-ray14's table the held-out loss of 370, 1,860 and 37,260
 * training rows is 0.3161, 0.2731 and 0.2616 with a ridge of 1, and 0.2773, 0.2667 and 0.2615 with this one. */
#define LOGISTIC_RIDGE 50.0

/* Fit logit = bias + weights . x by Newton's method (iteratively reweighted least squares), whose steps are found by conjugate
 * gradients (Nocedal & Wright, Numerical Optimization, 2nd edition, algorithm 7.1): of 1,536 numbers no second derivative has
 * to be written down. The loss is
 *
 *     sum over rows of weight * cross-entropy + sum over numbers of ridge * w^2 / 2 + half a positive and half a negative row at x = 0
 *
 * convex, with one least, which is finite whatever the rows: the ridge holds weights that would grow without end, and the
 * two half rows the bias, whose value without any numbers is log_odds() (balance.h). All sums are in double, in one order.
 *   positive  [n]: 0, 1, or TRUTH_UNKNOWN, whose row is left out
 *   ret       [d + 1]: the weights, then the bias
 * Errors: ST_NUMERIC (numbers that are not finite), ST_CANCELLED, ST_NOMEM. */
MUST_USE enum status logistic_fit(const struct logistic_rows *rows, const uint8_t *positive, double *ret);

/* Bias + weights . x, of `fitted` as logistic_fit() gives it. */
double logistic_logit(const double *fitted, const float *x, size_t d);

/* The cross-entropy of a logit and a truth, 0 or 1. */
double logistic_loss(double logit, double positive);

#endif
