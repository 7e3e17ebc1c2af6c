/* jobs/store/copy.h - all that one store holds, put into another that is empty; see cxrd/state_copy.h, which finds and opens both.
 *
 * copy_tables.c knows which tables there are and what of them is copied, copy_rows.c reads and writes rows, copy_files.c the files of models
 * and jobs, copy.c has the two transactions. */
#ifndef JOBS_STORE_COPY_H
#define JOBS_STORE_COPY_H

#include "cxrd/digest.h"
#include "cxrd/file.h"
#include "cxrd/state_copy.h"
#include "parts.h"

/* ---- what may be done to them before ---- */

/* Of the store that is copied, of the one that it is copied to: that no server uses it, and that it has the tables of this version; of the
 * latter, which gets them where it has none, also that they are empty. All of that may be otherwise a moment later, so store_copy() looks
 * once more. Errors: ST_NOTFOUND (nothing of cxrd's is there), ST_UNSUPPORTED (another version), ST_CONFLICT, ST_IO. */
MUST_USE enum status store_copy_source_check(struct store *from, struct error *err);
MUST_USE enum status store_copy_target_begin(struct store *to, struct error *err);

/* ---- the files of a store that keeps them in a folder ---- */

struct copied_file {
    const char *model, *job; /* whose; the other one is NULL */
    const char *name;        /* of a job's */
    const void *bytes;
    size_t size;
};

enum { COPIED_NAME = 64 };

struct copy_folder {
    bool (*job_file)(size_t i,
                     char ret_name[COPIED_NAME]); /* that a job may have; false: there are no more */

    /* Errors: ST_NOTFOUND, ST_IO, ST_LIMIT, ST_NOMEM. */
    enum status (*read)(void *arg, const struct copied_file *which, struct file_bytes *ret,
                        struct error *err);
    enum status (*write)(void *arg, const struct copied_file *file, struct error *err);
    void *from, *to; /* `arg` of the two; NULL: that store shares its files as rows */
};

/* Copy all rows and files, compare what was read with what can be read back, and only then commit: after any failure the target is as before,
 * but for files without a row. Errors: as above; ST_IO also: a cell or a file of the source is damaged, or the copy is not the same. */
MUST_USE enum status store_copy(struct store *from, struct store *to, const struct copy_folder *folder,
                                struct state_copied *ret, struct error *err);

/* ---- copy_tables.c ---- */

struct copied_table {
    const char *name;
    size_t at_once; /* rows that are fetched together, so that few large ones are in memory */
    char types[MOST_VALUES + 1], columns[300];
    char values[300]; /* what is read of them: the columns, but for what means nothing elsewhere */
};
enum { COPIED_TABLES = COPIED_KINDS - 1 }; /* and the files */

/* Inside a transaction. Errors: ST_UNSUPPORTED (there is a table that this program does not copy), ST_IO. */
MUST_USE enum status copied_tables_read(struct store *s, struct copied_table ret[COPIED_TABLES],
                                        struct error *err);
bool copied_tables_equal(const struct copied_table *a, const struct copied_table *b);

/* Whether a server uses it; of a file the folder's lock tells. */
MUST_USE enum status copy_check_unused(struct store *s, struct error *err);

/* ST_CONFLICT: it is not, and the sentence says what is there. */
MUST_USE enum status copy_check_empty(struct store *to, struct error *err);

/* A cell is not of its column's type, as only a damaged file has it. Errors: ST_IO. */
MUST_USE enum status copy_check_cells(struct store *from, const struct copied_table *t, struct error *err);

/* ---- copy_rows.c ---- */

/* Of rows or files: how many, how many bytes beside texts, and their digests, one upon the other, as two databases need not have them in one order. */
struct copy_sum {
    size_t n, bytes;
    unsigned char digits[DIGEST_TEXT_SIZE - 1]; /* each 0 to 15 */
};
bool copy_sums_equal(const struct copy_sum *a, const struct copy_sum *b);
void copy_sum_text(const struct copy_sum *s, char ret[DIGEST_TEXT_SIZE]);

/* Add a thing that consists of these parts. */
MUST_USE enum status copy_sum_add(struct copy_sum *s, const struct value *parts, size_t n, struct error *err);

/* Every row of a query, in the transaction that is open; the cells are borrowed until the next. `name` is of no other query of it. */
typedef enum status copy_row_fn(void *arg, struct statement *row, struct error *err);
MUST_USE enum status copy_each(struct store *s, const char *name, const char *query, size_t at_once,
                               copy_row_fn *each, void *arg, struct error *err);

/* The bytes of a cell; ret->bytes is NULL where the cell is null. Errors: ST_NOMEM. */
MUST_USE enum status copy_cell_bytes(struct statement *row, int column, struct value *ret, struct error *err);

/* All rows of a table are added to `sum` and, unless it is NULL, written to `to`. */
MUST_USE enum status copy_table(struct store *from, const struct copied_table *t, struct store *to,
                                struct copy_sum *sum, struct error *err);

/* ---- copy_files.c ---- */
MUST_USE enum status copy_files(struct store *from, const struct copy_folder *folder, struct store *to,
                                struct copy_sum *sum, struct error *err);
MUST_USE enum status copy_files_again(struct store *to, const struct copy_folder *folder,
                                      struct copy_sum *sum, struct error *err); /* reads them back */

#endif
