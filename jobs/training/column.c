/* jobs/training/column.c - see column.h. */
#include "column.h"

#include "cxrd/metrics.h"

#include <math.h>
#include <stdlib.h>

static int by_score_descending(const void *a, const void *b)
{
    const float p = ((const struct scored *)a)->score, q = ((const struct scored *)b)->score;

    if (isnan(p) || isnan(q))
        return (isnan(p) != 0) - (isnan(q) != 0);
    return (p < q) - (p > q);
}

struct scored *column_sorted(size_t n, const uint8_t *truth, const float *score, size_t stride, size_t *ret_n)
{
    struct scored *rows = malloc((n + 1) * sizeof *rows);

    *ret_n = 0;
    for (size_t i = 0; rows && i < n; i++)
        if (truth[i * stride] < TRUTH_UNKNOWN)
            rows[(*ret_n)++] = (struct scored){ score[i * stride], (uint32_t)i, truth[i * stride] != 0 };
    if (rows)
        qsort(rows, *ret_n, sizeof *rows, by_score_descending);
    return rows;
}

bool column_ranks(const struct scored *rows, size_t n) { return n == 0 || !isnan(rows[n - 1].score); }

size_t run_end(const struct scored *rows, size_t n, size_t i, size_t *positives)
{
    const float score = rows[i].score;

    do
        *positives += rows[i++].positive;
    while (i < n && rows[i].score == score);
    return i;
}

double column_auroc(const struct scored *rows, size_t n, size_t *ret_positives)
{
    size_t positives = 0, negatives = 0;
    double wins = 0; /* pairs of a positive and a negative that are in the right order; ties are half */

    for (size_t i = 0, end; i < n; i = end) {
        size_t in_run = 0;

        end = run_end(rows, n, i, &in_run);
        wins += (double)(end - i - in_run) * ((double)positives + (double)in_run / 2);
        positives += in_run;
        negatives += end - i - in_run;
    }
    *ret_positives = positives;
    return positives && negatives && column_ranks(rows, n) ? wins / ((double)positives * (double)negatives)
                                                           : NAN;
}
