/* jobs/training/scores_read.h - a file of scores (scores_file.h), read again. */
#ifndef JOBS_TRAINING_SCORES_READ_H
#define JOBS_TRAINING_SCORES_READ_H

#include "evaluate.h"

struct read_scores {
    struct labels labels; /* of which there are truths, in the order of their columns */
    struct scores scores; /* without `rows` and `logits` that mean anything */
    char *names;          /* owned: NUL-terminated, one behind the other */
    size_t *name;         /* [n], owned: where each row's picture is among them */
    size_t *by_name;      /* [n], owned: rows in the order of their names */
};

/* The rows of a split. Its findings are those of which the header names truths. Whatever the file holds, nothing of it is believed: a truth is 0 or 1, a probability a number from 0 to 1,
 * a picture comes once.
 * Errors: ST_NOTFOUND, ST_FORMAT, ST_LIMIT, ST_IO, ST_NOMEM. */
MUST_USE enum status scores_read(const char *path, const char *split, struct read_scores *ret,
                                 struct error *err);
void read_scores_release(struct read_scores *s); /* safe on zeroes */

static inline const char *scores_name(const struct read_scores *s, size_t row)
{
    return s->names + s->name[row];
}

#endif
