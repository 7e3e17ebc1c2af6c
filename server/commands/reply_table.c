/* server/commands/reply_table.c - see reply_table.h. */
#include "reply_table.h"

#include "commands.h"
#include "cxrd/buf.h"
#include "cxrd/csv_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_ROW = 1 << 20 };
static const char TABLE_BEGIN[] = "file,";

struct reply_table {
    FILE *file;
    const char *path;
    char *part; /* where the rows are until it is whole, owned; NULL: in place */
    bool overwrite;
    struct labels labels;
};

static enum status cannot_write(const struct reply_table *t, struct error *err)
{
    return error_errno(err, ST_IO, "cannot write '%.200s'", t->path);
}

/* One line of the file, and free it. */
static enum status write_row(struct reply_table *t, struct buf *row, struct error *err)
{
    enum status st = buf_status(row);

    if (st != ST_OK)
        st = error_nomem(err);
    else if (fwrite(row->data, 1, row->len, t->file) != row->len || fflush(t->file) != 0)
        st = cannot_write(t, err);
    buf_release(row);
    return st;
}

static enum status write_header(struct reply_table *t, struct error *err)
{
    struct buf row = BUF_INIT(MAX_ROW);

    buf_puts(&row, TABLE_BEGIN);
    for (size_t i = 0; i < t->labels.n; i++) {
        csv_text(t->labels.names[i], &row);
        buf_puts(&row, ",");
    }
    buf_puts(&row, "warnings,model,error\n");
    return write_row(t, &row, err);
}

/* --overwrite is for a table of before: with its name forgotten, a picture that is asked about would stand in its place. */
static enum status check_replaced(const char *path, struct error *err)
{
    char begin[sizeof TABLE_BEGIN - 1];
    struct stat info;
    FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "re") : NULL;
    const size_t n = file ? fread(begin, 1, sizeof begin, file) : 0;

    if (file)
        fclose(file);
    if (n == 0 || (n == sizeof begin && memcmp(begin, TABLE_BEGIN, n) == 0))
        return ST_OK;
    return error_set(err, ST_INVALID, "'%.200s' is no table of answers, and is not written over", path);
}

static bool is_regular_or_none(const char *path)
{
    struct stat info;

    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static enum status check_path(const char *path, bool overwrite, struct error *err)
{
    const enum status st = command_out_check(path, overwrite, err);

    return st == ST_OK && overwrite ? check_replaced(path, err) : st;
}

/* Where its rows go. */
static enum status open_file(struct reply_table *t, struct error *err)
{
    if (strcmp(t->path, "-") == 0) {
        t->file = stdout;
        return ST_OK;
    }
    if (is_regular_or_none(t->path) && asprintf(&t->part, "%s.part", t->path) < 0) {
        t->part = NULL;
        return error_nomem(err);
    }
    if (t->part &&
        check_replaced(t->part, err) != ST_OK) /* one that was left there before is no longer wanted */
        return ST_INVALID;
    t->file = fopen(t->part ? t->part : t->path, "we");
    return t->file ? ST_OK : cannot_write(t, err);
}

static void table_free(struct reply_table *t)
{
    free(t->part);
    free(t);
}

enum status reply_table_open(const char *path, bool overwrite, const struct labels *labels,
                             struct reply_table **ret, struct error *err)
{
    enum status st = strcmp(path, "-") == 0 ? ST_OK : check_path(path, overwrite, err);
    struct reply_table *t;

    if (st != ST_OK)
        return st;
    t = malloc(sizeof *t);
    if (!t)
        return error_nomem(err);
    *t = (struct reply_table){ .path = path, .overwrite = overwrite, .labels = *labels };
    st = open_file(t, err);
    if (st != ST_OK) {
        table_free(t);
        return st;
    }
    *ret = t;
    return write_header(t, err);
}

/* "inverted no_voi": the codes of the picture's warnings. */
static void put_warnings(const json_t *reply, struct buf *row)
{
    const json_t *warning;
    size_t i;

    json_array_foreach (json_object_get(reply, "warnings"), i, warning)
        buf_printf(row, "%s%s", i ? " " : "", json_string_value(json_object_get(warning, "code")));
}

/* False: it has other labels than the table. */
static bool put_reply(const struct reply_table *t, const json_t *reply, struct buf *row)
{
    const json_t *probabilities = json_object_get(reply, "probabilities");
    const char *model = json_string_value(json_object_get(json_object_get(reply, "model"), "id"));
    bool is_known = json_object_size(probabilities) == t->labels.n;

    for (size_t i = 0; i < t->labels.n; i++) {
        const json_t *value = json_object_get(probabilities, t->labels.names[i]);

        is_known = is_known && json_is_number(value);
        buf_printf(row, ",%.9g", json_number_value(value));
    }
    buf_puts(row, ",");
    put_warnings(reply, row);
    buf_puts(row, ",");
    csv_text(model ? model : "", row);
    buf_puts(row, ",");
    return is_known;
}

enum status reply_table_put(struct reply_table *t, const char *picture, const json_t *reply,
                            const char *refused, struct error *err)
{
    struct buf row = BUF_INIT(MAX_ROW);

    csv_text(picture, &row);
    if (reply && !put_reply(t, reply, &row)) {
        buf_release(&row);
        return error_set(err, ST_CONFLICT,
                         "another model answers now, whose labels are not the columns of '%.200s'", t->path);
    }
    if (!reply) {
        for (size_t i = 0; i < t->labels.n + 3; i++)
            buf_puts(&row, ",");
        csv_text(refused, &row);
    }
    buf_puts(&row, "\n");
    return write_row(t, &row, err);
}

static enum status take_name(const struct reply_table *t, struct error *err)
{
    const enum status st = check_path(t->path, t->overwrite, err);

    if (st == ST_OK && rename(t->part, t->path) != 0)
        return cannot_write(t, err);
    return st;
}

enum status reply_table_close(struct reply_table *t, bool whole, struct error *err)
{
    enum status st = ST_OK;

    if (!t)
        return ST_OK;
    if (t->file != stdout && fclose(t->file) != 0)
        st = cannot_write(t, err);
    if (st == ST_OK && whole && t->part)
        st = take_name(t, err);
    table_free(t);
    return st;
}

const char *reply_table_part(const struct reply_table *t) { return t ? t->part : NULL; }
