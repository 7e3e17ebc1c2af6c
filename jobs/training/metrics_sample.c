/* jobs/training/metrics_sample.c - metrics_sample(), see cxrd/metrics.h. */
#include "cxrd/metrics.h"

#include <math.h>
#include <stdbool.h>

const char *const SAMPLE_MEASURE_NAMES[N_SAMPLE_MEASURES] = {
    "hamming_loss",   "subset_accuracy", "f1", "jaccard", "label_ranking_average_precision",
    "coverage_error", "ranking_loss"
};

static void of_calls(size_t n, const uint8_t *truth, const float *score, const float *threshold,
                     double ret[N_SAMPLE_MEASURES])
{
    int there = 0, called = 0, both = 0, wrong;

    for (size_t k = 0; k < n; k++) {
        const int call = score[k] >= threshold[k];

        there += truth[k];
        called += call;
        both += truth[k] && call;
    }
    wrong = there + called - 2 * both;
    ret[SAMPLE_HAMMING_LOSS] = (double)wrong / (double)n;
    ret[SAMPLE_SUBSET_ACCURACY] = wrong == 0;
    ret[SAMPLE_F1] = there + called > 0 ? 2.0 * both / (there + called) : 0;
    ret[SAMPLE_JACCARD] = there + called > 0 ? (double)both / (there + called - both) : 0;
}

/* Findings that score as high as `k` or higher. */
struct above {
    int all, there;
};

static struct above above(size_t n, const uint8_t *truth, const float *score, size_t k)
{
    struct above a = { 0 };

    for (size_t j = 0; j < n; j++)
        if (score[j] >= score[k]) {
            a.all++;
            a.there += truth[j];
        }
    return a;
}

static void of_order(size_t n, const uint8_t *truth, const float *score, double ret[N_SAMPLE_MEASURES])
{
    int there = 0, reversed = 0, covered = 0;
    double precision = 0;

    for (size_t k = 0; k < n; k++) {
        const struct above a = truth[k] ? above(n, truth, score, k) : (struct above){ 0 };

        if (!truth[k])
            continue;
        there++;
        reversed += a.all - a.there;
        covered = a.all > covered ? a.all : covered;
        precision += (double)a.there / a.all;
    }
    ret[SAMPLE_RANKING_PRECISION] = there > 0 ? precision / there : 1;
    ret[SAMPLE_COVERAGE_ERROR] = covered;
    ret[SAMPLE_RANKING_LOSS] =
        there > 0 && there < (int)n ? (double)reversed / (there * ((int)n - there)) : 0;
}

void metrics_sample(size_t n, const uint8_t *truth, const float *score, const float *threshold,
                    double ret[N_SAMPLE_MEASURES])
{
    uint8_t known[MAX_LABELS];
    float said[MAX_LABELS], asked[MAX_LABELS];
    size_t n_known = 0;
    bool numbers = true; /* all scores are */

    for (size_t k = 0; k < n; k++) {
        if (truth[k] >= TRUTH_UNKNOWN)
            continue;
        known[n_known] = truth[k];
        said[n_known] = score[k];
        asked[n_known++] = threshold[k];
        numbers = numbers && !isnan(score[k]);
    }
    of_calls(n_known, known, said, asked, ret);
    of_order(n_known, known, said, ret);
    for (int m = 0; m < N_SAMPLE_MEASURES && (!numbers || n_known == 0); m++)
        ret[m] = NAN;
}
