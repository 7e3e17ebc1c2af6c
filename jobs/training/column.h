/* jobs/training/column.h - one finding's scores in falling order, as every measure of ranking reads them.
 *
 * Equal scores form a run and are taken together: no threshold can part them. */
#ifndef JOBS_TRAINING_COLUMN_H
#define JOBS_TRAINING_COLUMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scored {
    float score;
    uint32_t row; /* its place in the column */
    bool positive;
};

/* Those of a column of `n` values whose truth is 0 or 1, highest score first and what is no number last; the caller's (free()),
 * NULL without memory.
 *   ret_n  how many they are */
struct scored *column_sorted(size_t n, const uint8_t *truth, const float *score, size_t stride,
                             size_t *ret_n);

/* Whether all of a sorted column are numbers: what is not has no place in an order, and no measure of it means anything. */
bool column_ranks(const struct scored *rows, size_t n);

/* The area under the ROC curve of a sorted column (cxrd/metrics.h), and how many positives it has. NaN without a positive,
 * without a negative, or where a score is no number. */
double column_auroc(const struct scored *rows, size_t n, size_t *ret_positives);

/* The run of equal scores that begins at `i` < n: returns its end, which is beyond `i`, adds its positives to *positives. */
size_t run_end(const struct scored *rows, size_t n, size_t i, size_t *positives);

#endif
