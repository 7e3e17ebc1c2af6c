/* jobs/store/sql.c - how the store speaks to SQLite, see parts.h: statements and transactions. */
#include "parts.h"

#include "cxrd/json.h"

#include <string.h>

enum status store_fail(struct store *s, struct error *err, const char *what)
{
    if (sqlite3_errcode(s->db) == SQLITE_NOMEM)
        return error_nomem(err);
    return error_set(err, ST_IO, "the job database: cannot %s: %s", what, sqlite3_errmsg(s->db));
}

enum status store_run(struct store *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : store_fail(s, err, "write");
}

/* ---- statements: prepared, bound by type letters, stepped ---- */

sqlite3_stmt *store_vprepare(struct store *s, struct error *err, const char *sql, const char *types,
                             va_list ap)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 't') {
            const char *text = va_arg(ap, const char *);

            rc = text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(stmt, i);
        } else {
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
        }
    }
    if (rc != SQLITE_OK) {
        store_fail(s, err, "prepare a query");
        sqlite3_finalize(stmt);
        return NULL;
    }
    return stmt;
}

sqlite3_stmt *store_prepare(struct store *s, struct error *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt;
    va_list ap;

    va_start(ap, types);
    stmt = store_vprepare(s, err, sql, types, ap);
    va_end(ap);
    return stmt;
}

static enum status without_statement(struct store *s)
{
    return sqlite3_errcode(s->db) == SQLITE_NOMEM ? ST_NOMEM : ST_IO;
}

enum status store_finish(struct store *s, sqlite3_stmt *stmt, struct error *err)
{
    enum status st = ST_OK;

    if (!stmt)
        return without_statement(s);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        st = store_fail(s, err, "write");
    sqlite3_finalize(stmt);
    return st;
}

enum status store_row(struct store *s, sqlite3_stmt *stmt, struct error *err)
{
    if (!stmt)
        return without_statement(s);
    json_watch(); /* what the row's cells become */
    switch (sqlite3_step(stmt)) {
    case SQLITE_ROW: return ST_OK;
    case SQLITE_DONE: return ST_NOTFOUND;
    default: return store_fail(s, err, "read");
    }
}

const char *store_column(sqlite3_stmt *stmt, int i) { return (const char *)sqlite3_column_text(stmt, i); }

json_t *store_json(sqlite3_stmt *stmt, int i)
{
    const char *text = store_column(stmt, i);
    json_t *value = NULL;

    return text && json_read(text, strlen(text), 0, &value, NULL) == ST_OK ? value : NULL;
}

enum status store_broken(struct store *s, struct error *err, const char *what)
{
    if (json_ran_out() || sqlite3_errcode(s->db) == SQLITE_NOMEM)
        return error_nomem(err);
    return error_set(err, ST_IO, "the job database holds a %s that cannot be read", what);
}

enum status store_integer(struct store *s, const char *sql, int64_t *ret, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, sql, "");
    const enum status st = store_row(s, stmt, err);

    if (st == ST_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return st;
}

/* ---- transactions: begin takes the lock, end gives it back ---- */

enum status store_begin(struct store *s, struct error *err)
{
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = store_run(s, "BEGIN IMMEDIATE", err);
    if (st != ST_OK)
        pthread_mutex_unlock(&s->lock);
    return st;
}

static void call_added(struct store *s)
{
    pthread_mutex_lock(&s->calling);
    if (s->added)
        s->added(s->added_arg);
    pthread_mutex_unlock(&s->calling);
}

enum status store_end(struct store *s, enum status st, struct error *err)
{
    bool noted;

    if (st == ST_OK)
        st = store_run(s, "COMMIT", err);
    noted = st == ST_OK && s->noted;
    s->noted = false;
    if (st == ST_OK && s->told)
        atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
    s->told = false;
    if (st != ST_OK && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    pthread_mutex_unlock(&s->lock);
    if (noted)
        call_added(s);
    return st;
}
