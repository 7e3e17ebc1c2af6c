/* include/cxrd/table_profile.h - what a table looks like to someone who opens it: its columns, what is in them, its first
 * rows, and ages that cannot be.
 *
 * Names and figures are those of pandas: info(), describe(), head(). But a hospital's table may hold columns that name
 * people. So only the columns that ChestX-ray14 has are described and shown; any other is named, typed and counted, and
 * nothing in it is quoted. A patient's id is not described, and in the first rows it is "patient 1", "patient 2" …,
 * equal for equal ids. Whatever the table holds, a profile is of this size. */
#ifndef CXRD_TABLE_PROFILE_H
#define CXRD_TABLE_PROFILE_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct table;

enum { PROFILE_COLUMNS = 32, PROFILE_FIRST = 5, PROFILE_OLD = 20 };
enum { PROFILE_TEXT = 64 }; /* bytes of a name or a cell, cut with "…" */

enum column_type { COLUMN_INT64, COLUMN_FLOAT64, COLUMN_OBJECT };
extern const char *const COLUMN_TYPE_NAMES[]; /* "int64", "float64", "object" */

struct column_profile {
    char name[PROFILE_TEXT + 4]; /* "Unnamed: 11" where the header says nothing */
    enum column_type type;
    size_t non_null;
    bool shown; /* its cells are in `first` */
    bool
        described; /* the figures below; a column of ages that are no plain numbers, "058Y", in years as they are read */
    size_t count;
    double mean, std, min, quartile[3], max; /* NaN where not defined; std: of a sample, n - 1 */
};

struct table_profile {
    size_t rows, columns;                          /* of the file */
    size_t n;                                      /* columns that are told of: the first */
    struct column_profile column[PROFILE_COLUMNS]; /* [n] */
    size_t n_first;
    char first[PROFILE_FIRST][PROFILE_COLUMNS]
              [PROFILE_TEXT + 4]; /* [n_first][n]; "" also of columns not shown */

    /* Rows above the age limit, those with one picture as one: the oldest first. */
    double age_limit;
    size_t old_rows, n_old;
    struct {
        double age;
        char image[PROFILE_TEXT + 4];
    } old[PROFILE_OLD];
};

/* Look at a table that table_read() has read.
 *   bytes  the file, borrowed; t: what was made of it
 * Errors: ST_NOMEM. */
MUST_USE enum status table_profile(const void *bytes, size_t n_bytes, const struct table *t, double age_limit,
                                   struct table_profile *ret);

#endif
