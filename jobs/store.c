/* jobs/store.c - the only SQL, see cxrd/store.h.
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

static enum status pragma_integer(struct store *s, const char *sql, int64_t *ret, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, sql, "");
    const enum status st = store_row(s, stmt, err);

    if (st == ST_OK)
        *ret = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    return st;
}

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
    enum status st = pragma_integer(s, "PRAGMA user_version", &version, err);

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

/* ---- a job's journal ---- */

/* Add to it, inside a transaction. Numbers are 1, 2, 3 …: nothing is ever taken out of the middle. */
static enum status tell(struct store *s, const char *id, const char *name, const json_t *data,
                        struct error *err)
{
    char *text = json_text(data, JSON_COMPACT);
    enum status st;

    if (!text)
        return error_nomem(err);
    st = store_finish(
        s,
        store_prepare(s, err, "INSERT INTO events SELECT ?1, count(*) + 1, ?2, ?3 FROM events WHERE job = ?1",
                      "ttt", id, name, text),
        err);
    free(text);
    s->told = true;
    return st;
}

static enum status tell_state(struct store *s, const char *id, enum job_state state, const char *at,
                              struct error *err)
{
    json_t *data = json_pack("{s:s,s:s}", "state", job_state_name(state), "at", at);
    const enum status st = tell(s, id, "state", data, err);

    json_decref(data);
    return st;
}

uint64_t store_journal_changes(struct store *s)
{
    return atomic_load_explicit(&s->changes, memory_order_acquire);
}

/* ---- jobs ---- */

/* The job that this idempotency key made: ST_OK and its id, ST_CONFLICT (other body), or ST_NOTFOUND. */
static enum status find_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                                 struct error *err)
{
    sqlite3_stmt *stmt;
    enum status st;

    if (!job->idempotency_key)
        return ST_NOTFOUND;
    stmt = store_prepare(s, err, "SELECT id, request_sha256 FROM jobs WHERE idempotency_key = ?", "t",
                         job->idempotency_key);
    st = store_row(s, stmt, err);
    if (st == ST_OK) {
        const char *id = store_column(stmt, 0), *sha256 = store_column(stmt, 1);

        if (!id || !sha256)
            st = store_broken(s, err, "job");
        else if (strcmp(sha256, job->request_sha256) != 0)
            st = error_set(err, ST_CONFLICT, "the Idempotency-Key was used before, with another body");
        else
            snprintf(ret_id, ID_SIZE, "%s", id);
    }
    sqlite3_finalize(stmt);
    return st;
}

static enum status check_room(struct store *s, size_t max_queued, struct error *err)
{
    int64_t queued = 0;
    enum status st = pragma_integer(s, "SELECT count(*) FROM jobs WHERE state = 'queued'", &queued, err);

    if (st == ST_OK && queued >= (int64_t)max_queued)
        st = error_set(err, ST_BUSY, "the job queue is full: %zu jobs are waiting", max_queued);
    return st;
}

static enum status insert_job(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                              struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    char *config = json_text(job->config, JSON_COMPACT);
    char *record = job->record ? json_text(job->record, JSON_COMPACT) : strdup("{}");
    enum status st;

    if (!config || !record) {
        st = error_nomem(err);
        goto out;
    }
    id_new(ret_id);
    st = store_finish(
        s,
        store_prepare(
            s, err,
            "INSERT INTO jobs(id, type, state, created_at, config, record, idempotency_key, request_sha256)"
            " VALUES(?, ?, 'queued', ?, ?, ?, ?, ?)",
            "ttttttt", ret_id, job->type, clock_utc(now), config, record, job->idempotency_key,
            job->request_sha256),
        err);
    if (st == ST_OK)
        st = tell_state(s, ret_id, JOB_QUEUED, now, err);
out:
    free(record);
    free(config);
    return st;
}

enum status store_job_repeated(struct store *s, const struct new_job *job, char ret_id[ID_SIZE],
                               struct error *err)
{
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = find_repeated(s, job, ret_id, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_add(struct store *s, const struct new_job *job, char ret_id[ID_SIZE], struct error *err)
{
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = find_repeated(s, job, ret_id, err);
    if (st == ST_NOTFOUND) {
        st = check_room(s, job->max_queued, err);
        if (st == ST_OK)
            st = insert_job(s, job, ret_id, err);
    }
    return store_end(s, st, err);
}

/* The state of a job, with the lock held. */
static enum status state_of(struct store *s, const char *id, enum job_state *ret_state, struct error *err)
{
    sqlite3_stmt *stmt = store_prepare(s, err, "SELECT state FROM jobs WHERE id = ?", "t", id);
    enum status st = store_row(s, stmt, err);

    if (st == ST_NOTFOUND)
        error_set(err, st, "there is no job '%s'", id);
    if (st == ST_OK) {
        const char *name = store_column(stmt, 0);

        if (!name)
            st = store_broken(s, err, "state");
        else if (!job_state_parse(name, ret_state))
            st = error_set(err, ST_IO, "the job database holds an unknown state");
    }
    sqlite3_finalize(stmt);
    return st;
}

static enum status write_state(struct store *s, const char *id, enum job_state to, struct error *err)
{
    char now[CLOCK_TEXT_SIZE];
    const char *sql = to == JOB_RUNNING
                          ? "UPDATE jobs SET state = ?, started_at = ?, finished_at = NULL WHERE id = ?"
                          : "UPDATE jobs SET state = ?, finished_at = ? WHERE id = ?";

    enum status st;

    clock_utc(now);
    st = store_finish(
        s, store_prepare(s, err, sql, "ttt", job_state_name(to), to == JOB_QUEUED ? NULL : now, id), err);
    if (st == ST_OK)
        st = tell_state(s, id, to, now, err);
    return st == ST_OK && job_has_ended(to) ? store_note_ended(s, "id = ?", id, s->all_noted, err) : st;
}

static enum status write_record(struct store *s, const char *id, const json_t *record, struct error *err)
{
    char *text = json_text(record, JSON_COMPACT);
    enum status st;

    if (!text)
        return error_nomem(err);
    st = store_finish(s, store_prepare(s, err, "UPDATE jobs SET record = ? WHERE id = ?", "tt", text, id),
                      err);
    free(text);
    return st;
}

enum status store_job_begin(struct store *s, char ret_id[ID_SIZE], char ret_type[JOB_TYPE_SIZE],
                            json_t **ret_config, struct error *err)
{
    sqlite3_stmt *stmt;
    json_t *config = NULL;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    stmt = store_prepare(s, err,
                         "SELECT id, config, type FROM jobs WHERE state = 'queued' ORDER BY seq LIMIT 1", "");
    st = store_row(s, stmt, err);
    if (st == ST_OK) {
        const char *id = store_column(stmt, 0), *type = store_column(stmt, 2);

        config = id && type ? store_json(stmt, 1) : NULL;
        if (config) {
            snprintf(ret_id, ID_SIZE, "%s", id);
            snprintf(ret_type, JOB_TYPE_SIZE, "%s", type);
        } else {
            st = store_broken(s, err, "configuration");
        }
    }
    sqlite3_finalize(stmt);
    if (st == ST_OK)
        st = write_state(s, ret_id, JOB_RUNNING, err);
    st = store_end(s, st, err);
    if (st == ST_OK)
        *ret_config = config;
    else
        json_decref(config);
    return st;
}

enum status store_job_move(struct store *s, const char *id, enum job_state to, const json_t *record,
                           struct error *err)
{
    enum job_state from = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = state_of(s, id, &from, err);
    if (st == ST_OK && !job_may_become(from, to))
        st = error_set(err, ST_CONFLICT, "the job is %s and cannot become %s", job_state_name(from),
                       job_state_name(to));
    if (st == ST_OK)
        st = write_state(s, id, to, err);
    if (st == ST_OK && record)
        st = write_record(s, id, record, err);
    return store_end(s, st, err);
}

enum status store_job_resume(struct store *s, const char *id, size_t max_queued, struct error *err)
{
    enum job_state from = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = state_of(s, id, &from, err);
    if (st == ST_OK && from != JOB_INTERRUPTED)
        st = error_set(err, ST_CONFLICT, "the job is %s: only one that was interrupted can be resumed",
                       job_state_name(from));
    if (st == ST_OK)
        st = check_room(s, max_queued, err);
    if (st == ST_OK)
        st = write_state(s, id, JOB_QUEUED, err);
    return store_end(s, st, err);
}

enum status store_job_delete(struct store *s, const char *id, struct error *err)
{
    enum job_state state = JOB_QUEUED;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = state_of(s, id, &state, err);
    if (st == ST_OK && !job_has_ended(state))
        st = error_set(err, ST_CONFLICT, "the job is %s: only one that has ended can be deleted",
                       job_state_name(state));
    if (st == ST_OK)
        st = store_finish(s, store_prepare(s, err, "DELETE FROM jobs WHERE id = ?", "t", id), err);
    return store_end(s, st, err);
}

enum status store_job_look(struct store *s, const char *id, enum job_state *ret_state, json_t **ret_record,
                           struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = state_of(s, id, ret_state, err);
    if (st == ST_OK) {
        stmt = store_prepare(s, err, "SELECT record FROM jobs WHERE id = ?", "t", id);
        st = store_row(s, stmt, err);
    }
    if (st == ST_OK && !(*ret_record = store_json(stmt, 0)))
        st = store_broken(s, err, "record");
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_record(struct store *s, const char *id, const json_t *record, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = state_of(s, id, &state, err);
    if (st == ST_OK)
        st = write_record(s, id, record, err);
    return store_end(s, st, err);
}

enum status store_job_tell(struct store *s, const char *id, const char *name, const json_t *data,
                           const json_t *record, struct error *err)
{
    enum job_state state;
    enum status st = store_begin(s, err);

    if (st != ST_OK)
        return st;
    st = state_of(s, id, &state, err);
    if (st == ST_OK)
        st = tell(s, id, name, data, err);
    if (st == ST_OK && record)
        st = write_record(s, id, record, err);
    return store_end(s, st, err);
}

static json_t *event_row(sqlite3_stmt *stmt)
{
    json_t *data = store_json(stmt, 2);

    return data ? json_pack("{s:I,s:s,s:o}", "seq", (json_int_t)sqlite3_column_int64(stmt, 0), "event",
                            store_column(stmt, 1), "data", data)
                : NULL;
}

static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

#define JOB_COLUMNS "id, type, state, created_at, started_at, finished_at, config, record, seq"

/* The row that `stmt` is at, in the contract's shape; NULL where its configuration is broken, or without memory. */
static json_t *job_row(sqlite3_stmt *stmt)
{
    json_t *record = store_json(stmt, 7);
    json_t *job = json_pack("{s:s,s:s,s:s,s:n,s:f,s:n,s:o,s:o,s:o,s:o}", "id", store_column(stmt, 0), "type",
                            store_column(stmt, 1), "state", store_column(stmt, 2), "phase", "progress", 0.0,
                            "eta_s", "created_at", text_or_null(store_column(stmt, 3)), "started_at",
                            text_or_null(store_column(stmt, 4)), "finished_at",
                            text_or_null(store_column(stmt, 5)), "config", store_json(stmt, 6));

    if (job && record)
        json_object_update_missing(job, record); /* the columns are what is believed */
    if (job && strcmp(store_column(stmt, 2), "succeeded") == 0)
        json_object_set_new(job, "progress", json_real(1));
    json_decref(record);
    if (json_ran_out()) {
        json_decref(job);
        return NULL;
    }
    return job;
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

enum status store_job_get(struct store *s, const char *id, json_t **ret_job, struct error *err)
{
    static const struct kind JOB = { "job", "configuration", job_row };

    return store_find(s, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?", id, &JOB, ret_job, err);
}

enum status store_collect(struct store *s, sqlite3_stmt *stmt, size_t limit, int seq_column,
                          json_t *(*row)(sqlite3_stmt *stmt), json_t **ret_items, int64_t *ret_next,
                          struct error *err)
{
    json_t *items = json_array();
    enum status st = !stmt ? without_statement(s) : items ? ST_OK : error_nomem(err);
    int64_t last = 0;

    *ret_next = 0;
    while (st == ST_OK && (st = store_row(s, stmt, err)) == ST_OK) {
        if (json_array_size(items) == limit) {
            *ret_next = last;
            break;
        }
        last = sqlite3_column_int64(stmt, seq_column);
        if (json_array_append_new(items, row(stmt)) != 0)
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

enum status store_job_events(struct store *s, const char *id, int64_t after, size_t limit,
                             json_t **ret_events, struct error *err)
{
    enum job_state state;
    enum status st;
    int64_t next;

    pthread_mutex_lock(&s->lock);
    st = state_of(s, id, &state, err);
    if (st == ST_OK)
        st = store_collect(s,
                           store_prepare(s, err,
                                         "SELECT seq, name, data FROM events WHERE job = ? AND seq > ?"
                                         " ORDER BY seq LIMIT ?",
                                         "tii", id, after, (int64_t)limit),
                           limit, 0, event_row, ret_events, &next, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

/* A job in a list: what one looks for there. */
static json_t *job_row_short(sqlite3_stmt *stmt)
{
    static const char *const LONG_PARTS[] = { "config",      "dataset", "calibration", "evaluation",
                                              "environment", "epochs",  "promotion",   "weights_sha256",
                                              "replay",      "files" };
    json_t *job = job_row(stmt);

    for (size_t i = 0; job && i < sizeof LONG_PARTS / sizeof LONG_PARTS[0]; i++)
        json_object_del(job, LONG_PARTS[i]);
    return job;
}

enum status store_jobs(struct store *s, const struct page *page, json_t **ret_jobs, int64_t *ret_next,
                       struct error *err)
{
    const int64_t before = page->before ? page->before : INT64_MAX;
    enum status st;

    pthread_mutex_lock(&s->lock);
    st = store_collect(s,
                       store_prepare(s, err,
                                     "SELECT " JOB_COLUMNS
                                     " FROM jobs WHERE seq < ? AND state = ifnull(?, state)"
                                     " ORDER BY seq DESC LIMIT ?",
                                     "iti", before, page->state, (int64_t)page->limit + 1),
                       page->limit, 8, job_row_short, ret_jobs, ret_next, err);
    pthread_mutex_unlock(&s->lock);
    return st;
}

enum status store_job_counts(struct store *s, size_t ret_counts[N_JOB_STATES], struct error *err)
{
    sqlite3_stmt *stmt;
    enum job_state state;
    enum status st;

    memset(ret_counts, 0, N_JOB_STATES * sizeof *ret_counts);
    pthread_mutex_lock(&s->lock);
    stmt = store_prepare(s, err, "SELECT state, count(*) FROM jobs GROUP BY state", "");
    while ((st = store_row(s, stmt, err)) == ST_OK)
        if (job_state_parse(store_column(stmt, 0), &state))
            ret_counts[state] = (size_t)sqlite3_column_int64(stmt, 1);
    sqlite3_finalize(stmt);
    pthread_mutex_unlock(&s->lock);
    return st == ST_NOTFOUND ? ST_OK : st;
}
