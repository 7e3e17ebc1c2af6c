/* include/cxrd/metrics.h - how good are scores? Pure functions over arrays.
 *
 * Truth is 0, 1 or TRUTH_UNKNOWN, a score is a probability. An unknown truth takes no part in a measure: it is as if the row
 * were not in the column. A column of a table [n][labels] is its first element and the stride `labels`; the
 * whole table as one column has stride 1. Where a measure is not defined, because there is no positive or no
 * negative row, or a score is NaN, the result is NaN. */
#ifndef CXRD_METRICS_H
#define CXRD_METRICS_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

enum { TRUTH_UNKNOWN = 2 }; /* as a truth: whether the finding is there is not known */

/* How many truths of a column are known. */
size_t metrics_known(size_t n, const uint8_t *truth, size_t stride);

/* Area under the ROC curve: the chance that a positive row scores above a negative one, ties one half (the
 * Mann-Whitney statistic; Hanley & McNeil, Radiology 1982).
 *   ret_auroc  NaN without a positive or without a negative
 * Errors: ST_NOMEM. */
MUST_USE enum status metrics_auroc(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                   double *ret_auroc);

/* Average precision: the sum over distinct thresholds of (recall step) * precision, as scikit-learn defines it.
 * NaN without a positive. Errors: ST_NOMEM. */
MUST_USE enum status metrics_average_precision(size_t n, const uint8_t *truth, const float *score,
                                               size_t stride, double *ret_precision);

/* Mean squared difference of score and truth (Brier, 1950). NaN where no truth is known. */
double metrics_brier(size_t n, const uint8_t *truth, const float *score, size_t stride);

/* Expected calibration error: over 10 bins of equal width, the sum of (rows in the bin / n) * |mean score - rate of
 * positives|. A score of exactly 1 is in the last bin. NaN where no truth is known. */
double metrics_ece(size_t n, const uint8_t *truth, const float *score, size_t stride);

/* The ECE that scores without any fault would have on as many rows, where each truth is drawn by its score: few rows never
 * agree with a probability. In a bin the difference of sums has the variance v = sum of p (1 - p); its absolute value is
 * taken as that of a normal one, sqrt(2 v / pi), and is never more than 2 v. Rows count as independent.
 *   truth             only which of them are known
 *   ret_mean, ret_sd  NaN where none is */
void metrics_ece_expected(size_t n, const uint8_t *truth, const float *score, size_t stride, double *ret_mean,
                          double *ret_sd);

/* Keras' TopKCategoricalAccuracy(5) on multi-hot rows: a row is a hit when fewer than five of its scores are strictly
 * greater than the score of its first positive finding in class order. Counts hits, and rows that have a positive;
 * the others are left out, and of a row what is not known. A NaN counts as greater. */
void metrics_top5(size_t n, size_t n_labels, const uint8_t *truth, const float *score, size_t *ret_hits,
                  size_t *ret_rows);

/* Binary cross-entropy of probabilities, summed over all findings of n rows that are known; probabilities are kept 1e-7 from 0
 * and 1, as Keras does. */
double metrics_loss_sum(size_t n, size_t n_labels, const uint8_t *truth, const float *score);

/* How right one row is as a whole, where several findings may be there and some of them be right: as scikit-learn defines the
 * mean over rows of each (hamming_loss, accuracy_score, f1_score and jaccard_score with average="samples" and zero_division=0,
 * label_ranking_average_precision_score, coverage_error, label_ranking_loss). The first four are of the findings that are
 * called, those whose score is at or above their threshold; the others of the order that the scores put the findings in. All
 * are of the findings that are known of the row. */
enum sample_measure {
    SAMPLE_HAMMING_LOSS,    /* part of the findings that is wrong */
    SAMPLE_SUBSET_ACCURACY, /* 1: all are right */
    SAMPLE_F1,              /* 2 * both / (there + called); 0 where nothing is there or called */
    SAMPLE_JACCARD,         /* both / either; 0 where nothing is there or called */
    N_CALL_MEASURES,
    SAMPLE_RANKING_PRECISION =
        N_CALL_MEASURES, /* mean over the findings that are there: of those that score as high or higher,
                                                   the part that is there; 1 where none or all are */
    SAMPLE_COVERAGE_ERROR, /* how many of the highest scores it takes to have all that are there, with all ties; 0: none is */
    SAMPLE_RANKING_LOSS, /* pairs of one that is there and one that is not, in the wrong order or tied, of all; 0 without one */
    N_SAMPLE_MEASURES
};
extern const char *const SAMPLE_MEASURE_NAMES[N_SAMPLE_MEASURES];

/* Of one row.
 *   truth, score  [n_labels]
 *   threshold     [n_labels]; NaN: the finding is not called
 *   ret           NaN where a score is NaN, and where nothing is known */
void metrics_sample(size_t n_labels, const uint8_t *truth, const float *score, const float *threshold,
                    double ret[N_SAMPLE_MEASURES]);

#endif
