/* jobs/registry/loaded_model.h - a model that answers, and how many hold it: its memory goes with the last of them. */
#ifndef JOBS_REGISTRY_LOADED_MODEL_H
#define JOBS_REGISTRY_LOADED_MODEL_H

#include "cxrd/registry.h"

/* A zeroed one, with one holder; NULL without memory. */
struct loaded_model *loaded_model_new(void);

/* Take the operator's thresholds for it; any thread. */
void loaded_model_set_own(struct loaded_model *m, const struct own_thresholds *own);

#endif
