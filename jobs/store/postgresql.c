/* jobs/store/postgresql.c - the store in a PostgreSQL database, which any number of processes share; see engine.h.
 *
 * Invariants: a transaction that writes begins with one lock of the whole store, so there is one writer at a time, as in an
 * SQLite file, and what it has read stays true until it ends. COMMIT is answered when it is on the server's disk. A writer that is
 * stopped or cut off in a transaction is thrown out by the server after WRITER_MS, and nothing of it stays.
 * A COMMIT whose answer is lost is told as a failure, though it may have gone through: whoever tries again looks first. */
#include "engine.h"
#include "schema.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WRITER_MS "2000"
enum { TYPE_BYTEA = 17, TYPE_INT8 = 20, TYPE_TEXT = 25 };

struct server_database {
    struct database base;
    PGconn *connection;
    int64_t changes;
};

struct server_statement {
    struct statement base;
    PGresult *result;
    int row;              /* -1 before the first step */
    unsigned char *bytes; /* of the cell that was read last, decoded; owned */
};

static PGconn *connection(struct database *db) { return ((struct server_database *)db)->connection; }

static struct server_statement *inner(struct statement *stmt) { return (struct server_statement *)stmt; }

/* The server's complaint, in a sentence: its first line, as the rest may quote what is stored. Where it is not reached, where it was
 * looked for is the operator's to know. */
static enum status fail(struct database *db, struct error *err, const char *what)
{
    const char *said = PQerrorMessage(connection(db));
    char line[200];

    if (strncmp(said, "ERROR:", 6) == 0)
        said += 6;
    said += strspn(said, " ");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(said, "\n"), said);
    if (PQstatus(connection(db)) == CONNECTION_OK)
        return error_set(err, ST_IO, "the job database: cannot %s: %s", what, line);
    error_set(err, ST_IO, "the job database cannot be reached");
    return error_inner(err, ST_IO, line);
}

static bool went_well(const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static enum status run(struct database *db, const char *sql, struct error *err)
{
    PGresult *result = PQexec(connection(db), sql);
    const enum status st = went_well(result) ? ST_OK : fail(db, err, "write");

    PQclear(result);
    return st;
}

/* ---- the connection ---- */

static void say_nothing(void *arg, const char *message) { (void)arg, (void)message; }

/* Every session of ours is so, however the server is configured. */
static enum status settle(struct database *db, struct error *err)
{
    if (PQstatus(connection(db)) != CONNECTION_OK)
        return fail(db, err, "be reached");
    PQsetNoticeProcessor(connection(db), say_nothing, NULL);
    if (strcmp(PQparameterStatus(connection(db), "server_encoding"), "UTF8") != 0)
        return error_set(err, ST_IO, "the job database is not in UTF-8");
    return run(db,
               "SET synchronous_commit = on; SET client_encoding = 'UTF8'; SET lock_timeout = 10000;"
               "SET statement_timeout = 15000; SET idle_in_transaction_session_timeout = " WRITER_MS,
               err);
}

/* One that is lost is opened again: for whoever asks next, not for a transaction that was open. */
static enum status reached(struct database *db, struct error *err)
{
    if (PQstatus(connection(db)) == CONNECTION_OK)
        return ST_OK;
    PQreset(connection(db));
    return settle(db, err);
}

static void close_server(struct database *db)
{
    PQfinish(connection(db));
    free(db);
}

static enum status open_server(const char *place, struct database **ret, struct error *err)
{
    /* A parameter of the address goes before one here. */
    static const char *const NAMES[] = { "connect_timeout",
                                         "keepalives_idle",
                                         "keepalives_interval",
                                         "keepalives_count",
                                         "tcp_user_timeout",
                                         "application_name",
                                         "dbname",
                                         NULL };
    const char *const values[] = { "3", "2", "1", "3", "5000", "cxrd", place, NULL };
    struct server_database *d = calloc(1, sizeof *d);
    enum status st;

    if (!d)
        return error_nomem(err);
    d->base.engine = &POSTGRESQL;
    d->connection = PQconnectdbParams(NAMES, values, 1);
    st = d->connection ? settle(&d->base, err) : error_nomem(err);
    if (st != ST_OK) {
        close_server(&d->base);
        return st;
    }
    *ret = &d->base;
    return ST_OK;
}

/* ---- statements: done when they are prepared, all rows at once ---- */

static bool send(struct server_database *d, const char *sql, const struct value *values, size_t n,
                 PGresult **ret)
{
    Oid types[MOST_VALUES] = { 0 };
    const char *texts[MOST_VALUES] = { NULL };
    char numbers[MOST_VALUES][24];
    int lengths[MOST_VALUES] = { 0 }, formats[MOST_VALUES] = { 0 };

    for (size_t i = 0; i < n; i++) {
        const struct value *v = &values[i];

        types[i] = v->type == 't' ? TYPE_TEXT : v->type == 'b' ? TYPE_BYTEA : TYPE_INT8;
        texts[i] = v->type == 't' ? v->text : v->type == 'b' ? v->bytes : numbers[i];
        snprintf(numbers[i], sizeof numbers[i], "%lld", (long long)v->integer);
        formats[i] = v->type == 'b';
        lengths[i] = (int)v->size;
    }
    *ret = PQexecParams(d->connection, sql, (int)n, types, texts, lengths, formats, 0);
    return went_well(*ret);
}

/* A query outside of a transaction writes nothing: it is put once more where the connection was found lost. */
static enum status ask(struct server_database *d, const char *sql, const struct value *values, size_t n,
                       PGresult **ret, struct error *err)
{
    const bool alone = PQtransactionStatus(d->connection) != PQTRANS_INTRANS;
    const char *what = strncmp(sql, "SELECT", 6) == 0 ? "read" : "write";
    enum status st = ST_OK;

    if (send(d, sql, values, n, ret))
        return ST_OK;
    if (!alone || PQstatus(d->connection) == CONNECTION_OK)
        return fail(&d->base, err, what);
    PQclear(*ret);
    *ret = NULL;
    st = reached(&d->base, err);
    return st != ST_OK || send(d, sql, values, n, ret) ? st : fail(&d->base, err, what);
}

static struct statement *prepare(struct database *db, const char *sql, const struct value *values, size_t n,
                                 struct error *err)
{
    struct server_database *d = (struct server_database *)db;
    struct server_statement *stmt = calloc(1, sizeof *stmt);

    db->failed = stmt ? ask(d, sql, values, n, &stmt->result, err) : error_nomem(err);
    if (db->failed != ST_OK) {
        if (stmt)
            PQclear(stmt->result);
        free(stmt);
        return NULL;
    }
    stmt->base.db = db;
    stmt->row = -1;
    d->changes = strtoll(PQcmdTuples(stmt->result), NULL, 10);
    return &stmt->base;
}

static enum status step(struct statement *stmt, struct error *err)
{
    struct server_statement *s = inner(stmt);

    (void)err;
    if (s->row + 1 >= PQntuples(s->result))
        return ST_NOTFOUND;
    s->row++;
    return ST_OK;
}

static void done(struct statement *stmt)
{
    PQfreemem(inner(stmt)->bytes);
    PQclear(inner(stmt)->result);
    free(stmt);
}

static int64_t changes(struct database *db) { return ((struct server_database *)db)->changes; }

static size_t columns(struct statement *stmt) { return (size_t)PQnfields(inner(stmt)->result); }

static bool is_null(struct statement *stmt, int column)
{
    return PQgetisnull(inner(stmt)->result, inner(stmt)->row, column);
}

static const char *text(struct statement *stmt, int column)
{
    return is_null(stmt, column) ? NULL : PQgetvalue(inner(stmt)->result, inner(stmt)->row, column);
}

static int64_t integer(struct statement *stmt, int column)
{
    const char *digits = text(stmt, column);

    return digits ? strtoll(digits, NULL, 10) : 0;
}

static const void *bytes(struct statement *stmt, int column, size_t *ret_size)
{
    const char *cell = text(stmt, column);

    *ret_size = 0;
    PQfreemem(inner(stmt)->bytes);
    inner(stmt)->bytes = cell ? PQunescapeBytea((const unsigned char *)cell, ret_size) : NULL;
    return inner(stmt)->bytes;
}

static bool ran_out(struct database *db)
{
    (void)db;
    return false; /* of memory: libpq tells it as any other failure */
}

/* ---- transactions ---- */

static enum status begin(struct database *db, struct error *err)
{
    static const char SQL[] = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('cxrd ' || current_schema()))";
    enum status st = reached(db, err);

    if (st == ST_OK)
        st = run(db, SQL, err);
    if (st != ST_OK && PQstatus(connection(db)) != CONNECTION_OK) { /* it was lost while nobody looked */
        st = reached(db, err);
        if (st == ST_OK)
            st = run(db, SQL, err);
    }
    if (st != ST_OK)
        db->engine->rollback(db);
    return st;
}

static enum status commit(struct database *db, struct error *err)
{
    PGresult *result = PQexec(connection(db), "COMMIT");
    enum status st = went_well(result) ? ST_OK : fail(db, err, "write");

    if (st == ST_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0) /* of a transaction that had failed */
        st = error_set(err, ST_IO, "the job database: cannot write: the transaction was rolled back");
    PQclear(result);
    return st;
}

static void rollback(struct database *db)
{
    if (PQstatus(connection(db)) == CONNECTION_OK && PQtransactionStatus(connection(db)) != PQTRANS_IDLE)
        PQclear(PQexec(connection(db), "ROLLBACK"));
}

/* ---- the schema ---- */

static enum status version(struct database *db, int64_t *ret, struct error *err)
{
    struct statement *stmt;
    enum status st = run(db, "CREATE TABLE IF NOT EXISTS schema_version(version BIGINT NOT NULL)", err);

    *ret = 0;
    if (st != ST_OK)
        return st;
    stmt = prepare(db, "SELECT coalesce(max(version), 0) FROM schema_version", NULL, 0, err);
    if (!stmt)
        return db->failed;
    st = step(stmt, err);
    if (st == ST_OK)
        *ret = integer(stmt, 0);
    done(stmt);
    return st;
}

static enum status set_version(struct database *db, int64_t version, struct error *err)
{
    char sql[80];

    snprintf(sql, sizeof sql, "INSERT INTO schema_version(version) VALUES(%lld)", (long long)version);
    return run(db, sql, err);
}

const struct engine POSTGRESQL = { .name = "postgresql",
                                   .shared = true,
                                   .migrations = POSTGRESQL_MIGRATIONS,
                                   .now_ms = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
                                   .random_hex = "replace(CAST(gen_random_uuid() AS TEXT), '-', '')",
                                   .open = open_server,
                                   .close = close_server,
                                   .version = version,
                                   .set_version = set_version,
                                   .begin = begin,
                                   .commit = commit,
                                   .rollback = rollback,
                                   .run = run,
                                   .prepare = prepare,
                                   .step = step,
                                   .done = done,
                                   .changes = changes,
                                   .columns = columns,
                                   .is_null = is_null,
                                   .text = text,
                                   .integer = integer,
                                   .bytes = bytes,
                                   .ran_out = ran_out };
