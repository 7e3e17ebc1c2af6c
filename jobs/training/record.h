/* jobs/training/record.h - pieces that the parts of a job record have in common. */
#ifndef JOBS_TRAINING_RECORD_H
#define JOBS_TRAINING_RECORD_H

#include "cxrd/trainer.h"

/* "auroc_low" and "auroc_high" for "auroc": the ends of the interval, or null. ranged_set(): "auroc" as well. */
void interval_set(json_t *object, const char *name, const struct estimate *e);
void ranged_set(json_t *object, const char *name, const struct estimate *e);
json_t *count_json(size_t n);
json_t *table_profile_json(const struct table_profile *p);

#endif
