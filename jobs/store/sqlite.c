/* jobs/store/sqlite.c - the store in one SQLite file, of one process; see engine.h.
 *
 * One connection behind a mutex: SQLite before 3.51.3 can corrupt a WAL that two connections reset, and nothing here
 * is in a hurry. A rollback journal with synchronous=EXTRA syncs the folder too when a transaction ends.
 * Invariant: a file whose transaction was cut off is as before it, once it is opened again. */
#include "engine.h"
#include "prepared.h"
#include "schema.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct file_database {
    struct database base;
    sqlite3 *db;
    struct prepared_set prepared; /* of struct file_statement */
};

struct file_statement {
    struct statement base;
    sqlite3_stmt *stmt;      /* owned */
    int places[MOST_VALUES]; /* of $1 and so on; 0: it has none of that number */
    bool kept, in_use;       /* kept: it is one of the connection's */
};

static sqlite3 *handle(struct database *db) { return ((struct file_database *)db)->db; }

static sqlite3_stmt *inner(struct statement *stmt) { return ((struct file_statement *)stmt)->stmt; }

/* What SQLite says of its last call, in a sentence: "cannot <what>". */
static enum status fail(struct database *db, struct error *err, const char *what)
{
    if (sqlite3_errcode(handle(db)) == SQLITE_NOMEM)
        return error_nomem(err);
    return error_set(err, ST_IO, "the job database: cannot %s: %s", what, sqlite3_errmsg(handle(db)));
}

static enum status run(struct database *db, const char *sql, struct error *err)
{
    return sqlite3_exec(handle(db), sql, NULL, NULL, NULL) == SQLITE_OK ? ST_OK : fail(db, err, "write");
}

/* ---- statements: prepared once, and reset when they are done ---- */

static void statement_free(struct file_statement *f)
{
    sqlite3_finalize(f->stmt);
    free(f);
}

/* $1 is a name to SQLite, whatever else the statement has before it; one that it does not ask for has no place. */
static void find_places(struct file_statement *f)
{
    char name[24];

    for (int i = 0; i < MOST_VALUES; i++) {
        snprintf(name, sizeof name, "$%d", i + 1);
        f->places[i] = sqlite3_bind_parameter_index(f->stmt, name);
    }
}

static struct file_statement *prepare_anew(struct file_database *d, const char *sql, struct error *err)
{
    struct file_statement *f = calloc(1, sizeof *f);

    if (!f) {
        d->base.failed = error_nomem(err);
        return NULL;
    }
    f->base.db = &d->base;
    if (sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &f->stmt, NULL) != SQLITE_OK) {
        d->base.failed = fail(&d->base, err, "prepare a query");
        statement_free(f);
        return NULL;
    }
    find_places(f);
    return f;
}

static int bind(sqlite3_stmt *stmt, int place, const struct value *v)
{
    if (place == 0)
        return SQLITE_OK;
    if (v->type == 't')
        return v->text ? sqlite3_bind_text(stmt, place, v->text, -1, SQLITE_TRANSIENT)
                       : sqlite3_bind_null(stmt, place);
    if (v->type == 'b')
        return sqlite3_bind_blob64(stmt, place, v->bytes, v->size, SQLITE_STATIC);
    return sqlite3_bind_int64(stmt, place, v->integer);
}

static void done(struct statement *stmt)
{
    struct file_statement *f = (struct file_statement *)stmt;

    if (!f->kept) {
        statement_free(f);
        return;
    }
    sqlite3_reset(f->stmt);
    sqlite3_clear_bindings(f->stmt); /* bytes were not copied */
    f->in_use = false;
}

static struct statement *prepare(struct database *db, const char *sql, const struct value *values, size_t n,
                                 struct error *err)
{
    struct file_database *d = (struct file_database *)db;
    struct file_statement *known = prepared_find(&d->prepared, sql);
    struct file_statement *f = known && !known->in_use ? known : prepare_anew(d, sql, err);
    int rc = SQLITE_OK;

    if (!f)
        return NULL;
    if (!known)
        f->kept = prepared_add(&d->prepared, sql, f);
    f->in_use = true;
    for (size_t i = 0; i < n && rc == SQLITE_OK; i++)
        rc = bind(f->stmt, f->places[i], &values[i]);
    if (rc == SQLITE_OK)
        return &f->base;
    db->failed = fail(db, err, "prepare a query");
    done(&f->base);
    return NULL;
}

static enum status step(struct statement *stmt, struct error *err)
{
    switch (sqlite3_step(inner(stmt))) {
    case SQLITE_ROW: return ST_OK;
    case SQLITE_DONE: return ST_NOTFOUND;
    default: return fail(stmt->db, err, sqlite3_stmt_readonly(inner(stmt)) ? "read" : "write");
    }
}

static enum status finish(struct statement *stmt, int64_t *changed, struct error *err)
{
    const enum status st = step(stmt, err);

    if (st == ST_NOTFOUND && changed)
        *changed += sqlite3_changes64(handle(stmt->db));
    done(stmt);
    return st == ST_NOTFOUND ? ST_OK : st;
}

static enum status arrive(struct database *db, struct error *err)
{
    (void)db, (void)err;
    return ST_OK; /* each was done when it was finished */
}

static size_t columns(struct statement *stmt) { return (size_t)sqlite3_column_count(inner(stmt)); }

static bool is_null(struct statement *stmt, int column)
{
    return sqlite3_column_type(inner(stmt), column) == SQLITE_NULL;
}

static const char *text(struct statement *stmt, int column)
{
    return (const char *)sqlite3_column_text(inner(stmt), column);
}

static int64_t integer(struct statement *stmt, int column)
{
    return sqlite3_column_int64(inner(stmt), column);
}

static const void *bytes(struct statement *stmt, int column, size_t *ret_size)
{
    const void *blob = sqlite3_column_blob(inner(stmt), column);

    *ret_size = (size_t)sqlite3_column_bytes(inner(stmt), column);
    return blob;
}

static bool ran_out(struct database *db) { return sqlite3_errcode(handle(db)) == SQLITE_NOMEM; }

/* ---- transactions ---- */

static enum status control(struct database *db, const char *sql, struct error *err)
{
    struct statement *stmt = prepare(db, sql, NULL, 0, err);
    enum status st;

    if (!stmt)
        return db->failed;
    st = sqlite3_step(inner(stmt)) == SQLITE_DONE ? ST_OK : fail(db, err, "write");
    done(stmt);
    return st;
}

static enum status begin(struct database *db, bool beside, struct error *err)
{
    (void)beside;
    return control(db, "BEGIN IMMEDIATE", err);
}

static enum status commit(struct database *db, bool wake, struct error *err)
{
    (void)wake;
    return control(db, "COMMIT", err);
}

static void rollback(struct database *db)
{
    if (!sqlite3_get_autocommit(handle(db)))
        sqlite3_exec(handle(db), "ROLLBACK", NULL, NULL, NULL);
}

/* ---- the file ---- */

static enum status integrity_check(struct database *db, struct error *err)
{
    struct statement *stmt = prepare(db, "PRAGMA integrity_check(1)", NULL, 0, err);
    const char *said;
    enum status st;

    if (!stmt)
        return db->failed;
    st = step(stmt, err);
    said = st == ST_OK ? text(stmt, 0) : NULL;
    if (st == ST_OK && !said)
        st = ran_out(db)
                 ? error_nomem(err)
                 : error_set(err, ST_IO, "the job database holds a state of its own that cannot be read");
    else if (st == ST_OK && strcmp(said, "ok") != 0)
        st = error_set(err, ST_IO, "the job database is damaged: %.160s", said);
    done(stmt);
    return st;
}

static void close_file(struct database *db)
{
    struct file_database *d = (struct file_database *)db;

    for (struct file_statement *f; (f = prepared_take(&d->prepared));)
        statement_free(f);
    sqlite3_close(d->db);
    free(d);
}

static enum status open_file(const char *path, struct database **ret, struct error *err)
{
    struct file_database *f = calloc(1, sizeof *f);
    enum status st = ST_OK;

    if (!f)
        return error_nomem(err);
    f->base.engine = &SQLITE;
    if (sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        st = fail(&f->base, err, "be opened");
    if (st == ST_OK)
        st = run(&f->base,
                 "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA; PRAGMA foreign_keys = ON;"
                 "PRAGMA trusted_schema = OFF; PRAGMA busy_timeout = 5000;",
                 err);
    if (st == ST_OK)
        st = integrity_check(&f->base, err);
    if (st != ST_OK) {
        close_file(&f->base);
        return st;
    }
    *ret = &f->base;
    return ST_OK;
}

/* One INTEGER PRIMARY KEY AUTOINCREMENT is a row's number. */
#define COLUMNS_ASK                                                                                      \
    "SELECT m.name, p.name, CASE WHEN p.pk = 1 AND m.sql LIKE '%AUTOINCREMENT%' THEN 'n' WHEN p.type = " \
    "'BLOB' THEN 'b' WHEN p.type = 'INTEGER' THEN 'i' ELSE 't' END FROM sqlite_schema AS m"              \
    " JOIN pragma_table_info(m.name) AS p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'"         \
    " ORDER BY m.name, p.name"

const struct engine SQLITE = {
    .name = "sqlite",
    .migrations = SQLITE_MIGRATIONS,
    .now_ms = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    .random_hex = "lower(hex(randomblob(16)))",
    .id_is_text = "CAST(id AS TEXT) = id AND substr(id, 1, length(id)) = id",
    .lock_row = "",
    .lock_free_row = "",
    .open = open_file,
    .close = close_file,
    .version_ask = "PRAGMA user_version",
    .version_set = "PRAGMA user_version = %lld",
    .numbered = "",
    .next_ask = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = '%s'), 0) + 1",
    .next_set = "INSERT INTO sqlite_sequence(name, seq) VALUES('%s', %lld - 1);"
                "DELETE FROM sqlite_sequence WHERE name = '%s' AND rowid <"
                " (SELECT max(rowid) FROM sqlite_sequence)",
    .columns_ask = COLUMNS_ASK,
    .odd_text = "typeof(%s) NOT IN ('text', 'null') OR instr(%s, char(0)) > 0",
    .odd_integer = "typeof(%s) NOT IN ('integer', 'null')",
    .odd_bytes = "typeof(%s) NOT IN ('blob', 'null')",
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .prepare = prepare,
    .step = step,
    .done = done,
    .finish = finish,
    .arrive = arrive,
    .columns = columns,
    .is_null = is_null,
    .text = text,
    .integer = integer,
    .bytes = bytes,
    .ran_out = ran_out
};
