/* jobs/queue/promote.h - what becomes of a model that a job has made, once it is in the registry. */
#ifndef JOBS_PROMOTE_H
#define JOBS_PROMOTE_H

#include "cxrd/promotion.h"
#include "cxrd/registry.h"

/* Decide whether the model in the record becomes the active one, make it so, and write the decision there. With
 * promote "if_better" none does whose validation loss is not below that of the base rates (train_beats_base_rates()), whatever
 * it gains over the active one.
 *   ret_promoted  whether it has; set on failure too
 *   rival  the model that result->comparison is with, "" for none
 * Errors: registry_activate()'s. */
MUST_USE enum status job_promote(struct registry *registry, const struct train_config *c,
                                 const struct train_result *result, const char *rival, json_t *record,
                                 bool *ret_promoted, struct error *err);

#endif
