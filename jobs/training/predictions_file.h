/* jobs/training/predictions_file.h - what a model says of every picture of a data set, as `cxrd predict --csv` writes it: image, a
 * probability a finding, and why there is none. */
#ifndef JOBS_TRAINING_PREDICTIONS_FILE_H
#define JOBS_TRAINING_PREDICTIONS_FILE_H

#include "evaluate.h"

/* Write the file as file_stream does.
 *   rows      all, in the order of the file; those that are not among the scores have none
 *   why       [n]: of these, as far as it is known; NULL for others
 * Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
struct no_score {
    uint32_t row;
    const char *why;
};
MUST_USE enum status predictions_file_write(const char *path, const struct table *t, const struct rows *rows,
                                            const struct scores *s, const struct no_score *why, size_t n,
                                            struct error *err);

#endif
