/* jobs/training/metrics.c - see cxrd/metrics.h. */
#include "cxrd/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct scored {
    float score;
    bool positive;
};

static int by_score_descending(const void *a, const void *b)
{
    const float p = ((const struct scored *)a)->score, q = ((const struct scored *)b)->score;

    return (p < q) - (p > q);
}

/* One column, highest score first; NULL when there is no memory. */
static struct scored *column_sorted(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    struct scored *rows = malloc((n + 1) * sizeof *rows);

    for (size_t i = 0; rows && i < n; i++)
        rows[i] = (struct scored){ score[i * stride], truth[i * stride] != 0 };
    if (rows)
        qsort(rows, n, sizeof *rows, by_score_descending);
    return rows;
}

/* The run of equal scores that begins at `i`: returns its end, adds its positives to *positives. */
static size_t run_end(const struct scored *rows, size_t n, size_t i, size_t *positives)
{
    const float score = rows[i].score;

    for (; i < n && rows[i].score == score; i++)
        *positives += rows[i].positive;
    return i;
}

enum status metrics_auroc(size_t n, const uint8_t *truth, const float *score, size_t stride,
                          double *ret_auroc)
{
    struct scored *rows = column_sorted(n, truth, score, stride);
    size_t positives = 0, negatives = 0;
    double wins = 0; /* pairs of a positive and a negative that are in the right order; ties are half */

    if (!rows)
        return ST_NOMEM;
    for (size_t i = 0, end; i < n; i = end) {
        size_t in_run = 0;

        end = run_end(rows, n, i, &in_run);
        wins += (double)(end - i - in_run) * ((double)positives + (double)in_run / 2);
        positives += in_run;
        negatives += end - i - in_run;
    }
    free(rows);
    *ret_auroc = positives && negatives ? wins / ((double)positives * (double)negatives) : NAN;
    return ST_OK;
}

enum status metrics_average_precision(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                      double *ret_precision)
{
    struct scored *rows = column_sorted(n, truth, score, stride);
    size_t positives = 0;
    double sum = 0;

    if (!rows)
        return ST_NOMEM;
    for (size_t i = 0, end; i < n; i = end) {
        size_t in_run = 0;

        end = run_end(rows, n, i, &in_run);
        positives += in_run;
        sum += (double)in_run * (double)positives / (double)end;
    }
    free(rows);
    *ret_precision = positives ? sum / (double)positives : NAN;
    return ST_OK;
}

double metrics_brier(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)score[i * stride] - (double)truth[i * stride];

        sum += d * d;
    }
    return n ? sum / (double)n : NAN;
}

double metrics_ece(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    enum { BINS = 10 };
    double excess[BINS] = { 0 }, sum = 0; /* sum of score - truth in each bin */

    for (size_t i = 0; i < n; i++) {
        const double p = (double)score[i * stride];
        const size_t bin = p < 1 ? (size_t)(p * BINS) : BINS - 1;

        excess[bin] += p - (double)truth[i * stride];
    }
    for (size_t b = 0; b < BINS; b++)
        sum += fabs(excess[b]);
    return n ? sum / (double)n : NAN;
}

void metrics_top5(size_t n, const uint8_t *truth, const float *score, size_t *ret_hits, size_t *ret_rows)
{
    *ret_hits = *ret_rows = 0;
    for (size_t i = 0; i < n; i++, truth += N_LABELS, score += N_LABELS) {
        size_t first = 0, above = 0;

        while (first < N_LABELS && !truth[first])
            first++;
        if (first == N_LABELS)
            continue;
        for (size_t k = 0; k < N_LABELS; k++)
            above += score[k] > score[first];
        ++*ret_rows;
        *ret_hits += above < 5;
    }
}

double metrics_loss_sum(size_t n, const uint8_t *truth, const float *score)
{
    double sum = 0;

    for (size_t i = 0; i < n * N_LABELS; i++) {
        const double p = fmin(fmax((double)score[i], 1e-7), 1 - 1e-7);

        sum -= truth[i] ? log(p) : log1p(-p);
    }
    return sum;
}
