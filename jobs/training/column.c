/* jobs/training/column.c - see column.h. */
#include "column.h"

#include <stdlib.h>

static int by_score_descending(const void *a, const void *b)
{
    const float p = ((const struct scored *)a)->score, q = ((const struct scored *)b)->score;

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

size_t run_end(const struct scored *rows, size_t n, size_t i, size_t *positives)
{
    const float score = rows[i].score;

    for (; i < n && rows[i].score == score; i++)
        *positives += rows[i].positive;
    return i;
}
