/* jobs/training/metrics.c - see cxrd/metrics.h. */
#include "cxrd/metrics.h"

#include "column.h"

#include <math.h>
#include <stdlib.h>

size_t metrics_known(size_t n, const uint8_t *truth, size_t stride)
{
    size_t known = 0;

    for (size_t i = 0; i < n; i++)
        known += truth[i * stride] < TRUTH_UNKNOWN;
    return known;
}

enum status metrics_auroc(size_t n, const uint8_t *truth, const float *score, size_t stride,
                          double *ret_auroc)
{
    size_t known, positives;
    struct scored *rows = column_sorted(n, truth, score, stride, &known);

    if (!rows)
        return ST_NOMEM;
    *ret_auroc = column_auroc(rows, known, &positives);
    free(rows);
    return ST_OK;
}

enum status metrics_average_precision(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                      double *ret_precision)
{
    size_t known, positives = 0;
    struct scored *rows = column_sorted(n, truth, score, stride, &known);
    double sum = 0;

    if (!rows)
        return ST_NOMEM;
    for (size_t i = 0, end; i < known; i = end) {
        size_t in_run = 0;

        end = run_end(rows, known, i, &in_run);
        positives += in_run;
        sum += (double)in_run * (double)positives / (double)end;
    }
    *ret_precision = positives && column_ranks(rows, known) ? sum / (double)positives : NAN;
    free(rows);
    return ST_OK;
}

double metrics_brier(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    const size_t known = metrics_known(n, truth, stride);
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)score[i * stride] - (double)truth[i * stride];

        sum += truth[i * stride] < TRUTH_UNKNOWN ? d * d : 0;
    }
    return known ? sum / (double)known : NAN;
}

enum { BINS = 10 };

static size_t bin_of(double p) { return p < 1 ? (size_t)(p * BINS) : BINS - 1; }

double metrics_ece(size_t n, const uint8_t *truth, const float *score, size_t stride)
{
    const size_t known = metrics_known(n, truth, stride);
    double excess[BINS] = { 0 }, sum = 0; /* sum of score - truth in each bin */

    for (size_t i = 0; i < n; i++) {
        const double p = (double)score[i * stride];

        if (truth[i * stride] < TRUTH_UNKNOWN)
            excess[bin_of(p)] += p - (double)truth[i * stride];
    }
    for (size_t b = 0; b < BINS; b++)
        sum += fabs(excess[b]);
    return known ? sum / (double)known : NAN;
}

void metrics_ece_expected(size_t n, const uint8_t *truth, const float *score, size_t stride, double *ret_mean,
                          double *ret_sd)
{
    const size_t known = metrics_known(n, truth, stride);
    double v[BINS] = { 0 }, mean = 0, variance = 0;

    for (size_t i = 0; i < n; i++) {
        const double p = (double)score[i * stride];

        if (truth[i * stride] < TRUTH_UNKNOWN)
            v[bin_of(p)] += p * (1 - p);
    }
    for (size_t b = 0; b < BINS; b++) {
        const double normal = sqrt(2 * v[b] / M_PI), of_bin = 2 * v[b] < normal ? 2 * v[b] : normal;

        mean += of_bin;
        variance += v[b] - of_bin * of_bin;
    }
    *ret_mean = known ? mean / (double)known : NAN;
    *ret_sd = known ? sqrt(variance) / (double)known : NAN;
}

void metrics_top5(size_t n, size_t n_labels, const uint8_t *truth, const float *score, size_t *ret_hits,
                  size_t *ret_rows)
{
    *ret_hits = *ret_rows = 0;
    for (size_t i = 0; i < n; i++, truth += n_labels, score += n_labels) {
        size_t first = 0, above = 0;

        while (first < n_labels && truth[first] != 1)
            first++;
        if (first == n_labels)
            continue;
        for (size_t k = 0; k < n_labels; k++)
            above += truth[k] < TRUTH_UNKNOWN && !(score[k] <= score[first]); /* no number is no hit */
        ++*ret_rows;
        *ret_hits += above < 5;
    }
}

double metrics_loss_sum(size_t n, size_t n_labels, const uint8_t *truth, const float *score)
{
    double sum = 0;

    for (size_t i = 0; i < n * n_labels; i++) {
        const double s = (double)score[i], p = isnan(s) ? s : fmin(fmax(s, 1e-7), 1 - 1e-7);

        if (truth[i] < TRUTH_UNKNOWN)
            sum -= truth[i] ? log(p) : log1p(-p);
    }
    return sum;
}
