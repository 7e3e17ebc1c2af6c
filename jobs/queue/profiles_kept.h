/* jobs/queue/profiles_kept.h - what profiles of a model kept of what they state, on the rows of a validation that has just scored them. */
#ifndef JOBS_PROFILES_KEPT_H
#define JOBS_PROFILES_KEPT_H

#include "worker.h"

/* Into `record`, "kept": of the active profile, and of the one that the job names, in this order; empty where there is none. What keeps
 * one from being held against the rows is a warning of the record, not an error.
 *   model   that was scored
 *   scores  the file of scores of the validation's rows
 * Errors: ST_IO, ST_NOMEM. */
struct score_config;
MUST_USE enum status profiles_kept(struct runner *r, const struct loaded_model *model,
                                   const struct score_config *c, const char *scores, json_t *record,
                                   struct error *err);

#endif
