/* jobs/dataset/studies.h - a table whose findings are of studies, and another of the pictures of these. */
#ifndef JOBS_DATASET_STUDIES_H
#define JOBS_DATASET_STUDIES_H

#include "cxrd/dataset.h"

/* Give each picture what the row of its study has: findings, and age and sex where the picture's own row has none. A picture of a
 * study that has no row is silent. Both ways are counted into t->misfits.
 *   studies  [n], sorted anew
 *   name     of their table, for the sentence
 *   t        the pictures
 * Errors: ST_FORMAT (a study in two rows, or of another patient than its picture). */
MUST_USE enum status studies_join(struct table_row *studies, size_t n, const char *name, struct table *t,
                                  struct error *err);

#endif
