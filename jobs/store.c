/* jobs/store.c - the database that jobs and models are kept in, see cxrd/store.h: statements, transactions, opening.
 *
 * One connection behind a mutex: SQLite before 3.51.3 can corrupt a WAL that two connections reset, and nothing here
 * is in a hurry. A rollback journal with synchronous=EXTRA syncs the folder too when a transaction ends. */
#include "store_parts.h"

#include "cxrd/clock.h"
#include "cxrd/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Schema changes, in order; user_version counts those that a file has. Never edit one that was released: add. */
static const char *const MIGRATIONS[] = {
    "CREATE TABLE jobs(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
    "  state TEXT NOT NULL, created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT,"
    "  config TEXT NOT NULL, record TEXT NOT NULL DEFAULT '{}',"
    "  idempotency_key TEXT UNIQUE, request_sha256 TEXT);"
    "CREATE INDEX jobs_by_state ON jobs(state, seq);"
    "CREATE TABLE models(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
    "  created_at TEXT NOT NULL, card TEXT NOT NULL);"
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL);",
    /* every job's journal; of jobs from before, what their records say */
    ("CREATE TABLE events(job TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE, seq INTEGER NOT NULL,"
     "  name TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY(job, seq)) WITHOUT ROWID;"
     "INSERT INTO events SELECT jobs.id, e.key + 1, 'epoch', e.value FROM jobs, json_each(record, "
     "'$.epochs') "
     "e;"
     "INSERT INTO events SELECT id, (SELECT count(*) FROM events WHERE job = jobs.id) + 1, 'state',"
     "  json_object('state', state, 'at', coalesce(finished_at, started_at, created_at)) FROM jobs;"),
    /* what is to be told to others; no url: the operator's own receiver */
    "CREATE TABLE notices(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, url TEXT,"
    "  body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL);",
};
enum { N_MIGRATIONS = sizeof MIGRATIONS / sizeof MIGRATIONS[0] };

static enum status fail(struct store *s, struct error *err, const char *what)
{
    if (sqlite3_errcode(s->db) == SQLITE_NOMEM)
        return error_nomem(err);
    return error_set(err, ST_IO, "the job database: cannot %s: %s", what, sqlite3_errmsg(s->db));
}

enum status store_run(struct store *s, const char *sql, struct error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : fail(s, err, "write");
}

/* ---- statements: prepared, bound by type letters, stepped ---- */

sqlite3_stmt *store_prepare(struct store *s, struct error *err, const char *sql, const char *types, ...)
{
    sqlite3_stmt *stmt = NULL;
    va_list ap;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

    va_start(ap, types);
    for (int i = 1; *types && rc == SQLITE_OK; types++, i++) {
        if (*types == 't') {
            const char *text = va_arg(ap, const char *);

            rc = text ? sqlite3_bind_text(stmt, i, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(stmt, i);
        } else {
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
        }
    }
    va_end(ap);
    if (rc != SQLITE_OK) {
        fail(s, err, "prepare a query");
        sqlite3_finalize(stmt);
        return NULL;
    }
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
        st = fail(s, err, "write");
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
    default: return fail(s, err, "read");
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

enum status store_find(struct store *s, const char *sql, const char *id, const struct kind *kind,
                       json_t **ret, struct error *err)
{
    sqlite3_stmt *stmt;
    enum status st;

    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, sql, "t", id);
    st = store_row(s, stmt, err);
    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no %s '%s'", kind->name, id);
    if (st == ST_OK && !(*ret = kind->row(stmt)))
        st = store_broken(s, err, kind->part);
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_collect(struct store *s, sqlite3_stmt *stmt, size_t limit, int seq_column,
                          json_t *(*row)(sqlite3_stmt *stmt), json_t **ret_items, int64_t *ret_next,
                          struct error *err)
{
    json_t *items = json_array(), *item;
    enum status st = !stmt ? without_statement(s) : items ? ST_OK : error_nomem(err);
    int64_t last = 0;

    *ret_next = 0;
    while (st == ST_OK && (st = store_row(s, stmt, err)) == ST_OK) {
        if (json_array_size(items) == limit) {
            *ret_next = last;
            break;
        }
        item = row(stmt);
        last = sqlite3_column_int64(stmt, seq_column);
        if (!json_is_null(item) && json_array_append_new(items, item) != 0)
            st = store_broken(s, err, "configuration or a card");
    }
    sqlite3_finalize(stmt);
    if (st != ST_OK && st != ST_NOTFOUND) { /* not found: the end of the rows */
        json_decref(items);
        return st;
    }
    *ret_items = items;
    return ST_OK;
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

/* ---- opening ---- */

static enum status integrity_check(struct store *s, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, "PRAGMA integrity_check(1)", "");
    enum status st = store_row(s, stmt, err);
    const char *said = st == ST_OK ? store_column(stmt, 0) : NULL;

    if (st == ST_OK && !said)
        st = store_broken(s, err, "state of its own");
    else if (st == ST_OK && strcmp(said, "ok") != 0)
        st = error_set(err, ST_IO, "the job database is damaged: %.160s", said);
    sqlite3_finalize(stmt);
    return st;
}

static enum status migrate(struct store *s, struct error *err)
{
    int64_t version = 0;
    enum status st = store_integer(s, "PRAGMA user_version", &version, err);

    if (st == ST_OK && version > N_MIGRATIONS)
        st = error_set(err, ST_UNSUPPORTED, "the job database was written by a newer version of cxrd");
    for (; st == ST_OK && version < N_MIGRATIONS; version++) {
        char bump[48];

        st = store_begin(s, err);
        if (st != ST_OK)
            break;
        snprintf(bump, sizeof bump, "PRAGMA user_version = %d", (int)version + 1);
        st = store_run(s, MIGRATIONS[version], err);
        if (st == ST_OK)
            st = store_run(s, bump, err);
        st = store_end(s, st, err);
    }
    return st;
}

/* What a server that died left running. */
static enum status interrupt_running(struct store *s, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    clock_utc(now);
    st = store_finish(
        s,
        store_prepare(
            s, err,
            "INSERT INTO events SELECT id, (SELECT count(*) FROM events WHERE job = jobs.id) + 1, 'state',"
            " json_object('state', 'interrupted', 'at', ?) FROM jobs WHERE state = 'running'",
            "t", now),
        err);
    if (st == ST_OK)
        st = store_finish(
            s,
            store_prepare(s, err,
                          "UPDATE jobs SET state = 'interrupted', finished_at = ? WHERE state = 'running'",
                          "t", now),
            err);
    if (st == ST_OK)
        st = store_note_ended(s, "state = 'interrupted' AND finished_at = ?", now, true, err);
    return store_end(s, st, err);
}

enum status store_open(const char *path, struct store **ret_store, struct error *err)
{
    struct store *s = calloc(1, sizeof *s);
    enum status st = ST_OK;

    if (!s)
        return error_nomem(err);
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->calling, NULL);
    if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        st = fail(s, err, "be opened");
    if (st == ST_OK)
        st = store_run(s,
                       "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON;"
                       "PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000;",
                       err);
    if (st == ST_OK)
        st = integrity_check(s, err);
    if (st == ST_OK)
        st = migrate(s, err);
    if (st == ST_OK)
        st = interrupt_running(s, err);
    if (st != ST_OK) {
        store_close(s);
        return st;
    }
    *ret_store = s;
    return ST_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    pthread_mutex_destroy(&s->calling);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
