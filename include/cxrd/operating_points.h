/* include/cxrd/operating_points.h - the probabilities from which on a finding is called positive.
 *
 * Chosen on validation rows after training (jobs/training/operating.h), stored in the weights' metadata under
 * "operating_points", given back with every prediction. Three kinds:
 *   youden          the greatest sensitivity + specificity (Youden, Cancer 1950); what "positive" means in a reply
 *   sensitivity_90  the best specificity of those with a sensitivity of at least 0.9
 *   specificity_90  the best sensitivity of those with a specificity of at least 0.9
 * A threshold is NaN where there is none: no positive or no negative to choose by, or none that reaches 0.9. */
#ifndef CXRD_OPERATING_POINTS_H
#define CXRD_OPERATING_POINTS_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum operating_kind { OPERATE_YOUDEN, OPERATE_SENSITIVITY_90, OPERATE_SPECIFICITY_90, N_OPERATING };
extern const char *const OPERATING_NAMES[N_OPERATING]; /* "youden" … */

/* Of rows that did not choose the threshold: the parts of those that have the finding, and of those that lack it, that it calls
 * right, each with its 95 % interval. NaN where not defined, or not said. */
struct operating_quality {
    double sensitivity, sensitivity_low, sensitivity_high;
    double specificity, specificity_low, specificity_high;
};

struct operating_points {                     /* each [labels], the rest is not read */
    float threshold[N_OPERATING][MAX_LABELS]; /* in 0..1 or NaN; positive: probability >= threshold */
    /* On test rows: NaN where not defined. The ends of its 95 % interval, and how many of the rows have the finding and lack it: NaN
     * and KIND_UNSAID where a file of an older version does not say. */
    double auroc[MAX_LABELS], auroc_low[MAX_LABELS], auroc_high[MAX_LABELS];
    int64_t positives[MAX_LABELS], negatives[MAX_LABELS];
    struct operating_quality rates[N_OPERATING][MAX_LABELS]; /* of the same rows */
};

/* With fewer test rows that have a finding, or that lack it, nobody knows how well the two are told apart: an AUROC of one
 * positive row can be 1, and so can that of one negative. */
enum { KIND_UNSAID = -1, KIND_LEAST = 10 };
bool operating_known(const struct operating_points *p,
                     size_t finding); /* false: no verdict, and no AUROC to show */

extern const struct operating_points OPERATING_NONE; /* all NaN */

/* The kind of that name. False: there is none. */
bool operating_kind_parse(const char *name, enum operating_kind *ret);

/* Whether a finding has a threshold of that kind. */
bool operating_has(const struct operating_points *p, const struct labels *labels, enum operating_kind kind);

/* As the metadata has them: {"Atelectasis":{"youden":…,"sensitivity_90":…,"specificity_90":…,"auroc":…,"auroc_low":…,
 * "auroc_high":…,"positives":…,"negatives":…,
 * "rates":{"youden":{"sensitivity":…,"sensitivity_low":…,…},…}},…}, all findings in their order, numbers that read back as the same float32, or null. The caller owns the text (free()); NULL without
 * memory. */
char *operating_points_text(const struct operating_points *p, const struct labels *labels);

/* All findings must be there with their members, and nothing else; the last five may be missing from all or some.
 * Errors: ST_FORMAT (the sentence says what is wrong). */
MUST_USE enum status operating_points_parse(const char *text, const struct labels *labels,
                                            struct operating_points *ret, struct error *err);

/* See that what a weights file says under `key`, "metrics" or "data", is something that a model's card can show: a JSON
 * object, not too long, not too deep. Errors: ST_FORMAT. */
MUST_USE enum status card_note_check(const char *key, const char *text, struct error *err);

#endif
