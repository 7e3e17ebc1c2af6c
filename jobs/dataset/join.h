/* jobs/dataset/join.h - rows that name one picture become one row. */
#ifndef JOBS_DATASET_JOIN_H
#define JOBS_DATASET_JOIN_H

#include "format.h"

/* Join the rows of each picture into its first, and count into t->n_joined: with the findings of all, or of most of their readers
 * where the format has some. `source` names the files for the sentence. Errors: ST_FORMAT (a
 * picture of two patients, with a finding that is there and is not, or, of FORMAT_NIH, with No Finding and a finding), ST_NOMEM. */
MUST_USE enum status table_join(struct table *t, const struct format_spec *spec,
                                const struct table_source *source, struct error *err);

/* The majority of a picture's readers, into the first of its rows, order[0..n): a finding is there where more of those who say
 * something of it say that it is, uncertain where as many say that it is not, or none says more than that it is uncertain. `order` is sorted
 * anew. */
void votes_count(struct table *t, uint32_t *order, size_t n);

#endif
