/* jobs/dataset/format.h - a table's format as data: one reader (table.c) goes by it. */
#ifndef JOBS_DATASET_FORMAT_H
#define JOBS_DATASET_FORMAT_H

#include "cxrd/dataset.h"

/* The content of a column. */
enum role {
    ROLE_PICTURE,
    ROLE_FINDINGS, /* a list */
    ROLE_FINDING,  /* one of table.labels: 1, 0, -1 or nothing */
    ROLE_NO_FINDING,
    ROLE_PATIENT,
    ROLE_STUDY,  /* what the rows of two tables have in common */
    ROLE_READER, /* who has seen the picture */
    ROLE_AGE,
    ROLE_BIRTH, /* its year; the age follows from ROLE_FOLLOW_UP, a date */
    ROLE_SEX,
    ROLE_VIEW,
    ROLE_PLANE, /* Frontal, Lateral */
    ROLE_FOLLOW_UP,
    ROLE_SCANNER,
    ROLE_NONE
};

enum { COLUMN_NAME = 128, MOST_COLUMNS = 32 + MAX_LABELS };

struct column_spec {
    enum role role;
    char name[COLUMN_NAME]; /* as word_is() compares it */
    bool needed;
    size_t finding; /* of ROLE_FINDING */
};

/* A word of the table and what it means: the name of a finding, "No Finding", or NULL where it says that nothing is known. */
struct meaning {
    const char *word, *means;
};

/* One file of a table. */
struct file_spec {
    const struct column_spec *columns;
    size_t n;
    bool matrix; /* the other columns are findings, by their names */
};

struct format_spec {
    struct file_spec file[TABLE_FILES];
    size_t n_files;
    size_t name_parts;   /* see struct table */
    size_t patient_part; /* that part of the picture's path, from its end, is the patient; 0: none is */
    const struct meaning *meanings; /* before labels_of_word() is asked */
    size_t n_meanings;
    const struct meaning *
        values; /* of ROLE_FINDING, "1", "0", "-1" or "" for `means`; where there are any, only these count */
    size_t n_values;
    const struct meaning *views; /* words for PA and AP besides those of input_read() */
    size_t n_views;
    const char *devices;           /* a finding that a chest with "No Finding" may have; NULL: none */
    bool jpeg;                     /* pictures are JPEG files in the release */
    bool alone;                    /* no patients are named: each picture is of another */
    bool open;                     /* words that are no finding of table.labels are other findings */
    bool votes;                    /* rows of one picture are of several readers */
    bool no_uncertain, no_missing; /* labels are 0 and 1 only */
};

/* Of all formats but FORMAT_CSV, whose spec is its mapping's. Static. */
const struct format_spec *format_spec_of(enum table_format format);

/* Its spec, of FORMAT_CSV.
 *   partial  it need not name a column of each finding
 * Errors: ST_FORMAT, ST_NOMEM. */
struct mapping; /* owns what the spec points to */
MUST_USE enum status mapping_read(const char *text, size_t n, const struct labels *labels, bool partial,
                                  struct mapping **ret_mapping, struct error *err);
const struct format_spec *mapping_spec(const struct mapping *m);
void mapping_free(struct mapping *m); /* NULL is fine */

/* The meaning of a word of a list, or of a column's name, as label_of_word(); LABEL_SILENT: nothing is known. */
enum { LABEL_SILENT = -3 };
int format_label(const struct format_spec *spec, const struct labels *labels, const char *word, size_t n);

/* The meaning of a finding's cell. */
enum cell { CELL_ABSENT, CELL_THERE, CELL_UNCERTAIN, CELL_MISSING, CELL_NONE };
enum cell format_cell(const struct format_spec *spec, const char *text, size_t n);

/* Whether a cell is a word of `values`: without regard to the case of ASCII letters and to blanks around it. Not as word_is(), to
 * which "-1" is "1". */
bool format_same_value(const char *text, size_t n, const char *value);

#endif
