/* jobs/dataset/reader.h - one file of a table while it is read: what its columns are (table.c), what a row's cells say (cells.c). */
#ifndef JOBS_DATASET_READER_H
#define JOBS_DATASET_READER_H

#include "findings.h"

enum { MAX_FIELDS = 1024, SHOWN_HEADER = 64 };
#define SHOWN "128" /* bytes of the table's own name in a sentence: the problem must still fit behind it */

#define IMAGE_NONE UINT32_MAX /* a row of a study, which names no picture */

/* The content of a field of every row. */
struct place {
    enum role role;
    bool needed;
    size_t column;  /* of the file's spec */
    size_t finding; /* of ROLE_FINDING */
};

struct reader {
    struct table t; /* being filled */
    size_t rows_capacity, names_capacity;
    const struct format_spec *spec;
    const struct file_spec *file;
    const struct site_words *site; /* the table need not have all findings; NULL: it must */
    struct place place[MAX_FIELDS];
    bool found[MOST_COLUMNS]; /* columns of the spec that the header has */
    uint64_t finding_found;   /* findings that it has a column of */
    uint64_t columns_found;   /* the same of all files */
    size_t n_needed, n_seen;  /* fields that each row must have; that this one has so far */
    size_t n_named;           /* fields of the header up to the last that is not empty */
    size_t field, line;       /* of the field that comes next; rows so far, the header too */
    size_t unended;           /* bytes in which no field has ended yet, by pieces */
    struct table_row row;     /* being filled */
    double birth;             /* its ROLE_BIRTH; NaN */
    size_t view_column;       /* where its view is from */
    bool lateral;             /* its ROLE_PLANE says so */
    struct findings_reader findings;
    char header[SHOWN_HEADER]; /* its beginning */
    const char *name;
    struct error *err;
    enum status st;
};

/* The first failure counts; the sentence says the line. */
void reader_fail(struct reader *r, enum status st, const char *what);

bool reader_grow(void **memory, size_t *capacity, size_t needed, size_t size);

void row_begin(struct reader *r);
void row_cell(struct reader *r, const struct place *p, const char *text, size_t n);
void row_finish(struct reader *r); /* what several cells say together */

#endif
