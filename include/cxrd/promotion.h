/* include/cxrd/promotion.h - may a trained model take the place of the one that answers? Figures in, a decision and
 * its reason out; who activates is no concern of this file. */
#ifndef CXRD_PROMOTION_H
#define CXRD_PROMOTION_H

#include "cxrd/trainer.h"

enum { REASON_TEXT = 256 };

/* Decide by a job's promote_margin and promote_max_drop. It is better when its macro AUROC exceeds the active model's
 * by the margin at least, no finding's AUROC falls by more than the drop, and nothing is NaN that should be a number.
 * A finding that has no positive or no negative row has no AUROC for either, and is left out.
 *   candidate, active  scored on the same rows
 *   ret_reason         one sentence either way */
bool promotion_decide(const struct train_config *c, const struct evaluation *candidate,
                      const struct evaluation *active, char ret_reason[REASON_TEXT]);

/* What a record says of it, a new reference.
 *   reason      a sentence
 *   active_id   NULL: nothing was compared, and `active` is not read */
json_t *promotion_json(const struct train_config *c, bool promoted, const char *reason, const char *active_id,
                       const struct evaluation *candidate, const struct evaluation *active);

#endif
