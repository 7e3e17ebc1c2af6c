/* include/cxrd/dataset.h - from a table and a folder of pictures to three disjoint sets of labelled rows.
 *
 * The way of the data: table_read() -> table_filter() -> discover() -> split_make(). Each noun is one struct, each
 * arrow one function; none of them keeps a reference to what it was given. Everything in the table comes from a
 * stranger: names are only ever compared with names that were found on disk, never opened. */
#ifndef CXRD_DATASET_H
#define CXRD_DATASET_H

#include "cxrd/digest.h"
#include "cxrd/inputs.h"
#include "cxrd/labels.h"
#include "cxrd/lineage.h"
#include "cxrd/status.h"
#include "cxrd/table_format.h"
#include "cxrd/table_profile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the table ---- */

enum { TABLE_MAX_ROWS = 2000000, TABLE_MAX_BYTES = 512 << 20, LIST_MAX_BYTES = 64 << 20 };
enum { TABLE_ODD = 20, TABLE_NAME = 40 }; /* bytes of a value, of a picture's name in a sentence */
enum { TABLE_SCANNER = 40 };              /* bytes that are kept of a scanner's name */

#define SCANNER_NONE UINT32_MAX

struct table_row {
    uint32_t image;   /* offset of the image's name in table.names */
    uint32_t scanner; /* the same of what made the picture, SCANNER_NONE: not known */
    uint64_t
        patient; /* a key: equal for equal ids, however many zeros stand before them, and whether ".0" behind */
    uint64_t labels;  /* bit i: finding i of table.labels is there */
    uint64_t unknown; /* bit i: whether finding i is there is not known; it is not in `labels` then */
    uint64_t absent,
        uncertain; /* findings that the table says are not there; of which it says that it is uncertain */
    uint64_t ever, last; /* findings of the patient's earlier films: of any of them; of the latest */
    uint64_t ever_unknown, last_unknown; /* of which it is not known whether they are in these */
    uint64_t study, reader;              /* keys, as `patient`; 0: the table has none */
    bool no_finding;                     /* the table says that there is no finding */
    bool other_finding;                  /* a finding that table.labels does not have is named */
    bool
        silent; /* nothing is known of what the table does not name, whatever is made of such findings elsewhere */
    bool other_view;    /* a view is given, and it is neither PA nor AP */
    char stratum[4];    /* the first three characters of the first finding's name, or of "No Finding" */
    float age;          /* years; NaN: not known */
    char sex;           /* 'M', 'F' or 0 */
    char view;          /* 'P' for PA, 'A' for AP, or 0 */
    uint8_t file;       /* of the source, that the row is in: 0 is the first */
    int32_t follow_up;  /* "Follow-up #": orders the films of a patient; FOLLOW_UP_NONE: not known */
    bool history_known; /* see table_read() */
    bool earlier;       /* there is an earlier film of the patient */
    uint16_t films;     /* how many there are, at most INPUT_MOST_FILMS */
    size_t course;      /* offset in table.course of what is said of the findings of `ever`, in their order */
};

/* Of a finding: how many of the earlier films showed it, and how many came after the last of these, at most INPUT_MOST_FILMS. */
struct course_of_finding {
    uint8_t films, since;
};

#define FOLLOW_UP_NONE (-1)

#define PATIENT_NONE 0xcbf29ce484222325u /* the key of an empty id */

/* The key of an id, as a table's reader makes it: "1", "00000001" and "1.0" are one patient. */
uint64_t patient_key(const char *text, size_t n);

/* Cells that did not fit and were not refused: counted over the rows of the file. */
struct table_misfits {
    size_t contradictions;   /* rows with "No Finding" and a finding, of which the finding counts */
    size_t other_words;      /* words of lists that are no finding of table.labels, where a format has many */
    size_t without_study;    /* pictures whose study is in no row of labels; nothing is known of them */
    size_t without_pictures; /* rows of labels whose study has no picture in the other table */
    size_t
        ties; /* findings of a picture of which as many readers say that they are there as that they are not */
};

struct table {
    struct labels labels; /* the findings that it was read for */
    enum table_format format;
    bool votes;              /* rows of one picture are of several readers */
    uint64_t has;            /* findings that it has: all, but with table_source.site */
    bool unlabelled;         /* what it says of findings is ignored, see struct site_words */
    bool matrix;             /* findings are columns; false: words of a list, which has all that is there */
    size_t name_parts;       /* of a picture's path, the last ones, that are its name; see discover() */
    size_t n_rows, n_joined; /* n_joined: rows of the file that were joined to another, see table_read() */
    struct table_misfits misfits;
    size_t n_two_sexes;               /* rows of the file whose "Patient Gender" and "Patient Sex" differ */
    struct table_row *rows;           /* in the file's order */
    struct course_of_finding *course; /* see table_row.course */
    size_t n_course;
    char *names; /* NUL-terminated texts */
    size_t names_size;
    char sha256[DIGEST_TEXT_SIZE]; /* of the file */
    bool has_follow_up;            /* there is a column that orders films */
    char odd[N_INPUT_COLUMNS]
            [TABLE_ODD + 1]; /* the first age, sex, view that is given and not understood; "": none */
};
#define TABLE_INIT   \
    {                \
        .n_rows = 0, \
    }

enum { TABLE_FILES = 3 };

/* A table as it is to be read. All borrowed. */
struct table_source {
    enum table_format format;
    size_t n_files;
    struct table_file {
        const char *name; /* for sentences */
        const void *bytes;
        size_t n;
    } file
        [TABLE_FILES]; /* as table_format_files() names them; one more than a format has is read as the last of these, and its
                            rows come behind that one's */
    const char *mapping; /* JSON, of FORMAT_CSV; NULL elsewhere */
    size_t mapping_size;
    enum uncertain_labels uncertain;
    enum missing_labels missing;
    const struct site_words *site; /* NULL: the table is in the format's own words, and has all findings */
};

/* Read a table in a format of table_format.h. The cells of its rows become table_row.labels and table_row.unknown:
 *   there        labels
 *   not there    neither
 *   uncertain    by `uncertain`: neither, labels or unknown
 *   not said     by `missing`: neither or unknown; of a row with "No Finding" neither
 * Rows of one picture become one. Where a format has readers, a finding is what most of them say. It is uncertain where as many say
 * yes as no, and where some call it uncertain and nobody says yes or no. Elsewhere two rows that contradict each other about a
 * finding are refused. With `site` a finding that the table does not have, no column of it, or no row of a list that names it, is not
 * known in any row.
 * Errors: those of table_read(); ST_FORMAT also for values that are no label, findings that the table has no column of, a mapping
 * that cannot be used. */
MUST_USE enum status table_read_as(const struct table_source *source, const struct labels *labels,
                                   struct table *ret_table, struct error *err);

/* The digest of all that a table is made of, as table.sha256; of one file that of the file. Errors: ST_NOMEM. */
MUST_USE enum status table_digest(const struct table_source *source, char ret[DIGEST_TEXT_SIZE]);

/* The same of FORMAT_NIH: a table of ChestX-ray14 in any of its releases: columns are found by name ("Image Index", "Finding Labels",
 * "Patient ID", "Patient Age"; "Patient Gender" or "Patient Sex", "View Position", "Follow-up #" and "Manufacturer" or
 * "Scanner" where there are any; as word_is() compares names), both line endings, findings as label_of_word() and ages, sexes
 * and views as input_read() takes them,
 * pictures by the base of their name. A word that is neither one of `labels` nor "No Finding" nor another of NIH_LABELS is no
 * negative: the table is refused. Rows that
 * name one picture become one, the first, with the findings of all; a picture that belongs to two patients, or has No
 * Finding and a finding, is a table's contradiction, and it is refused. Where films are ordered by "Follow-up #" every row
 * knows its history: the findings of those rows of the same patient, in the whole table, that have a smaller number.
 *   bytes   borrowed
 *   name    of the file, for the error's sentence
 *   labels  the findings to read it for; copied. NULL: only the pictures are wanted, and any words may stand there
 * Errors: ST_FORMAT (no such column, a row without its columns, broken quotes, findings that are not known,
 * contradictions), ST_LIMIT (too many rows), ST_NOMEM. */
MUST_USE enum status table_read(const void *bytes, size_t n_bytes, const char *name,
                                const struct labels *labels, struct table *ret_table, struct error *err);
void table_release(struct table *t); /* safe on TABLE_INIT */

static inline const char *table_image(const struct table *t, size_t row)
{
    return t->names + t->rows[row].image;
}

/* The scanner that made the picture, as the table names it, cut to TABLE_SCANNER bytes; NULL: not known. */
static inline const char *table_scanner(const struct table *t, size_t row)
{
    return t->rows[row].scanner == SCANNER_NONE ? NULL : t->names + t->rows[row].scanner;
}

/* ---- which rows are used ---- */

/* Row numbers, ascending: table order. */
struct rows {
    size_t n;
    uint32_t *index; /* owned */
};
#define ROWS_INIT \
    {             \
        0, NULL   \
    }
void rows_release(struct rows *r); /* safe on ROWS_INIT */

enum { TRAIN, VALIDATION, TEST, N_SPLITS };
extern const char *const SPLIT_NAMES[N_SPLITS]; /* "train", "validation", "test" */

/* One part of a split. */
struct part_report {
    size_t label_counts[MAX_LABELS], no_finding; /* rows */
    size_t unknown_labels[MAX_LABELS]; /* rows of which it is not known whether they have the finding */
};

/* Where the rows of a table go, in the order in which they are left out, and how many patients they are of. Rows that were joined
 * count as one. */
enum flow_step {
    FLOW_TABLE,
    FLOW_AGE,      /* not over the age limit */
    FLOW_FINDINGS, /* and with a finding, where the others are dropped */
    FLOW_PICTURES, /* and with a picture */
    FLOW_USED, /* and on a list, and equal to no picture that is tested, where these are asked for: what is split */
    FLOW_TRAIN,
    FLOW_VALIDATION,
    FLOW_TEST,
    FLOW_NORMAL, /* of those without a finding: to be tested on */
    N_FLOW
};
extern const char *const FLOW_NAMES[N_FLOW]; /* "table", "age" … */

/* The data as a job record describes them, see the contract. */
struct dataset_report {
    size_t rows, dropped_age,
        dropped_no_finding;                   /* read; over the age limit; of the rest, without a finding */
    size_t dropped_views, dropped_unlabelled; /* of the rest: not frontal; without anything that is known */
    size_t joined;                            /* rows that were joined to another of the same picture */
    size_t two_sexes;                         /* rows of which two columns say another sex */
    size_t links; /* that match the pattern of the pictures, and were passed over */
    char missing_name[TABLE_NAME + 1],
        file_name[TABLE_NAME + 1]; /* a row without a file; the first file; "": none */
    size_t same_names;             /* files of one name in a second folder, with the same bytes */
    size_t equal_pictures, equal_patients, equal_left_out; /* see split_make() */
    size_t equal_normal; /* normal chests that are not tested on for their pictures, see rows_keep_unseen() */
    struct flow {
        size_t rows, patients;
    } flow[N_FLOW];
    size_t missing_images, not_listed, usable; /* rows without a file; in neither list; what is left */
    size_t train, validation, test;
    size_t forgotten_rows, forgotten_patients; /* left out of these, and whose they are */
    size_t patients_in_both;                   /* patients with rows in more than one of the three */
    size_t on_both_lists; /* rows that are tested, though a list has them for training or validation, too */
    size_t nobodys;       /* usable rows without a Patient ID: all count as one patient's */
    size_t label_counts[MAX_LABELS],
        cooccurrence[MAX_LABELS][MAX_LABELS]; /* before rows without a file are left out */
    size_t unknown_labels[MAX_LABELS];        /* of the same rows, as the next */
    struct said_count {
        size_t positive, negative, uncertain, missing;
    } said[MAX_LABELS]; /* rows by what the table says of the finding, before anything is made of it */
    enum table_format format;
    bool votes;
    struct table_misfits misfits;
    /* of the usable rows, see split_census() */
    size_t unknown[N_INPUT_COLUMNS],
        other_views; /* age, sex, view, history (0 without "Follow-up #") not known; a view neither PA nor AP */
    char odd[N_INPUT_COLUMNS][TABLE_ODD + 1]; /* the table's */
    struct part_report part[N_SPLITS];
    size_t gate[32],
        unreadable; /* training rows by what the gate says (bit of picture_facts.codes); used rows */
    char csv_sha256[DIGEST_TEXT_SIZE], split_sha256[DIGEST_TEXT_SIZE];
    enum lineage init_split; /* what is known of the models that the training began from */
    struct table_profile table;
};

/* Choose the rows to learn from and count them into *report (rows, dropped_*, label_counts, unknown_labels, said, cooccurrence,
 * digest). A row of which nothing is known is dropped.
 *   max_age          rows with a greater age are dropped; one that is not known is not greater
 *   drop_no_finding  rows that name "No Finding" are dropped as well
 *   frontal          rows with a view that is neither PA nor AP are dropped, too; one that is not known stays
 *   ret_normal       those of them that only drop_no_finding dropped: normal chests to test with, of any patient
 *                    (see rows_keep_unseen()); may be NULL
 * Errors: ST_UNUSABLE (no row is left), ST_NOMEM. */
MUST_USE enum status table_filter(const struct table *t, int max_age, bool drop_no_finding, bool frontal,
                                  struct rows *ret_used, struct rows *ret_normal,
                                  struct dataset_report *report, struct error *err);

/* How many rows, and whose: a step of the flow. Errors: ST_NOMEM. */
MUST_USE enum status flow_count(const struct table *t, const struct rows *rows, struct flow *ret);

/* The same of all rows of a table, and of those up to an age. Errors: ST_NOMEM. */
MUST_USE enum status flow_begin(const struct table *t, int max_age, struct flow flow[N_FLOW]);

/* The same of the parts of a split, and of all of them together. Errors: ST_NOMEM. */
struct split;
MUST_USE enum status flow_end(const struct table *t, const struct split *split, struct flow flow[N_FLOW]);

/* ---- files ---- */

/* The picture files of a data set, by base name. Holds a descriptor of its folder. */
struct picture_files;

/* A path that stays below its root: relative, no "..", no empty part, at most 512 bytes; `*` may stand in it where
 * `pattern` says so. */
bool relative_path_ok(const char *path, bool pattern);

/* Whether such a path, without `*`, can be a data set's: no part of it begins with a dot, as the folders do in which one
 * is gathered, see fetch.h. */
bool dataset_path_ok(const char *path);

/* Open a file or folder below `root` (a folder's descriptor); no part of the path may be a symbolic link.
 * flags as for open(). Returns a descriptor or -1 and errno (EXDEV: not relative_path_ok()). */
int open_beneath(int root, const char *path, int flags);

/* Find all regular files below `root` that match a pattern such as "images_*" "/images/" "*.png", which finds ".jpg", ".jpeg", ".dcm"
 * and ".dicom", too: ".png" at its end stands for the pictures in whatever form they are there, see names.h. Endings may be in any
 * case. Links are passed over and counted. A name that occurs in two folders is taken from the first in the order of folder names;
 * of files of one name with several endings those with the first of the above count. A DICOM file is found by its SOP Instance UID,
 * too.
 *   parts  of its path are a picture's name, the last ones: 1 is its file's name, 2 has the folder before it
 * Errors: ST_INVALID (not relative_path_ok()), ST_IO, ST_LIMIT (more than TABLE_MAX_ROWS), ST_NOMEM. */
MUST_USE enum status discover(int root, const char *pattern, size_t parts, struct picture_files **ret_files,
                              struct error *err);
void picture_files_free(struct picture_files *f); /* NULL is fine */

enum { PICTURE_MISSING = -1 };

/* The file of that name as a number, or PICTURE_MISSING; the endings above are left out of account, in either. Any thread. */
int32_t picture_find(const struct picture_files *f, const char *name);
size_t picture_count(const struct picture_files *f);
size_t picture_links(const struct picture_files *f); /* links that matched; they are not among the files */
const char *picture_name(const struct picture_files *f, int32_t i);

/* How many files have the name of file `i`, itself among them, where picture_find() gave it: i, i + 1 … */
size_t picture_copies(const struct picture_files *f, int32_t i);

/* Whether all files of that name have the same bytes; how many there are besides the first.
 * Errors: ST_UNUSABLE (they differ), ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status picture_check_copies(const struct picture_files *f, const char *name, size_t *ret_copies,
                                          struct error *err);

/* Open file number `i` for reading; regular files only. Returns a descriptor or -1 and errno. Any thread. */
int picture_open(const struct picture_files *f, int32_t i);

/* Leave out the rows that have no file; returns how many there were. */
size_t rows_keep_found(const struct table *t, const struct picture_files *f, struct rows *rows);

/* ---- the split ---- */

enum split_by { SPLIT_IMAGE, SPLIT_PATIENT, SPLIT_LIST };

struct split {
    struct rows part[N_SPLITS];
};
#define SPLIT_INIT                          \
    {                                       \
        {                                   \
            ROWS_INIT, ROWS_INIT, ROWS_INIT \
        }                                   \
    }

struct split_options {
    enum split_by by;
    const uint64_t
        *pixels; /* [t->n_rows]: equal where the pictures are, 0 where that is not known; NULL: of none */
    const bool *left_out; /* [t->n_rows]: rows of patients who are to be forgotten; NULL: none */
    double test_fraction, val_fraction; /* of all rows; of the rows that the test part leaves; 0 <= f < 1 */
    uint64_t seed;
    /* For SPLIT_LIST: the bytes of the lists, one image name a line; borrowed. */
    const char *test_list, *train_val_list;
    size_t test_list_size, train_val_list_size;
    const char *validation_list; /* NULL: validation is drawn */
    size_t validation_list_size;
};

/* Share out `rows` (of `t`) and count into *report (usable, train, validation, test, not_listed, patients_in_both,
 * split_sha256: over "<image>,<part>\n" in table order).
 *   image    stratified by row.stratum with scikit-learn's rounding: ceil(fraction * n) rows, shared among strata
 *            by largest remainder, ties at random
 *   patient  all rows of a patient stay together: patients in random order, each taken as long as the part does not
 *            exceed ceil(fraction * n) rows
 *   list     test rows are those on the test list, validation those on a list of its own or, without one, drawn by patient from
 *            those on the other; rows on none are left out
 * Equal pictures are never on two sides. By patient, patients who share one are drawn as one; by image, a picture goes where
 * the first of its equals in the table goes; by list, a row whose picture is equal to a tested one is left out, or to a listed one of validation. Counted:
 * equal_pictures, rows with an equal; equal_patients, patients of those who share one with another; equal_left_out. A split
 * of pictures that all differ does not depend on this.
 * Rows that are to be left out are, from the parts that they would have been in (forgotten_rows, forgotten_patients). So all others
 * are where they would have been without: the digest is that of the split before.
 * Errors: ST_UNUSABLE (a part that must have rows has none), ST_LIMIT (a list of more than TABLE_MAX_ROWS lines),
 * ST_NOMEM. */
MUST_USE enum status split_make(const struct table *t, const struct rows *rows,
                                const struct split_options *options, struct split *ret_split,
                                struct dataset_report *report, struct error *err);
void split_release(struct split *s); /* safe on SPLIT_INIT */

/* Count what the table says of the rows of a split into *report (unknown, other_views, nobodys, odd, part). An age above
 * INPUT_OLDEST is not known. */
void split_census(const struct table *t, const struct split *s, struct dataset_report *report);

/* Leave out the rows that would be on two sides of the split if they were tested on.
 *   by      image    rows with the picture of a row that trains or validates
 *           others   rows of patients who have a row that trains or validates, and of those who share a picture with them,
 *                    as split_make() draws patients together
 *   pixels  as in struct split_options
 * Errors: ST_NOMEM. */
MUST_USE enum status rows_keep_unseen(const struct table *t, const struct split *split, enum split_by by,
                                      const uint64_t *pixels, struct rows *rows);

#endif
