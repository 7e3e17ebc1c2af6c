/* jobs/dataset/split_table.h - MIMIC-CXR-JPG's own division, mimic-cxr-2.0.0-split.csv: a row a picture, with the part that it is in. */
#ifndef JOBS_DATASET_SPLIT_TABLE_H
#define JOBS_DATASET_SPLIT_TABLE_H

#include "cxrd/buf.h"
#include "cxrd/dataset.h"

/* The pictures of each part, by their `dicom_id`, one a line: what lists.h reads.
 *   file  for the sentence of an error
 *   ret   [N_SPLITS] empty buffers, which the caller releases, whatever comes of this
 * Errors: ST_FORMAT (a column is missing, or a part other than train, validate, test), ST_LIMIT, ST_NOMEM. */
MUST_USE enum status split_table_read(const char *bytes, size_t size, const char *file,
                                      struct buf ret[N_SPLITS], struct error *err);

#endif
