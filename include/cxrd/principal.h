/* include/cxrd/principal.h - principal components of a few rows of many numbers (Pearson 1901).
 *
 * There are fewer rows than numbers in each, so the n x n matrix of their inner products has all that the d x d covariance has:
 * its eigenvectors, times the roots of their eigenvalues, are the rows' places along the components. */
#ifndef CXRD_PRINCIPAL_H
#define CXRD_PRINCIPAL_H

#include "cxrd/pool.h"

#include <stdbool.h>

/* Asked between two pieces of work, none of which takes longer than a fraction of a second; true ends it. */
struct interruption {
    bool (*cancelled)(void *arg); /* NULL: never */
    void *arg;
};

/* Project n rows of d numbers on their first k components.
 *   rows       float32 [n][d], finite; afterwards each column has its mean taken off
 *   ret        [n][k], the first component first; the entry of largest magnitude of each is positive. Components that the rows
 *              do not have are 0
 *   ret_share  the part of all variance that they hold; NaN for rows that are all alike
 * The same bits for any pool. Errors: ST_INVALID (k = 0, k > n), ST_CANCELLED, ST_NUMERIC (a number is not finite), ST_NOMEM. */
MUST_USE enum status principal_components(size_t n, size_t d, float *rows, size_t k, struct pool *pool,
                                          const struct interruption *stop, double *ret, double *ret_share);

#endif
