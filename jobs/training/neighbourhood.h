/* jobs/training/neighbourhood.h - whether rows that are near one another have the same findings: what a map of them shows, as a
 * number that can be compared with chance. */
#ifndef JOBS_TRAINING_NEIGHBOURHOOD_H
#define JOBS_TRAINING_NEIGHBOURHOOD_H

#include "cxrd/labels.h"
#include "figure.h"

enum { NEIGHBOURS = 10 };

/* Of the rows that have a finding: which part of their NEIGHBOURS nearest rows has it too, and which part of all rows that
 * could be among them. Rows of the same patient do not count as neighbours: they are alike whatever the finding. Parts are of the
 * rows of which the finding is known. */
struct neighbourhood {
    size_t rows; /* that have it, and a neighbour of which it is known */
    struct estimate near;
    double by_chance; /* both NaN without such a row */
};

/*   x      [n][k]
 *   truth  [n][n_labels]: 0, 1 or TRUTH_UNKNOWN of metrics.h
 *   ret    [n_labels]; all NaN where a row has fewer than NEIGHBOURS others
 * Errors: ST_NOMEM. */
MUST_USE enum status neighbourhoods(size_t n, size_t k, const double *x, const struct patients *patients,
                                    size_t n_labels, const uint8_t *truth, struct neighbourhood *ret);

#endif
