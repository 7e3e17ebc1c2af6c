/* jobs/training/scores_file.h - every row that a model has seen or been tested on, in one file for a statistician.
 *
 * A line a picture of each split: image, patient, age, sex, view, split, the truths, the probabilities. A patient is a number of
 * 16 hexadecimal digits: HMAC-SHA256 of what the table says, under a key that is drawn for this file and kept by nobody. So rows
 * of one patient can be told to be so, and nobody can find the patient by trying all ids; two files share no number. Where the
 * pictures' names hold the id, as NIH's do, they say it all the same. */
#ifndef JOBS_TRAINING_SCORES_FILE_H
#define JOBS_TRAINING_SCORES_FILE_H

#include "evaluate.h"

struct named_scores {
    const char *split;
    const struct scores *scores;
};

/* Write the file as file_stream does. Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status scores_file_write(const char *path, const struct table *t,
                                       const struct named_scores *sets, size_t n_sets, struct error *err);

#endif
