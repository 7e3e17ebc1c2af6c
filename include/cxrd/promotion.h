/* include/cxrd/promotion.h - may a trained model take the place of the one that answers? Figures in, a decision and
 * its reason out; another file activates. */
#ifndef CXRD_PROMOTION_H
#define CXRD_PROMOTION_H

#include "cxrd/trainer.h"

enum { REASON_TEXT = 320 };

/* Decide by a job's promote_margin, promote_max_drop and promote_narrower. A better model must be so beyond the doubt that
 * as many patients leave: by the ends of 95 % intervals of paired differences (jobs/training/figure.h).
 *   taken    when the lower end of the macro AUROC's gain is above the margin;
 *   refused  when the drop of a finding's AUROC is surely beyond the limit: the least end of its interval is;
 *   refused  when it has seen no normal chest and the active model has, unless that is allowed, and when a figure is NaN
 *            that should be a number. A finding that has no positive or no negative row has no AUROC for either, and is
 *            left out.
 *   ret_reason  one sentence either way */
bool promotion_decide(const struct train_config *c, const struct comparison *on,
                      char ret_reason[REASON_TEXT]);

/* Why the comparison may be unfair, one sentence: a model may have learned from the validation rows that it was scored on,
 * which does not keep it from being promoted. NULL where both are known not to have.
 *   candidate  what is known of the models that the job began from
 *   active     of the active model, for the job's split */
const char *promotion_warning(enum lineage candidate, enum lineage active);

/* The decision as a record has it, a new reference.
 *   reason      a sentence
 *   active_id   what result->comparison is with; NULL: nothing was compared */
json_t *promotion_json(const struct train_config *c, bool promoted, const char *reason, const char *active_id,
                       const struct train_result *result);

#endif
