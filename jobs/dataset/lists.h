/* jobs/dataset/lists.h - a list of pictures, one a line, as test_list.txt of ChestX-ray14 and as others write it. */
#ifndef JOBS_DATASET_LISTS_H
#define JOBS_DATASET_LISTS_H

#include "cxrd/status.h"
#include "names.h"

struct name_list {
    struct name *names; /* owned, sorted; into the list's bytes */
    size_t n;
    struct name first; /* the first line's, as it stands there */
};

/* Names may have folders before them, quotes around them, or columns of 0 and 1 behind them.
 *   file   for the sentence of an error
 *   parts  of a path that the table's names have: 1, where it names files alone
 * Errors: ST_LIMIT (too many lines), ST_FORMAT (no text), ST_NOMEM (without a sentence). */
MUST_USE enum status list_read(const char *bytes, size_t size, const char *file, size_t parts,
                               struct name_list *ret, struct error *err);
bool list_has(const struct name_list *list, const char *image);

#endif
