/* jobs/training/promotion.c - see cxrd/promotion.h. */
#include "cxrd/promotion.h"

#include <math.h>
#include <stdio.h>

/* The first thing that is no number and should be one; NULL where there is none. A finding that neither has is left out. */
static const char *find_nan(const struct comparison *c, const struct labels *labels)
{
    if (!isfinite(c->macro.candidate) || !isfinite(c->macro.active))
        return "macro AUROC";
    for (size_t k = 0; k < labels->n; k++)
        if (isfinite(c->findings[k].candidate) != isfinite(c->findings[k].active))
            return labels->names[k];
    return NULL;
}

/* The finding that falls most beyond doubt: the least that its drop can be is the greatest. None falls: their number. */
static size_t worst(const struct comparison *c, size_t n_labels, double *ret_drop)
{
    size_t found = n_labels;

    *ret_drop = 0;
    for (size_t k = 0; k < n_labels; k++)
        if (-c->findings[k].gain.high > *ret_drop) {
            *ret_drop = -c->findings[k].gain.high;
            found = k;
        }
    return found;
}

bool promotion_decide(const struct train_config *c, const struct comparison *on, char ret_reason[REASON_TEXT])
{
    const struct compared *macro = &on->macro;
    const char *nan = find_nan(on, &c->labels);
    double drop;
    const size_t k = worst(on, c->labels.n, &drop);

    if (nan)
        snprintf(ret_reason, REASON_TEXT, "a figure that both need is no number: %s", nan);
    else if (on->narrower && !c->promote_narrower)
        snprintf(ret_reason, REASON_TEXT,
                 "the active model has seen normal chests and this one has not, which 'promote_narrower' "
                 "would have to allow");
    else if (!(macro->gain.low > c->promote_margin))
        snprintf(ret_reason, REASON_TEXT,
                 "macro AUROC %.4f against %.4f of the active model: a gain of %.4f (95 %%: %.4f to %.4f), "
                 "which is not surely above %.4f",
                 macro->candidate, macro->active, macro->gain.value, macro->gain.low, macro->gain.high,
                 c->promote_margin);
    else if (k < c->labels.n && drop > c->promote_max_drop)
        snprintf(ret_reason, REASON_TEXT,
                 "the AUROC of %s falls by %.4f (95 %%: by %.4f at least), %.4f at most are allowed",
                 c->labels.names[k], -on->findings[k].gain.value, drop, c->promote_max_drop);
    else {
        snprintf(
            ret_reason, REASON_TEXT,
            "macro AUROC %.4f against %.4f of the active model: a gain of %.4f (95 %%: %.4f to %.4f), and "
            "no finding surely falls by more than %.4f",
            macro->candidate, macro->active, macro->gain.value, macro->gain.low, macro->gain.high,
            c->promote_max_drop);
        return true;
    }
    return false;
}

static json_t *pair_json(const char *label, const struct compared *c)
{
    json_t *pair = json_pack("{s:o,s:o,s:o,s:o,s:o}", "active", number_or_null(c->active), "candidate",
                             number_or_null(c->candidate), "gain", number_or_null(c->gain.value), "gain_low",
                             number_or_null(c->gain.low), "gain_high", number_or_null(c->gain.high));

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
    const struct comparison *c = &result->comparison;
    json_t *findings = json_array();

    for (size_t k = 0; k < result->labels.n; k++)
        json_array_append_new(findings, pair_json(result->labels.names[k], &c->findings[k]));
    return json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:o,s:o}", "active", active_id, "active_split",
                     LINEAGE_NAMES[result->incumbent_split], "narrower", c->narrower, "rows",
                     (json_int_t)c->rows, "normal_rows", (json_int_t)c->normal_rows, "patients",
                     (json_int_t)c->patients, "macro_auroc", pair_json(NULL, &c->macro), "findings",
                     findings);
}

json_t *promotion_json(const struct train_config *c, bool promoted, const char *reason, const char *active_id,
                       const struct train_result *result)
{
    const char *warning =
        active_id ? promotion_warning(result->dataset.init_split, result->incumbent_split) : NULL;

    return json_pack("{s:s,s:b,s:s,s:s?,s:f,s:f,s:o}", "promote", promote_name(c->promote), "promoted",
                     promoted, "reason", reason, "warning", warning, "margin", c->promote_margin, "max_drop",
                     c->promote_max_drop, "comparison",
                     active_id ? comparison_json(active_id, result) : json_null());
}
