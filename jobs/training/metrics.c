/* jobs/training/metrics.c - see cxrd/metrics.h. */
#include "cxrd/metrics.h"

#include "column.h"

#include <math.h>
#include <stdlib.h>

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
    *ret_auroc = positives && negatives && column_ranks(rows, n)
                     ? wins / ((double)positives * (double)negatives)
                     : NAN;
    free(rows);
    return ST_OK;
}

/* The sums of squares of DeLong's structural components about the area: of each positive, the part of the negatives
 * that it beats; of each negative, the part of the positives that beat it. */
static void spread(const struct scored *rows, size_t n, double positives, double negatives, double area,
                   double *ret_of_positives, double *ret_of_negatives)
{
    double p_above = 0, n_above = 0;

    *ret_of_positives = *ret_of_negatives = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t in_run = 0;
        double p, q, beats, beaten;

        end = run_end(rows, n, i, &in_run);
        p = (double)in_run;
        q = (double)(end - i - in_run);
        beats = (negatives - n_above - q / 2) / negatives;
        beaten = (p_above + p / 2) / positives;
        *ret_of_positives += p * (beats - area) * (beats - area);
        *ret_of_negatives += q * (beaten - area) * (beaten - area);
        p_above += p;
        n_above += q;
    }
}

enum status metrics_auroc_interval(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                   double *ret_low, double *ret_high)
{
    struct scored *rows = column_sorted(n, truth, score, stride);
    double area, of_positives, of_negatives, half;
    size_t positives = 0;
    enum status st = rows ? metrics_auroc(n, truth, score, stride, &area) : ST_NOMEM;

    if (st == ST_OK) {
        for (size_t i = 0; i < n; i++)
            positives += rows[i].positive;
        *ret_low = *ret_high = NAN;
    }
    if (st == ST_OK && positives > 1 && n - positives > 1 && column_ranks(rows, n)) {
        const double p = (double)positives, q = (double)(n - positives);

        spread(rows, n, p, q, area, &of_positives, &of_negatives);
        half = 1.959963984540054 * sqrt(of_positives / (p - 1) / p + of_negatives / (q - 1) / q);
        *ret_low = fmax(area - half, 0);
        *ret_high = fmin(area + half, 1);
    }
    free(rows);
    return st;
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
    *ret_precision = positives && column_ranks(rows, n) ? sum / (double)positives : NAN;
    free(rows);
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
            above += !(score[k] <= score[first]); /* no number is no hit */
        ++*ret_rows;
        *ret_hits += above < 5;
    }
}

double metrics_loss_sum(size_t n, const uint8_t *truth, const float *score)
{
    double sum = 0;

    for (size_t i = 0; i < n * N_LABELS; i++) {
        const double s = (double)score[i], p = isnan(s) ? s : fmin(fmax(s, 1e-7), 1 - 1e-7);

        sum -= truth[i] ? log(p) : log1p(-p);
    }
    return sum;
}
