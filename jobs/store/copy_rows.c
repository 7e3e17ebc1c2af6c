/* jobs/store/copy_rows.c - rows of a store, read piece by piece, summed up, and written to another; see copy.h. */
#include "copy.h"

#include <string.h>

enum { MOST_ON_THE_WAY = 4 << 20 }; /* bytes that are written before they are waited for */

/* ---- sums ---- */

bool copy_sums_equal(const struct copy_sum *a, const struct copy_sum *b)
{
    return a->n == b->n && a->bytes == b->bytes && memcmp(a->digits, b->digits, sizeof a->digits) == 0;
}

void copy_sum_text(const struct copy_sum *s, char ret[DIGEST_TEXT_SIZE])
{
    for (size_t i = 0; i < sizeof s->digits; i++)
        ret[i] = "0123456789abcdef"[s->digits[i]];
    ret[sizeof s->digits] = '\0';
}

static size_t size_of(const struct value *v)
{
    return v->type == 'b' ? v->size : v->text ? strlen(v->text) : 0;
}

enum status copy_sum_add(struct copy_sum *s, const struct value *parts, size_t n, struct error *err)
{
    char text[DIGEST_TEXT_SIZE];
    struct digest *d;

    if (digest_new(&d) != ST_OK)
        return error_nomem(err);
    for (size_t i = 0; i < n; i++) { /* with its length, so that no two lists of parts are alike */
        const void *bytes = parts[i].type == 'b' ? parts[i].bytes : parts[i].text;
        const uint64_t size = bytes ? size_of(&parts[i]) : UINT64_MAX;

        digest_add(d, &size, sizeof size);
        if (bytes)
            digest_add(d, bytes, (size_t)size);
        s->bytes += parts[i].type == 'b' ? parts[i].size : 0;
    }
    digest_finish(d, text);
    s->n++;
    for (size_t i = 0; i < sizeof s->digits; i++)
        s->digits[i] ^= (unsigned char)(text[i] <= '9' ? text[i] - '0' : text[i] - 'a' + 10);
    return ST_OK;
}

/* ---- reading ---- */

/* All rows of one statement. */
static enum status each_of(struct store *s, const char *sql, copy_row_fn *each, void *arg, size_t *ret_n,
                           struct error *err)
{
    struct statement *rows = store_prepare(s, err, sql, "");
    enum status st = ST_OK, more = ST_OK;

    *ret_n = 0;
    while (st == ST_OK && (more = store_row(s, rows, err)) == ST_OK) {
        ++*ret_n;
        st = each(arg, rows, err);
    }
    store_done(rows);
    return st == ST_OK && more != ST_NOTFOUND ? more : st;
}

enum status copy_each(struct store *s, const char *name, const char *query, size_t at_once, copy_row_fn *each,
                      void *arg, struct error *err)
{
    const struct engine *engine = s->db->engine;
    char sql[700], cursor[80];
    size_t n = 0;
    enum status st;

    if (!engine->cursor_open)
        return each_of(s, query, each, arg, &n, err);
    snprintf(cursor, sizeof cursor, "copy_%s", name);
    snprintf(sql, sizeof sql, engine->cursor_open, cursor, query);
    st = store_finish(s, store_prepare(s, err, sql, ""), err);
    snprintf(sql, sizeof sql, engine->cursor_next, (int)at_once, cursor);
    do {
        if (st == ST_OK)
            st = each_of(s, sql, each, arg, &n, err);
    } while (st == ST_OK && n == at_once);
    return st;
}

enum status copy_cell_bytes(struct statement *row, int column, struct value *ret, struct error *err)
{
    const struct engine *engine = row->db->engine;

    *ret = (struct value){ .type = 'b' };
    if (engine->is_null(row, column))
        return ST_OK;
    ret->bytes = engine->bytes(row, column, &ret->size);
    if (!ret->bytes && ret->size == 0 && !engine->ran_out(row->db))
        ret->bytes = ""; /* none, which is not null */
    return ret->bytes ? ST_OK : error_nomem(err);
}

/* ---- a table ---- */

struct copying {
    const struct copied_table *table;
    struct store *from, *to;
    struct copy_sum *sum;
    size_t on_the_way;
    char insert[900];
};

/* The row's cells, of which numbers are texts: the same ones of either database. */
static enum status row_values(struct copying *c, struct statement *row, struct value values[MOST_VALUES],
                              struct error *err)
{
    const char *types = c->table->types;
    enum status st = ST_OK;

    for (int i = 0; types[i] && st == ST_OK; i++) {
        values[i] = (struct value){ .type = 't' };
        if (types[i] == 'b')
            st = copy_cell_bytes(row, i, &values[i], err);
        else if (!row->db->engine->is_null(row, i) && !(values[i].text = store_column(row, i)))
            st = store_broken(c->from, err, "cell");
    }
    return st;
}

static enum status row_write(struct copying *c, const struct value *values, size_t n, struct error *err)
{
    struct database *db = c->to->db;
    enum status st;

    for (size_t i = 0; i < n; i++)
        c->on_the_way += size_of(&values[i]);
    st = store_finish(c->to, db->engine->prepare(db, c->insert, values, n, err), err);
    if (st != ST_OK || c->on_the_way < MOST_ON_THE_WAY)
        return st;
    c->on_the_way = 0;
    return db->engine->arrive(db, err);
}

static enum status row_copy(void *arg, struct statement *row, struct error *err)
{
    struct copying *c = arg;
    const size_t n = strlen(c->table->types);
    struct value values[MOST_VALUES] = { { 0 } };
    enum status st = row_values(c, row, values, err);

    if (st == ST_OK)
        st = copy_sum_add(c->sum, values, n, err);
    return st == ST_OK && c->to ? row_write(c, values, n, err) : st;
}

static void insert_make(struct copying *c)
{
    const struct copied_table *t = c->table;
    const char *numbered = strchr(t->types, 'n') ? c->to->db->engine->numbered : "";
    size_t len = (size_t)snprintf(c->insert, sizeof c->insert, "INSERT INTO %s(%s) %s VALUES(", t->name,
                                  t->columns, numbered);

    for (size_t i = 0; t->types[i]; i++) {
        const bool integer = t->types[i] == 'i' || t->types[i] == 'n';

        len += (size_t)snprintf(c->insert + len, sizeof c->insert - len,
                                integer ? "%sCAST($%zu AS BIGINT)" : "%s$%zu", i > 0 ? ", " : "", i + 1);
    }
    snprintf(c->insert + len, sizeof c->insert - len, ")");
}

/* New rows get numbers behind all that were ever given. */
static enum status next_copy(struct store *from, const char *table, struct store *to, struct error *err)
{
    char sql[300];
    int64_t next = 1;
    enum status st;

    snprintf(sql, sizeof sql, from->db->engine->next_ask, table);
    st = store_integer(from, sql, &next, err);
    snprintf(sql, sizeof sql, to->db->engine->next_set, table, (long long)next, table);
    return st == ST_OK ? store_run(to, sql, err) : st;
}

enum status copy_table(struct store *from, const struct copied_table *t, struct store *to,
                       struct copy_sum *sum, struct error *err)
{
    struct copying c = { .table = t, .from = from, .to = to, .sum = sum };
    char query[400];
    enum status st;

    if (to)
        insert_make(&c);
    snprintf(query, sizeof query, "SELECT %s FROM %s", t->values, t->name);
    st = copy_each(from, t->name, query, t->at_once, row_copy, &c, err);
    return st == ST_OK && to && strchr(t->types, 'n') ? next_copy(from, t->name, to, err) : st;
}
