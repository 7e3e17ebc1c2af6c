/* jobs/registry/served.h - a model that answers, and how many hold it: its memory goes with the last of them. */
#ifndef JOBS_SERVED_H
#define JOBS_SERVED_H

#include "cxrd/registry.h"

/* A zeroed one, with one holder; NULL without memory. */
struct served *served_new(void);

/* Take the operator's thresholds for it; any thread. */
void served_set_own(struct served *m, const struct own_thresholds *own);

#endif
