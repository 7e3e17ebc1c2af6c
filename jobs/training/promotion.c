/* jobs/training/promotion.c - see cxrd/promotion.h. */
#include "cxrd/promotion.h"

#include <math.h>
#include <stdio.h>

static bool has_auroc(const struct evaluation *e, size_t k)
{
    return e->findings[k].positives > 0 && e->findings[k].positives < e->rows;
}

/* The first thing that is no number and should be one; NULL where there is none. */
static const char *find_nan(const struct evaluation *e)
{
    if (!isfinite(e->loss.value))
        return "loss";
    if (!isfinite(e->macro.auroc))
        return "macro AUROC";
    for (size_t k = 0; k < N_LABELS; k++)
        if (has_auroc(e, k) && !isfinite(e->findings[k].auroc.value))
            return LABELS[k];
    return NULL;
}

/* The finding whose AUROC falls most, and by how much; N_LABELS where none has one. */
static size_t worst(const struct evaluation *candidate, const struct evaluation *active, double *ret_drop)
{
    size_t found = N_LABELS;

    *ret_drop = -INFINITY;
    for (size_t k = 0; k < N_LABELS; k++) {
        const double drop = active->findings[k].auroc.value - candidate->findings[k].auroc.value;

        if (has_auroc(candidate, k) && drop > *ret_drop) {
            *ret_drop = drop;
            found = k;
        }
    }
    return found;
}

bool promotion_decide(const struct train_config *c, const struct evaluation *candidate,
                      const struct evaluation *active, char ret_reason[REASON_TEXT])
{
    const double gain = candidate->macro.auroc - active->macro.auroc;
    const char *nan = find_nan(candidate);
    double drop;
    size_t k;

    if (nan || (nan = find_nan(active))) {
        snprintf(ret_reason, REASON_TEXT, "a figure that both need is no number: %s", nan);
        return false;
    }
    if (gain < c->promote_margin) {
        snprintf(ret_reason, REASON_TEXT,
                 "macro AUROC %.4f against %.4f of the active model: a gain of %.4f, %.4f are asked for",
                 candidate->macro.auroc, active->macro.auroc, gain, c->promote_margin);
        return false;
    }
    k = worst(candidate, active, &drop);
    if (k < N_LABELS && drop > c->promote_max_drop) {
        snprintf(ret_reason, REASON_TEXT, "the AUROC of %s falls by %.4f, %.4f at most are allowed",
                 LABELS[k], drop, c->promote_max_drop);
        return false;
    }
    snprintf(ret_reason, REASON_TEXT,
             "macro AUROC %.4f against %.4f of the active model, and no finding falls by more than %.4f",
             candidate->macro.auroc, active->macro.auroc, c->promote_max_drop);
    return true;
}

static json_t *pair_json(const char *label, double active, double candidate)
{
    json_t *pair = json_pack("{s:o,s:o,s:o}", "active", number_or_null(active), "candidate",
                             number_or_null(candidate), "gain", number_or_null(candidate - active));

    if (label)
        json_object_set_new(pair, "label", json_string(label));
    return pair;
}

const char *promotion_warning(enum lineage candidate, enum lineage active)
{
    const bool ours = lineage_warning(candidate) != NULL, theirs = lineage_warning(active) != NULL;

    if (ours && theirs)
        return "either model may have learned from these validation rows, and so look better than it is";
    if (theirs)
        return "the active model may have learned from these validation rows, and so look better than it is";
    if (ours)
        return "the job's model began from one that may have learned from these validation rows, and so may "
               "look "
               "better than it is";
    return NULL;
}

static json_t *comparison_json(const char *active_id, const struct train_result *result)
{
    const struct evaluation *candidate = &result->evaluation[SCORED_VALIDATION],
                            *active = &result->rival_evaluation;
    json_t *findings = json_array();

    for (size_t k = 0; k < N_LABELS; k++)
        json_array_append_new(findings, pair_json(LABELS[k], active->findings[k].auroc.value,
                                                  candidate->findings[k].auroc.value));
    return json_pack("{s:s,s:s,s:I,s:o,s:o}", "active", active_id, "active_split",
                     LINEAGE_NAMES[result->rival_split], "rows", (json_int_t)candidate->rows, "macro_auroc",
                     pair_json(NULL, active->macro.auroc, candidate->macro.auroc), "findings", findings);
}

json_t *promotion_json(const struct train_config *c, bool promoted, const char *reason, const char *active_id,
                       const struct train_result *result)
{
    const char *warning =
        active_id ? promotion_warning(result->dataset.init_split, result->rival_split) : NULL;

    return json_pack("{s:s,s:b,s:s,s:s?,s:f,s:f,s:o}", "promote", promote_name(c->promote), "promoted",
                     promoted, "reason", reason, "warning", warning, "margin", c->promote_margin, "max_drop",
                     c->promote_max_drop, "comparison",
                     active_id ? comparison_json(active_id, result) : json_null());
}
