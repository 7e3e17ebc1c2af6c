/* jobs/training/column.c - see column.h. */
#include "column.h"

#include <math.h>
#include <stdlib.h>

static int by_score_descending(const void *a, const void *b)
{
    const float p = ((const struct scored *)a)->score, q = ((const struct scored *)b)->score;

    if (isnan(p) || isnan(q))
        return (isnan(p) != 0) - (isnan(q) != 0);
    return (p < q) - (p > q);
}

struct scored *column_sorted(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    struct scored *rows = malloc((n + 1) * sizeof *rows);

    for (size_t i = 0; rows && i < n; i++)
        rows[i] = (struct scored){ score[i * stride], truth[i * stride] != 0 };
    if (rows)
        qsort(rows, n, sizeof *rows, by_score_descending);
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
