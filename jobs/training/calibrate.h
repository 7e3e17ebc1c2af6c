/* jobs/training/calibrate.h - fit the last step from logits to probabilities on validation rows.
 *
 * A calibration that is fitted and judged on the same rows always looks better. So each way to fit is judged on rows
 * that it has not seen: five parts by patient, each scored by the fit of the other four. The best way is taken, fitted
 * once more on all rows, if it lowers that loss by more than one standard error, taken by patient (figure.h); otherwise there is no
 * calibration.
 *
 * A line has a prior: its scale and shift are normal about 1 and 0, "as it is", with a precision of `faith` each (maximum a
 * posteriori; of a shift alone, `faith` weighs as many rows whose probability is a half as four times that). Of all findings of a
 * training a temperature and a line with hardly any faith are tried, of a single finding of a site, where positives are few, lines with
 * much: such a step is short, and so it goes the right way on other rows, too, where a free line follows chance. */
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
                     double faith, struct calibration *ret);

#endif
