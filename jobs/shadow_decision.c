/* jobs/shadow_decision.c - see cxrd/shadow_decision.h. */
#include "cxrd/shadow_decision.h"

#include <math.h>
#include <stdio.h>

static const double LEVEL = 0.05;

/* The finding with the most pictures that only one of the two calls, by the upper end of its interval. Where no finding has a verdict of
 * both: the number of findings. */
static size_t most_discordant(const struct shadow_counts *c, struct estimate *ret)
{
    size_t found = c->labels.n;

    *ret = (struct estimate){ NAN, NAN, NAN, NAN };
    for (size_t k = 0; k < c->labels.n; k++) {
        const struct estimate e = shadow_figures(c, k).discordance;

        if (isfinite(e.high) && !(e.high <= ret->high)) {
            *ret = e;
            found = k;
        }
    }
    return found;
}

static bool agrees(const struct shadow_counts *c, double discordance, char reason[REASON_TEXT])
{
    struct estimate e;
    const size_t k = most_discordant(c, &e);

    if (c->failed > 0)
        snprintf(reason, REASON_TEXT, "it could not answer %llu of %llu pictures",
                 (unsigned long long)c->failed,
                 (unsigned long long)c->pictures + (unsigned long long)c->failed);
    else if (k == c->labels.n)
        snprintf(reason, REASON_TEXT,
                 "no finding has a verdict of both models, so that they cannot be compared");
    else if (!(e.high <= discordance))
        snprintf(reason, REASON_TEXT,
                 "one of the two models alone calls %s in %.1f %% of %llu pictures (95 %%: up to %.1f %%), "
                 "which is "
                 "not surely within the %.1f %% that are allowed",
                 c->labels.names[k], 100 * e.value, (unsigned long long)c->pictures, 100 * e.high,
                 100 * discordance);
    else
        return true;
    return false;
}

/* A rate that is lower beyond chance, over `tests` of them; `m` of the sensitivity or specificity of a finding. */
static bool is_lower(const struct mcnemar *m, size_t tests)
{
    return m->pictures > 0 && m->gain.value < 0 && m->p < LEVEL / (double)tests;
}

static size_t count_tests(const struct feedback_paired *f, size_t n)
{
    size_t tests = 0;

    for (size_t k = 0; k < n; k++)
        tests += (size_t)(f->sensitivity[k].pictures > 0) + (size_t)(f->specificity[k].pictures > 0);
    return tests;
}

static bool readers_agree(const struct feedback_paired *f, const struct labels *labels,
                          char reason[REASON_TEXT])
{
    const struct estimate *gain = &f->auroc.macro.gain;
    const size_t tests = count_tests(f, labels->n);

    if (gain->high < 0) {
        snprintf(
            reason, REASON_TEXT,
            "by what readers say of %zu pictures its macro AUROC is lower by %.4f (95 %%: by %.4f at least)",
            f->pictures, -gain->value, -gain->high);
        return false;
    }
    for (size_t k = 0; k < labels->n; k++)
        for (int which = 0; which < 2; which++) {
            const struct mcnemar *m = which ? &f->specificity[k] : &f->sensitivity[k];

            if (is_lower(m, tests)) {
                snprintf(
                    reason, REASON_TEXT,
                    "by what readers say its %s to %s is lower by %.4f (McNemar's p = %.2g, of %zu tests)",
                    which ? "specificity" : "sensitivity", labels->names[k], -m->gain.value, m->p, tests);
                return false;
            }
        }
    return true;
}

bool shadow_decide(const struct shadow_counts *counts, double discordance,
                   const struct feedback_paired *feedback, char ret_reason[REASON_TEXT])
{
    if (!agrees(counts, discordance, ret_reason))
        return false;
    if (feedback && !readers_agree(feedback, &counts->labels, ret_reason))
        return false;
    if (feedback)
        snprintf(ret_reason, REASON_TEXT,
                 "it was in the shadow of %llu pictures, no finding is called by one of the two models alone "
                 "in more than "
                 "%.1f %%, and readers, of %zu pictures, do not say that it is worse",
                 (unsigned long long)counts->pictures, 100 * discordance, feedback->pictures);
    else
        snprintf(ret_reason, REASON_TEXT,
                 "it was in the shadow of %llu pictures, and no finding is called by one of the two models "
                 "alone in more "
                 "than %.1f %%; readers spoke of none of them",
                 (unsigned long long)counts->pictures, 100 * discordance);
    return true;
}
