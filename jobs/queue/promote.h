/* jobs/queue/promote.h - what becomes of a model that a job has made, once it is in the registry. */
#ifndef JOBS_PROMOTE_H
#define JOBS_PROMOTE_H

#include "cxrd/promotion.h"
#include "worker.h"

/* Decide whether the model in the record becomes the active one, make it so, and write the decision there. With
 * promote "if_better" none does whose validation loss is not below that of the base rates (train_beats_base_rates()), whatever
 * it gains over the active one. With "after_shadow" one that would is put into the shadow of the active one, which decides later.
 *   id            of the job
 *   ret_promoted  whether it has; set on failure too
 *   incumbent  the model that result->comparison is with, "" for none
 * Errors: registry_activate()'s. */
MUST_USE enum status job_promote(struct runner *r, const char *id, const struct train_config *c,
                                 const struct train_result *result, const char *incumbent, json_t *record,
                                 bool *ret_promoted, struct error *err);

#endif
