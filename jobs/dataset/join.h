/* jobs/dataset/join.h - rows that name one picture become one row. */
#ifndef JOBS_DATASET_JOIN_H
#define JOBS_DATASET_JOIN_H

#include "cxrd/dataset.h"

/* Join the rows of each picture into its first, and count into t->n_joined. `name` is for the sentence. Errors: ST_FORMAT (a
 * picture of two patients, or with No Finding and a finding), ST_NOMEM. */
MUST_USE enum status table_join(struct table *t, const char *name, struct error *err);

#endif
