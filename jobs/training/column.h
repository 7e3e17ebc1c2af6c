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
    bool positive;
};

/* A column of `n` values, highest score first; the caller's (free()), NULL without memory. */
struct scored *column_sorted(size_t n, const uint8_t *truth, const float *score, size_t stride);

/* The run of equal scores that begins at `i`: returns its end, adds its positives to *positives. */
size_t run_end(const struct scored *rows, size_t n, size_t i, size_t *positives);

#endif
