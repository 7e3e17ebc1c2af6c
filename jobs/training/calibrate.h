/* jobs/training/calibrate.h - fit the last step from logits to probabilities on validation rows.
 *
 * A calibration that is fitted and judged on the same rows always looks better. So each way to fit is judged on rows
 * that it has not seen: five parts by patient, each scored by the fit of the other four. The best way is taken, fitted
 * once more on all rows, if it lowers that loss by more than one standard error, taken by patient (figure.h); otherwise there is no
 * calibration.
 *
 * A line has a prior: its scale and shift are normal about 1 and 0, which change nothing, each with the precision (the inverse of the
 * variance) `precision`; the fit is the maximum a posteriori. Of a shift alone, `precision` weighs as much as four times so many rows
 * whose probability is a half. Of a training, all findings together, a temperature and a line of precision 1 are tried; of a single
 * finding of a site, where positives are few, lines of precision 10 and 100: their step is short, so it improves other rows too, where
 * a line without a prior would follow chance. */
#ifndef JOBS_TRAINING_CALIBRATE_H
#define JOBS_TRAINING_CALIBRATE_H

#include "cxrd/calibration.h"

#include <stddef.h>
#include <stdint.h>

/* All borrowed. */
struct calibration_rows {
    size_t n, n_labels;
    const float *logits;      /* [n][n_labels], before any calibration */
    const uint8_t *truth;     /* [n][n_labels]: 0, 1 or TRUTH_UNKNOWN, which is passed over */
    const uint64_t *patients; /* [n]: rows of the same patient stay in one part */
    const double *log_odds;   /* [n_labels]: of the training rows' base rates, finite */
};

struct calibration_fit {
    struct calibration calibration;
    double loss_before,
        loss_after; /* mean over what is known; after: of rows that the fit has not seen. NaN: nothing is */
};

enum calibration_of { CALIBRATION_OF_TRAINING, CALIBRATION_OF_SITE };

/* Errors: ST_NOMEM. */
MUST_USE enum status calibrate(const struct calibration_rows *rows, enum calibration_of of,
                               struct calibration_fit *ret);

/* One way to fit, on the rows whose part is not `left_out` (all of them where `parts` is NULL). */
void calibrate_temperature(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                           struct calibration *ret);
void calibrate_platt(const struct calibration_rows *rows, const uint8_t *parts, uint8_t left_out,
                     double precision, struct calibration *ret);

#endif
