/* jobs/training/operating.c - see operating.h. Rules compare counts, so that 9 of 10 is 0.9. */
#include "operating.h"

#include "column.h"
#include "cxrd/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* The effect of a threshold at the end of a run of equal scores: rows at or above it. */
struct cut {
    float threshold;
    uint64_t hits, alarms; /* positives, negatives at or above */
};

struct totals {
    uint64_t positives, negatives;
};

/* A rule, see operating_choose_by(). */
struct rule {
    enum operating_kind kind;
    double at;
};

/* A part of a whole number, less what its rounding could add. */
static bool reaches(uint64_t part, uint64_t all, double at)
{
    return (double)part >= (at - 1e-9) * (double)all;
}

static bool allowed(const struct rule *rule, const struct cut *c, const struct totals *all)
{
    switch (rule->kind) {
    case OPERATE_SENSITIVITY_90: return reaches(c->hits, all->positives, rule->at);
    case OPERATE_SPECIFICITY_90: return reaches(all->negatives - c->alarms, all->negatives, rule->at);
    case OPERATE_YOUDEN:
    case N_OPERATING: break;
    }
    return true;
}

/* Whether `c` is better than `best` by the rule. Cuts come from the highest threshold down, so hits and alarms
 * only grow. */
static bool better(const struct rule *rule, const struct cut *c, const struct cut *best,
                   const struct totals *all)
{
    const uint64_t more_hits = c->hits - best->hits, more_alarms = c->alarms - best->alarms;

    switch (rule->kind) {
    case OPERATE_SENSITIVITY_90: return more_alarms == 0 && more_hits > 0;
    case OPERATE_SPECIFICITY_90: return more_hits > 0;
    case OPERATE_YOUDEN: return more_hits * all->negatives > more_alarms * all->positives;
    case N_OPERATING: break;
    }
    return false;
}

/* The threshold of each of `n_rules` rules. */
static enum status choose(size_t n, const uint8_t *truth, const float *score, size_t stride,
                          const struct rule *rules, size_t n_rules, float *ret_threshold)
{
    size_t known;
    struct scored *rows = column_sorted(n, truth, score, stride, &known);
    struct cut best[N_OPERATING], c = { 0 };
    struct totals all = { 0 };

    if (!rows)
        return ST_NOMEM;
    for (size_t i = 0; i < known; i++)
        all.positives += rows[i].positive;
    all.negatives = known - all.positives;
    for (size_t r = 0; r < n_rules; r++)
        best[r] = (struct cut){ .threshold = NAN };
    for (size_t i = 0, end; i < known && all.positives && all.negatives && column_ranks(rows, known);
         i = end) {
        size_t in_run = 0;

        end = run_end(rows, known, i, &in_run);
        c = (struct cut){ rows[i].score, c.hits + in_run, c.alarms + (end - i - in_run) };
        for (size_t r = 0; r < n_rules; r++)
            if (allowed(&rules[r], &c, &all) &&
                (isnan(best[r].threshold) || better(&rules[r], &c, &best[r], &all)))
                best[r] = c;
    }
    free(rows);
    for (size_t r = 0; r < n_rules; r++)
        ret_threshold[r] = best[r].threshold;
    return ST_OK;
}

enum status operating_choose(size_t n, const uint8_t *truth, const float *score, size_t stride,
                             float ret_threshold[N_OPERATING])
{
    static const struct rule RULES[N_OPERATING] = { { OPERATE_YOUDEN, 0 },
                                                    { OPERATE_SENSITIVITY_90, 0.9 },
                                                    { OPERATE_SPECIFICITY_90, 0.9 } };

    return choose(n, truth, score, stride, RULES, N_OPERATING, ret_threshold);
}

enum status operating_choose_by(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                enum operating_kind kind, double at, float *ret_threshold)
{
    return choose(n, truth, score, stride, &(struct rule){ kind, at }, 1, ret_threshold);
}

struct operating_rates operating_rates(size_t n, const uint8_t *truth, const float *score, size_t stride,
                                       float threshold)
{
    const size_t known = metrics_known(n, truth, stride);
    size_t positives = 0, hits = 0, alarms = 0;

    if (isnan(threshold))
        return (struct operating_rates){ NAN, NAN };
    for (size_t i = 0; i < n; i++) {
        const bool above = score[i * stride] >= threshold;

        positives += truth[i * stride] == 1;
        hits += truth[i * stride] == 1 && above;
        alarms += truth[i * stride] == 0 && above;
    }
    return (struct operating_rates){
        positives ? (double)hits / (double)positives : NAN,
        known > positives ? 1 - (double)alarms / (double)(known - positives) : NAN,
    };
}
