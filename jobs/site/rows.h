/* jobs/site/rows.h - the rows of a site, as a profile is fitted to and held against them. */
#ifndef JOBS_SITE_ROWS_H
#define JOBS_SITE_ROWS_H

#include "../training/scores_read.h"

struct site_rows {
    struct read_scores file;
    struct patients patients;
    double *values; /* [rows], room */
    float *here;    /* [rows][labels]: probabilities here, once they are known */
};

/* Read them. Errors: site_profile_fit()'s. */
MUST_USE enum status site_rows_read(const char *path, const char *split, const struct labels *labels,
                                    struct site_rows *ret, struct error *err);
void site_rows_release(struct site_rows *r); /* safe on zeroes */

/* How a threshold does on one finding's column, or, where `thresholds` is not NULL, each row by its own.
 *   score, truth  the first of the column
 * Errors: ST_NOMEM. */
MUST_USE enum status site_rates(struct site_rows *r, const uint8_t *truth, const float *score,
                                float threshold, const float *thresholds, struct operating_quality *ret);

#endif
