/* jobs/dataset/split_table.c - see split_table.h. */
#include "split_table.h"

#include <csv.h>
#include <string.h>

enum { NAME_COLUMN, PART_COLUMN, N_COLUMNS, MAX_NAME = 127 };

struct reader {
    const char *file;
    struct buf *to; /* [N_SPLITS] */
    size_t column[N_COLUMNS], n_columns, field, line;
    char name[MAX_NAME + 1];
    int part; /* N_SPLITS: none yet */
    enum status st;
    struct error *err;
};

static void fail(struct reader *r, const char *what)
{
    if (r->st == ST_OK)
        r->st = error_set(r->err, ST_FORMAT, "line %zu of '%.100s' %s", r->line + 1, r->file, what);
}

static bool is(const char *text, size_t n, const char *word)
{
    return strlen(word) == n && memcmp(text, word, n) == 0;
}

static void head_field(struct reader *r, const char *text, size_t n)
{
    static const char *const NAMES[N_COLUMNS] = { "dicom_id", "split" };

    for (size_t c = 0; c < N_COLUMNS; c++)
        if (is(text, n, NAMES[c])) {
            r->column[c] = r->field;
            r->n_columns++;
        }
}

static void row_field(struct reader *r, const char *text, size_t n)
{
    static const char *const PARTS[N_SPLITS] = { "train", "validate", "test" };

    if (r->field == r->column[NAME_COLUMN]) {
        if (n > MAX_NAME || memchr(text, '\n', n) || memchr(text, '\0', n)) {
            fail(r, "has a name that can be no picture's");
            return;
        }
        memcpy(r->name, text, n);
        r->name[n] = '\0';
    } else if (r->field == r->column[PART_COLUMN]) {
        for (r->part = 0; r->part < N_SPLITS && !is(text, n, PARTS[r->part]); r->part++)
            ;
        if (r->part == N_SPLITS)
            fail(r, "has a split other than train, validate and test");
    }
}

static void on_field(void *text, size_t n, void *arg)
{
    struct reader *r = arg;

    if (r->line == 0)
        head_field(r, text, n);
    else
        row_field(r, text, n);
    r->field++;
}

static void on_row(int end, void *arg)
{
    struct reader *r = arg;

    (void)end;
    if (r->line == 0 && r->n_columns != N_COLUMNS)
        fail(r, "does not name the columns dicom_id and split, once each");
    else if (r->line > 0 && (r->part == N_SPLITS || !r->name[0]))
        fail(r, "has no name or no split");
    else if (r->line > 0 && r->st == ST_OK)
        buf_printf(&r->to[r->part], "%s\n", r->name);
    r->line++;
    r->field = 0;
    r->name[0] = '\0';
    r->part = N_SPLITS;
}

enum status split_table_read(const char *bytes, size_t size, const char *file, struct buf ret[N_SPLITS],
                             struct error *err)
{
    struct reader r = { .file = file, .to = ret, .part = N_SPLITS, .err = err };
    struct csv_parser csv;

    if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return error_nomem(err);
    if (csv_parse(&csv, bytes, size, on_field, on_row, &r) != size ||
        csv_fini(&csv, on_field, on_row, &r) != 0)
        fail(&r, "cannot be parsed");
    csv_free(&csv);
    if (r.st == ST_OK && r.line == 0)
        fail(&r, "is not there");
    for (size_t i = 0; i < N_SPLITS && r.st == ST_OK; i++)
        if (buf_status(&ret[i]) != ST_OK)
            r.st = error_set(err, buf_status(&ret[i]), "'%.100s' has too many rows", file);
    return r.st;
}
