/* jobs/store/rows.c - what the store reads, see parts.h: rows are copied with its lock held, and become JSON when it
 * is free again. */
#include "parts.h"

#include "cxrd/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NO_CELL SIZE_MAX

void cells_release(struct cells *r)
{
    buf_release(&r->text);
    buf_release(&r->at);
}

static void copy_cell(struct statement *stmt, int column, struct cells *r)
{
    const bool null = stmt->db->engine->is_null(stmt, column);
    const char *text = null ? "" : store_column(stmt, column);
    const size_t at = null ? NO_CELL : r->text.len;

    buf_put(&r->at, &at, sizeof at);
    if (!text)
        r->text.failed = ST_NOMEM; /* of a number, or of another encoding */
    else if (!null)
        buf_put(&r->text, text, strlen(text) + 1);
}

/* With the lock held. */
static enum status copy_rows(struct store *s, struct statement *stmt, struct cells *r, struct error *err)
{
    enum status st;

    r->n_columns = stmt ? stmt->db->engine->columns(stmt) : 0;
    while ((st = store_row(s, stmt, err)) == ST_OK) {
        for (int i = 0; i < (int)r->n_columns; i++)
            copy_cell(stmt, i, r);
        r->n_rows++;
        if (buf_status(&r->text) != ST_OK || buf_status(&r->at) != ST_OK)
            return error_nomem(err);
    }
    return st == ST_NOTFOUND ? ST_OK : st;
}

enum status store_query(struct store *s, struct cells *ret, struct error *err, const char *sql,
                        const char *types, ...)
{
    struct statement *stmt;
    enum status st;
    va_list ap;

    pthread_mutex_lock(&s->lock);
    va_start(ap, types);
    stmt = store_vprepare(s, err, sql, types, ap);
    va_end(ap);
    st = copy_rows(s, stmt, ret, err);
    store_done(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

const char *cells_text(const struct cells *r, size_t row, size_t column)
{
    size_t at;

    memcpy(&at, r->at.data + (row * r->n_columns + column) * sizeof at, sizeof at);
    return at == NO_CELL ? NULL : r->text.data + at;
}

json_t *cells_json(const struct cells *r, size_t row, size_t column)
{
    const char *text = cells_text(r, row, column);
    json_t *value = NULL;

    return text && json_read(text, strlen(text), 0, &value, NULL) == ST_OK ? value : NULL;
}

static enum status broken(const struct kind *kind, struct error *err)
{
    return json_ran_out()
               ? error_nomem(err)
               : error_set(err, ST_IO, "the job database holds a %s that cannot be read", kind->part);
}

enum status store_find(struct store *s, const char *sql, const char *id, const struct kind *kind,
                       json_t **ret, struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, sql, "t", id);

    json_watch();
    if (st == ST_OK && cells.n_rows == 0)
        st = error_set(err, ST_NOTFOUND, "there is no %s '%s'", kind->name, id);
    if (st == ST_OK && !(*ret = kind->row(&cells, 0)))
        st = broken(kind, err);
    cells_release(&cells);
    return st;
}

enum status store_id(struct store *s, const char *sql, const char *types, int64_t arg, char ret_id[ID_SIZE],
                     struct error *err)
{
    struct cells cells = CELLS_INIT;
    enum status st = store_query(s, &cells, err, sql, types, arg);
    const char *id = st == ST_OK && cells.n_rows > 0 ? cells_text(&cells, 0, 0) : "";

    if (!id)
        st = error_set(err, ST_IO, "the job database holds a choice that cannot be read");
    snprintf(ret_id, ID_SIZE, "%s", id ? id : "");
    cells_release(&cells);
    return st;
}

/* Go on with a page below *before, which moves on. */
static enum status list_fill(struct store *s, const struct page *page, const char *sql,
                             const struct kind *kind, json_t *items, int64_t *before, bool *ret_more,
                             struct error *err)
{
    const size_t room = page->limit - json_array_size(items);
    struct cells cells = CELLS_INIT;
    enum status st = store_query(
        s, &cells, err, sql, "iittt", *before, (int64_t)room + 1, page->state, page->type,
        page->text && page->text[0] ? page->text
                                    : NULL); /* one more than there is room for tells of a next page */

    for (size_t i = 0; i < cells.n_rows && i < room && st == ST_OK; i++) {
        json_t *item;

        json_watch();
        item = kind->row(&cells, i);
        if (!json_is_null(item) && json_array_append_new(items, item) != 0)
            st = broken(kind, err);
        *before = strtoll(cells_text(&cells, i, 0), NULL, 10);
    }
    *ret_more = cells.n_rows > room;
    cells_release(&cells);
    return st;
}

enum status store_list(struct store *s, const struct page *page, const char *sql, const struct kind *kind,
                       json_t **ret_items, int64_t *ret_next, struct error *err)
{
    json_t *items = json_array();
    int64_t before = page->before ? page->before : INT64_MAX;
    bool more = true;
    enum status st = items ? ST_OK : error_nomem(err);

    while (st == ST_OK && more && json_array_size(items) < page->limit)
        st = list_fill(s, page, sql, kind, items, &before, &more, err);
    if (st != ST_OK) {
        json_decref(items);
        return st;
    }
    *ret_items = items;
    *ret_next = more ? before : 0;
    return ST_OK;
}
