/* jobs/training/regression.h - the logistic regressions of all findings on the same rows (logistic.h), a task each: what is fitted
 * does not depend on the number of threads. */
#ifndef JOBS_TRAINING_REGRESSION_H
#define JOBS_TRAINING_REGRESSION_H

#include "cxrd/labels.h"
#include "cxrd/pool.h"
#include "cxrd/train_config.h"
#include "logistic.h"

/* Rows, what they have, and what is fitted to them. The caller fills in the arrays, which are owned. */
struct regression {
    size_t n_labels, n, d;
    size_t
        n_chosen;  /* numbers, the first ones, whose ridge is chosen; that of the others is LOGISTIC_RIDGE */
    int solver;    /* enum solver: of regression_fit() where no row is a copy and no ridge chosen */
    size_t copies; /* rows side by side that are views of one picture: each counts as that part of one */
    float *x;      /* [n][d] */
    uint8_t *positive; /* [labels][n]: 0, 1 or TRUTH_UNKNOWN, which is passed over */
    uint8_t *folds;    /* [n]: see fold_of() */
    double *fitted;    /* [labels][d + 1]: weights, then the bias */
};

MUST_USE enum status regression_init(struct regression *r, size_t n_labels, size_t n,
                                     size_t d); /* ST_NOMEM */
void regression_release(struct regression *r);  /* safe on zeroes */

/* Bytes that regression_init() and the rest take. */
double regression_bytes(size_t n_labels, size_t n, size_t d, size_t threads);

/* The fitted weights of a finding, [d + 1]. */
double *regression_fitted(const struct regression *r, size_t label);

/* Fit all findings. One that no row has, or every row, gets its base rate: a bias alone.
 *   ridge  of the chosen numbers
 *   stop   asked by any thread, one at a time
 * Errors: logistic_fit()'s, of the first finding that has one. */
MUST_USE enum status regression_fit(struct regression *r, double ridge, const struct interruption *stop,
                                    struct pool *pool);

/* The result of a regression of `what`, with its sentence. Returns `st`. */
enum status regression_tell(enum status st, const char *what, struct error *err);

/* The cross-validated loss of each that was tried: cross-entropy, the mean over what is known of findings and pictures as they are. */
struct ridge_choice {
    double ridge; /* with the lowest loss */
    size_t n_tried;
    double loss[MAX_RIDGES];
};

/* Choose the ridge: each fold of the patients is scored by the fit of the others. The larger ridges come first, each fit begins
 * where that of the one before it ended, and two in a row that are worse than the best end it.
 * Errors: regression_fit()'s. */
MUST_USE enum status regression_choose(const struct regression *r, const struct ridges *ridges,
                                       const struct interruption *stop, struct pool *pool,
                                       struct ridge_choice *ret);

#endif
