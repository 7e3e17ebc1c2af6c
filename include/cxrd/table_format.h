/* include/cxrd/table_format.h - the tables of public data sets: how their columns are called, where their findings stand, and what
 * is made of a finding that is uncertain or not said. docs/data.md describes each. */
#ifndef CXRD_TABLE_FORMAT_H
#define CXRD_TABLE_FORMAT_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum table_format {
    FORMAT_NIH,      /* ChestX-ray14: a list of findings in a cell */
    FORMAT_CHEXPERT, /* train.csv, valid.csv: a column a finding, 1.0, 0.0, -1.0 or nothing */
    FORMAT_MIMIC,    /* MIMIC-CXR-JPG: the same by study, and a table of its pictures */
    FORMAT_PADCHEST, /* a list as Python writes it */
    FORMAT_VINDR,    /* VinDr-CXR: rows of several readers, a column a finding or a box a row */
    FORMAT_CSV,      /* any other, as a mapping says it */
    N_TABLE_FORMATS
};
extern const char *const TABLE_FORMAT_NAMES[N_TABLE_FORMATS + 1]; /* "nih" ...; NULL at the end */

/* A finding that the table calls uncertain is taken as not there, as there, or as not known (U-Zeros, U-Ones and U-Ignore: Irvin et
 * al., CheXpert, AAAI 2019). */
enum uncertain_labels { UNCERTAIN_ZEROS, UNCERTAIN_ONES, UNCERTAIN_IGNORE };

/* A finding of which the table says nothing is taken as not there, or as not known. */
enum missing_labels { LABELS_NEGATIVE, LABELS_UNKNOWN };

/* The defaults of a job in this format. */
struct table_defaults {
    const struct labels *labels; /* static */
    const char *csv, *images;    /* the table's name, and the pattern of its pictures */
    enum missing_labels missing;
    bool frontal; /* rows with another view than PA and AP are left out */
};
struct table_defaults table_format_defaults(enum table_format format);

/* How a table of another site names findings, and that it need not have all. */
enum { MOST_SITE_WORDS = 256, SITE_WORD = 128 };
struct site_words {
    bool unlabelled; /* what the table says of findings is ignored, and it need not have any */
    bool
        other_words; /* a word of a list that means nothing else is another finding; else the table is refused */
    bool chosen;     /* only the findings of `asked` count, as if the table had no others */
    uint64_t asked; /* bit i: finding i of the labels that the table is read for */
    size_t n;
    struct site_word {
        char word[SITE_WORD],
            means[LABEL_SIZE]; /* of a list, or a column's name; a finding, or "No Finding" */
    } of[MOST_SITE_WORDS];
};

enum { TABLE_PATH = 640 };

/* The name of the table that says which part each picture is in, "-split.csv" beside MIMIC's. False: the format has none. */
bool table_format_split(enum table_format format, const char *csv, char ret[TABLE_PATH]);

/* The name of the table whose rows are tested on, where lists do not say it: "valid.csv" beside CheXpert's "train.csv", which
 * radiologists have read. False: the format has none. */
bool table_format_tested(enum table_format format, const char *csv, char ret[TABLE_PATH]);

/* The files that a table is made of, the job's own first: paths below the data set's folder.
 *   csv  the first of them, at most TABLE_PATH - 1 bytes
 * Returns how many. Errors: ST_INVALID (the other names cannot be told from that of the first). */
MUST_USE enum status table_format_files(enum table_format format, const char *csv,
                                        char ret_second[TABLE_PATH], size_t *ret_n, struct error *err);

#endif
