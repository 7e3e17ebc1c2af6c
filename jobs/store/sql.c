/* jobs/store/sql.c - statements and transactions, of whatever engine; see parts.h. */
#include "parts.h"

#include "cxrd/json.h"
#include "cxrd/store_replicas.h"

#include <assert.h>
#include <string.h>

enum status store_run(struct store *s, const char *sql, struct error *err)
{
    return s->db->engine->run(s->db, sql, err);
}

/* ---- statements: prepared, bound by type letters, stepped ---- */

struct statement *store_vprepare(struct store *s, struct error *err, const char *sql, const char *types,
                                 va_list ap)
{
    struct value values[MOST_VALUES] = { 0 };
    size_t n = 0;

    for (; *types; types++, n++) {
        assert(n < MOST_VALUES);
        values[n].type = *types;
        if (*types == 't') {
            values[n].text = va_arg(ap, const char *);
        } else if (*types == 'b') {
            values[n].bytes = va_arg(ap, const void *);
            values[n].size = va_arg(ap, size_t);
        } else {
            values[n].integer = va_arg(ap, int64_t);
        }
    }
    return s->db->engine->prepare(s->db, sql, values, n, err);
}

struct statement *store_prepare(struct store *s, struct error *err, const char *sql, const char *types, ...)
{
    struct statement *stmt;
    va_list ap;

    va_start(ap, types);
    stmt = store_vprepare(s, err, sql, types, ap);
    va_end(ap);
    return stmt;
}

void store_done(struct statement *stmt)
{
    if (stmt)
        stmt->db->engine->done(stmt);
}

enum status store_finish(struct store *s, struct statement *stmt, struct error *err)
{
    return stmt ? s->db->engine->finish(stmt, NULL, err) : s->db->failed;
}

enum status store_finish_counted(struct store *s, struct statement *stmt, int64_t *changed, struct error *err)
{
    return stmt ? s->db->engine->finish(stmt, changed, err) : s->db->failed;
}

enum status store_changed(struct store *s, struct statement *stmt, int64_t *ret, struct error *err)
{
    int64_t changed = 0;
    enum status st = store_finish_counted(s, stmt, &changed, err);

    if (st == ST_OK)
        st = s->db->engine->arrive(s->db, err);
    *ret = st == ST_OK ? changed : 0;
    return st;
}

enum status store_row(struct store *s, struct statement *stmt, struct error *err)
{
    if (!stmt)
        return s->db->failed;
    json_watch(); /* what the row's cells become */
    return s->db->engine->step(stmt, err);
}

const char *store_column(struct statement *stmt, int i) { return stmt->db->engine->text(stmt, i); }

int64_t store_number(struct statement *stmt, int i) { return stmt->db->engine->integer(stmt, i); }

json_t *store_json(struct statement *stmt, int i)
{
    const char *text = store_column(stmt, i);
    json_t *value = NULL;

    return text && json_read(text, strlen(text), 0, &value, NULL) == ST_OK ? value : NULL;
}

enum status store_broken(struct store *s, struct error *err, const char *what)
{
    if (json_ran_out() || s->db->engine->ran_out(s->db))
        return error_nomem(err);
    return error_set(err, ST_IO, "the job database holds a %s that cannot be read", what);
}

enum status store_integer(struct store *s, const char *sql, int64_t *ret, struct error *err)
{
    struct statement *stmt = store_prepare(s, err, sql, "");
    const enum status st = store_row(s, stmt, err);

    if (st == ST_OK)
        *ret = store_number(stmt, 0);
    store_done(stmt);
    return st;
}

/* ---- transactions: begin takes the lock, end gives it back ---- */

static enum status begin(struct store *s, bool beside, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = s->db->engine->begin(s->db, beside, err);
    if (st != ST_OK)
        pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_begin(struct store *s, struct error *err) { return begin(s, false, err); }

enum status store_begin_beside(struct store *s, const char *job, struct error *err)
{
    char sql[100];
    enum status st = begin(s, true, err);

    if (st != ST_OK || !job || !s->db->engine->lock_row[0])
        return st;
    /* a statement of its own: those behind it see what was committed before it had the lock */
    snprintf(sql, sizeof sql, "SELECT 1 FROM jobs WHERE id = $1%s", s->db->engine->lock_row);
    st = store_finish(s, store_prepare(s, err, sql, "t", job), err);
    return st == ST_OK ? ST_OK : store_end(s, st, err);
}

static void call_added(struct store *s)
{
    pthread_mutex_lock(&s->calling);
    if (s->added)
        s->added(s->added_arg);
    pthread_mutex_unlock(&s->calling);
}

void store_heard(struct store *s)
{
    atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
    atomic_fetch_add_explicit(&s->feedback_changes, 1, memory_order_release);
    call_added(s);
}

enum status store_end(struct store *s, enum status st, struct error *err)
{
    bool noted;

    if (st == ST_OK)
        st = s->db->engine->commit(s->db, s->told || s->woken, err);
    noted = st == ST_OK && s->noted > 0;
    s->noted = 0;
    if (st == ST_OK && s->told)
        atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
    s->told = s->woken = false;
    if (st != ST_OK)
        s->db->engine->rollback(s->db);
    pthread_mutex_unlock(&s->lock);
    if (noted)
        call_added(s);
    return st;
}
