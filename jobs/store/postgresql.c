/* jobs/store/postgresql.c - the store in a PostgreSQL database, which any number of processes share; see engine.h.
 *
 * Invariants: a transaction that writes begins with one lock of the whole store, so there is one writer at a time, as in an
 * SQLite file, and what it has read stays true until it ends. Those that write of one job each share that lock, and lock the job's row. COMMIT is answered when it is on the server's disk. A writer that is
 * stopped or cut off in a transaction is thrown out by the server after WRITER_MS, and nothing of it stays.
 *
 * Statements are sent in flights (libpq's pipeline mode): one is put on the way when it is prepared, and all that are on the way are
 * waited for together, when a row is asked for, or at COMMIT. Behind one that has failed nothing of its flight is done.
 *
 * A COMMIT whose answer is lost may have gone through. Each handle of a store numbers its transactions, and each writes its number into the
 * handle's row of `writers` before it commits, so the row tells whether it did: also after the server has crashed, where
 * PostgreSQL's own numbers may be given out again. A change is reported as failed where it was rolled back; where the row cannot be
 * read within OUTCOME_S, the error says that it is not known. */
#include "engine.h"
#include "prepared.h"
#include "schema.h"

#include "cxrd/clock.h"
#include "cxrd/id.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define WRITER_MS "2000"
enum { STATEMENT_S = 15, ANSWER_S = STATEMENT_S + 2, SETTLE_S = 5, OUTCOME_S = 6 };
enum { TYPE_BYTEA = 17, TYPE_INT8 = 20, TYPE_TEXT = 25 };
enum { MOST_SENT = 64 };

#define NOW_MS "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"

/* A statement that has a name on the server. */
struct named {
    char name[16];
    Oid types[MOST_VALUES];
    unsigned session; /* of the connection that has prepared it, or is about to; 0: none has */
};

struct server_statement {
    struct statement base;
    PGresult *result;     /* owned; NULL: it is on the way, or has failed */
    int row;              /* -1 before the first step */
    unsigned char *bytes; /* of the cell that was read last, decoded; owned */
};

/* A message on the way. */
struct sent {
    const char *to_do;              /* "read", "write"; NULL: it may fail */
    struct named *prepares;         /* NULL: it is a statement */
    struct server_statement *reads; /* which gets the result; NULL: it is not needed */
    int64_t *counts; /* to which the rows that it has changed are added; NULL: they are not counted */
};

struct server_database {
    struct database base;
    PGconn *connection;
    unsigned session;             /* counts connections, from 1 */
    struct prepared_set prepared; /* of struct named */
    struct sent sent[MOST_SENT];  /* the flight that is on the way, in this order */
    size_t n_sent;
    bool ran_out;         /* of memory, when a cell was decoded last */
    bool given_up;        /* the connection is to be opened anew before the next transaction */
    bool open, locked;    /* a transaction is; it is known to have the store's lock */
    struct error broken;  /* why that, or a lone statement, has failed; ST_OK: it has not */
    char writer[ID_SIZE]; /* the row in `writers`, */
    int64_t number;       /* and the last number there, if its transaction was committed */
};

static struct server_database *server(struct database *db) { return (struct server_database *)db; }

static struct server_statement *inner(struct statement *stmt) { return (struct server_statement *)stmt; }

static bool is_lost(const struct server_database *d) { return PQstatus(d->connection) != CONNECTION_OK; }

/* The first line of the server's complaint, as the rest may quote what is stored. It is for the operator: it may name a path of the
 * database's machine, a role, or where a server was looked for. */
static enum status complain(const struct server_database *d, const char *said, const char *to_do,
                            struct error *err)
{
    char line[200];

    if (strncmp(said, "ERROR:", 6) == 0)
        said += 6;
    said += strspn(said, " ");
    snprintf(line, sizeof line, "%.*s", (int)strcspn(said, "\n"), said);
    if (is_lost(d))
        error_set(err, ST_IO, "the job database cannot be reached");
    else
        error_set(err, ST_IO, "the job database: cannot %s", to_do);
    return error_inner(err, ST_IO, line);
}

static enum status fail(const struct server_database *d, const char *to_do, struct error *err)
{
    return complain(d, PQerrorMessage(d->connection), to_do, err);
}

static enum status broken(const struct server_database *d, struct error *err)
{
    if (err && d->broken.code != ST_OK)
        *err = d->broken;
    return d->broken.code;
}

static bool went_well(const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* ---- the connection ---- */

static void say_nothing(void *arg, const char *message) { (void)arg, (void)message; }

/* Wait until there is something to read; a server that is silent for so long is given up. */
static void wait_for(struct server_database *d, int seconds)
{
    const double deadline = clock_seconds() + seconds;

    while (!is_lost(d) && PQisBusy(d->connection)) {
        const int unsent = PQflush(d->connection);
        struct pollfd at = { .fd = PQsocket(d->connection),
                             .events = unsent > 0 ? POLLIN | POLLOUT : POLLIN };
        const double left = deadline - clock_seconds();
        const int ready = left > 0 ? poll(&at, 1, (int)(left * 1000) + 1) : 0;

        if (unsent < 0 || ready == 0 || (ready < 0 && errno != EINTR))
            shutdown(at.fd, SHUT_RDWR); /* so that it is found lost */
        PQconsumeInput(d->connection);
    }
}

/* Any number of statements without parameters in one text, outside of flights. No call of libpq waits for the server by itself: a connection
 * whose other end is gone without a word would hold the thread for ever. */
static enum status run_text(struct server_database *d, const char *sql, int seconds, struct error *err)
{
    PGresult *result;
    enum status st;

    PQexitPipelineMode(d->connection);
    st = PQsendQuery(d->connection, sql) ? ST_OK : fail(d, "write", err);
    while (wait_for(d, seconds), (result = PQgetResult(d->connection))) {
        if (st == ST_OK && !went_well(result))
            st = fail(d, "write", err);
        PQclear(result);
    }
    if (st == ST_OK && is_lost(d))
        st = fail(d, "write", err);
    PQenterPipelineMode(d->connection);
    return st;
}

/* Each of our sessions has these settings, however the server is configured. */
static enum status settle(struct server_database *d, struct error *err)
{
    char sql[300];
    enum status st;

    d->session++;
    d->n_sent = 0;
    d->given_up = true; /* until all of it is so */
    if (is_lost(d))
        return fail(d, "be reached", err);
    PQsetNoticeProcessor(d->connection, say_nothing, NULL);
    if (strcmp(PQparameterStatus(d->connection, "server_encoding"), "UTF8") != 0)
        return error_set(err, ST_IO, "the job database is not in UTF-8");
    if (PQsetnonblocking(d->connection, 1) != 0)
        return fail(d, "be reached", err);
    snprintf(
        sql, sizeof sql,
        "SET synchronous_commit = on; SET client_encoding = 'UTF8'; SET lock_timeout = 10000;"
        "SET default_transaction_isolation = 'read committed';" /* a snapshot from before the lock is old */
        "SET statement_timeout = '%ds'; SET idle_in_transaction_session_timeout = " WRITER_MS,
        STATEMENT_S);
    st = run_text(d, sql, SETTLE_S, err);
    d->given_up = st != ST_OK;
    return st;
}

/* A lost connection is opened again for the next transaction, and not for one that was open. */
static enum status reached(struct server_database *d, struct error *err)
{
    for (int i = 0; i < 2; i++) /* a last word of the server's, and then the end */
        PQconsumeInput(d->connection);
    if (!is_lost(d) && !d->given_up)
        return ST_OK;
    PQreset(d->connection);
    return settle(d, err);
}

static void close_server(struct database *db)
{
    struct server_database *d = server(db);

    PQfinish(d->connection);
    for (void *named; (named = prepared_take(&d->prepared));)
        free(named);
    free(d);
}

/* libpq's complaint about an address quotes parts of it, of which one may be the password: after a '@' or a '/' in that, it takes the rest for
 * a host, a port or a name. */
static enum status check_address(const char *place, struct error *err)
{
    const char *begin = strstr(place, "://") ? strstr(place, "://") + 3 : place;
    const size_t n = strcspn(begin, "?");
    const char *slash = memchr(begin, '/', n), *at = memrchr(begin, '@', n);
    PQconninfoOption *options = PQconninfoParse(place, NULL);
    const bool good = options && !(at && slash && slash < at) && memchr(begin, '@', n) == at;

    PQconninfoFree(options);
    return good ? ST_OK
                : error_set(
                      err, ST_INVALID,
                      "the address of the job database cannot be read: in a password, @ is written %%40, "
                      "/ %%2F and %% %%25");
}

static enum status open_server(const char *place, struct database **ret, struct error *err)
{
    /* A parameter of the address goes before one here. GSSAPI is used only where the address asks for it: the process has been seen to crash in
     * libgssapi_krb5 (gss_release_cred() of an invalid pointer) when two threads connected at once. */
    static const char *const NAMES[] = { "gssencmode",          "connect_timeout",  "keepalives_idle",
                                         "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                         "application_name",    "dbname",           NULL };
    const char *const values[] = { "disable", "3", "2", "1", "3", "5000", "cxrd", place, NULL };
    enum status st = check_address(place, err);
    struct server_database *d = st == ST_OK ? calloc(1, sizeof *d) : NULL;

    if (!d)
        return st == ST_OK ? error_nomem(err) : st;
    d->base.engine = &POSTGRESQL;
    id_new(d->writer);
    d->connection = PQconnectdbParams(NAMES, values, 1);
    st = d->connection ? settle(d, err) : error_nomem(err);
    if (st != ST_OK) {
        close_server(&d->base);
        return st;
    }
    *ret = &d->base;
    return ST_OK;
}

/* ---- flights ---- */

struct arguments {
    Oid types[MOST_VALUES];
    const char *texts[MOST_VALUES];
    char numbers[MOST_VALUES][24];
    int lengths[MOST_VALUES], formats[MOST_VALUES];
};

static void arguments_make(const struct value *values, size_t n, struct arguments *ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct value *v = &values[i];

        ret->types[i] = v->type == 't' ? TYPE_TEXT : v->type == 'b' ? TYPE_BYTEA : TYPE_INT8;
        ret->texts[i] = v->type == 't' ? v->text : v->type == 'b' ? v->bytes : ret->numbers[i];
        snprintf(ret->numbers[i], sizeof ret->numbers[i], "%lld", (long long)v->integer);
        ret->formats[i] = v->type == 'b';
        ret->lengths[i] = (int)v->size;
    }
}

/* The statement of that text; NULL: it has no name, as there is no room, or the text has been there with other types. */
static struct named *named_of(struct server_database *d, const char *sql, const Oid *types, size_t n)
{
    struct named *named = prepared_find(&d->prepared, sql);

    if (named)
        return memcmp(named->types, types, n * sizeof *types) == 0 ? named : NULL;
    named = calloc(1, sizeof *named);
    if (!named)
        return NULL;
    snprintf(named->name, sizeof named->name, "s%zu", d->prepared.n);
    memcpy(named->types, types, n * sizeof *types);
    if (prepared_add(&d->prepared, sql, named))
        return named;
    free(named);
    return NULL;
}

/* Put a statement on the way, where there is room for two messages. False: the connection is lost. */
static bool send_off(struct server_database *d, const char *sql, const struct value *values, size_t n,
                     struct server_statement *reads)
{
    const char *to_do = strncmp(sql, "SELECT", 6) == 0 ? "read" : "write";
    struct arguments a = { 0 };
    struct named *named;
    bool sent;

    arguments_make(values, n, &a);
    named = named_of(d, sql, a.types, n);
    if (named && named->session != d->session) {
        if (!PQsendPrepare(d->connection, named->name, sql, (int)n, a.types))
            return false;
        named->session = d->session;
        d->sent[d->n_sent++] = (struct sent){ .to_do = to_do, .prepares = named };
    }
    sent = named ? PQsendQueryPrepared(d->connection, named->name, (int)n, a.texts, a.lengths, a.formats, 0)
                 : PQsendQueryParams(d->connection, sql, (int)n, a.types, a.texts, a.lengths, a.formats, 0);
    if (sent)
        d->sent[d->n_sent++] = (struct sent){ .to_do = to_do, .reads = reads };
    return sent;
}

/* The answer to one message; NULL: the connection was lost before. */
static PGresult *answer(struct server_database *d)
{
    PGresult *result, *more;

    wait_for(d, ANSWER_S);
    result = PQgetResult(d->connection);
    while (result) {
        wait_for(d, ANSWER_S);
        more = PQgetResult(d->connection);
        if (!more)
            break;
        PQclear(more);
    }
    return result;
}

/* The server no longer has a plan of that name, or has one that does not fit tables that were changed. */
static bool spoils_names(const PGresult *result)
{
    const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

    return code && (strcmp(code, "26000") == 0 || strcmp(code, "0A000") == 0 || strcmp(code, "42P05") == 0);
}

static void take(struct server_database *d, const struct sent *s, PGresult *result)
{
    const bool well = went_well(result);

    if (!well && s->to_do && d->broken.code == ST_OK)
        complain(d, result ? PQresultErrorMessage(result) : PQerrorMessage(d->connection), s->to_do,
                 &d->broken);
    if (!well && s->prepares)
        s->prepares->session = 0;
    d->given_up |= !well && spoils_names(result);
    if (well && s->counts)
        *s->counts += strtoll(PQcmdTuples(result), NULL, 10);
    if (well && s->reads)
        s->reads->result = result;
    else
        PQclear(result);
}

/* The end of a flight. A commit there may fail, as that of a NOTIFY whose queue is full does: an error comes first then. */
static void flight_end(struct server_database *d)
{
    bool ended = false;

    for (int i = 0; i < 4 && !ended && !is_lost(d); i++) {
        PGresult *result;

        wait_for(d, ANSWER_S);
        result = PQgetResult(d->connection);
        ended = PQresultStatus(result) == PGRES_PIPELINE_SYNC;
        PQclear(result);
    }
}

/* Wait for all that is on the way. */
static enum status land(struct server_database *d, struct error *err)
{
    if (d->n_sent > 0) {
        PQpipelineSync(d->connection); /* a connection that is lost by now is found to be */
        for (size_t i = 0; i < d->n_sent; i++)
            take(d, &d->sent[i], answer(d));
        flight_end(d);
        d->n_sent = 0;
    }
    d->locked |= d->open && d->broken.code == ST_OK; /* its first flight began with that */
    return broken(d, err);
}

/* Inside a transaction. */
static enum status put(struct server_database *d, const char *sql, const struct value *values, size_t n,
                       struct server_statement *reads, struct error *err)
{
    if (d->n_sent + 2 > MOST_SENT)
        land(d, NULL);
    if (d->broken.code == ST_OK && !send_off(d, sql, values, n, reads))
        fail(d, "write", &d->broken);
    return broken(d, err);
}

/* A statement outside of a transaction writes nothing: it is put once more where the connection was found lost. */
static enum status ask(struct server_database *d, const char *sql, const struct value *values, size_t n,
                       struct server_statement *reads, struct error *err)
{
    enum status st = reached(d, err);

    for (int turn = 0; st == ST_OK; turn++) {
        d->broken = (struct error){ .code = ST_OK };
        if (!send_off(d, sql, values, n, reads))
            fail(d, "read", &d->broken);
        if (land(d, err) == ST_OK || !is_lost(d) || turn > 0)
            return d->broken.code;
        st = reached(d, err);
    }
    return st;
}

/* ---- statements ---- */

static struct statement *prepare(struct database *db, const char *sql, const struct value *values, size_t n,
                                 struct error *err)
{
    struct server_database *d = server(db);
    struct server_statement *s = calloc(1, sizeof *s);

    if (!s) {
        db->failed = error_nomem(err);
        return NULL;
    }
    s->base.db = db;
    s->row = -1;
    db->failed = d->open ? put(d, sql, values, n, s, err) : ask(d, sql, values, n, s, err);
    if (db->failed == ST_OK)
        return &s->base;
    db->engine->done(&s->base);
    return NULL;
}

static enum status step(struct statement *stmt, struct error *err)
{
    struct server_statement *s = inner(stmt);
    const enum status st = s->result ? ST_OK : land(server(stmt->db), err);

    if (st != ST_OK)
        return st;
    if (s->row + 1 >= PQntuples(s->result))
        return ST_NOTFOUND;
    s->row++;
    return ST_OK;
}

/* Its rows are not read any more. */
static void let_go(struct server_statement *s, int64_t *counts)
{
    struct server_database *d = server(s->base.db);

    for (size_t i = 0; i < d->n_sent; i++)
        if (d->sent[i].reads == s) {
            d->sent[i].reads = NULL;
            d->sent[i].counts = counts;
        }
    PQfreemem(s->bytes);
    PQclear(s->result);
}

static void done(struct statement *stmt)
{
    let_go(inner(stmt), NULL);
    free(stmt);
}

static enum status finish(struct statement *stmt, int64_t *changed, struct error *err)
{
    struct server_database *d = server(stmt->db);

    if (inner(stmt)->result && changed)
        *changed += strtoll(PQcmdTuples(inner(stmt)->result), NULL, 10);
    let_go(inner(stmt), changed);
    free(stmt);
    return broken(d, err);
}

static enum status arrive(struct database *db, struct error *err) { return land(server(db), err); }

static enum status run(struct database *db, const char *sql, struct error *err)
{
    struct server_database *d = server(db);
    enum status st = d->open ? land(d, err) : reached(d, err);

    if (st != ST_OK)
        return st;
    d->broken = (struct error){ .code = ST_OK };
    run_text(d, sql, ANSWER_S, &d->broken);
    return broken(d, err);
}

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
    server(stmt->db)->ran_out = cell && !inner(stmt)->bytes;
    return inner(stmt)->bytes;
}

static bool ran_out(struct database *db)
{
    return server(db)->ran_out; /* libpq tells any other want of memory as a failure */
}

/* ---- transactions ---- */

static void transaction_over(struct server_database *d)
{
    d->broken = (struct error){ .code = ST_OK };
    d->open = d->locked = false;
}

static enum status begin(struct database *db, bool beside, struct error *err)
{
    static const char ALONE[] = "SELECT pg_advisory_xact_lock(hashtext('cxrd ' || current_schema()))",
                      BESIDE[] = "SELECT pg_advisory_xact_lock_shared(hashtext('cxrd ' || current_schema()))";
    struct server_database *d = server(db);
    enum status st = reached(d, err);

    if (st != ST_OK)
        return st;
    transaction_over(d);
    d->open = true;
    st = put(d, "BEGIN", NULL, 0, NULL, err);
    if (st == ST_OK)
        st = put(d, beside ? BESIDE : ALONE, NULL, 0, NULL, err);
    if (st != ST_OK)
        db->engine->rollback(db);
    return st;
}

static void rollback(struct database *db)
{
    struct server_database *d = server(db);

    if (!d->open)
        return;
    land(d, NULL);
    d->broken = (struct error){ .code = ST_OK };
    if (!is_lost(d) && (put(d, "ROLLBACK", NULL, 0, NULL, NULL) != ST_OK || land(d, NULL) != ST_OK))
        d->given_up = true;
    transaction_over(d);
}

/* ST_OK: the last transaction was committed; ST_NOTFOUND: it was not, and never will be, as it had the store's lock, which is now this
 * one's. */
static enum status outcome_now(struct server_database *d)
{
    const struct value writer = { .type = 't', .text = d->writer };
    struct server_statement s = { .base.db = &d->base };
    enum status st = begin(&d->base, false, NULL);

    if (st == ST_OK)
        st = put(d, "SELECT written FROM writers WHERE id = $1", &writer, 1, &s, NULL);
    if (st == ST_OK)
        st = land(d, NULL);
    if (st == ST_OK)
        st = PQntuples(s.result) > 0 && strtoll(PQgetvalue(s.result, 0, 0), NULL, 10) == d->number
                 ? ST_OK
                 : ST_NOTFOUND;
    PQclear(s.result);
    rollback(&d->base);
    return st;
}

/* The answer to COMMIT was lost. */
static enum status outcome(struct server_database *d, struct error *err)
{
    static const struct timespec PAUSE = { .tv_nsec = 50000000 };
    const double deadline = clock_seconds() + OUTCOME_S;
    enum status st;

    while ((st = outcome_now(d)) != ST_OK && st != ST_NOTFOUND && clock_seconds() < deadline)
        nanosleep(&PAUSE, NULL);
    if (st == ST_OK)
        return ST_OK;
    if (st == ST_NOTFOUND)
        return error_set(err, ST_IO, "the job database was lost while it wrote: the change was rolled back");
    return error_set(err, ST_IO,
                     "the job database cannot be reached: whether the change was written is not known");
}

/* Behind COMMIT, in the same flight: its transaction would hold PostgreSQL's one lock of all that say something until it is on the disk, so that
 * no two share a flush. A server that is not told looks by itself within 2 s. */
static void say(struct server_database *d)
{
    const size_t before = d->n_sent + 2 > MOST_SENT ? 0 : d->n_sent; /* those are awaited first */

    if (put(d, "SELECT pg_notify('cxrd', '')", NULL, 0, NULL, NULL) == ST_OK)
        for (size_t i = before; i < d->n_sent; i++) /* it may have to be prepared */
            d->sent[i].to_do = NULL;
}

static enum status commit(struct database *db, bool wake, struct error *err)
{
    static const char NUMBER[] =
        "INSERT INTO writers(id, written, at) VALUES($1, $2, " NOW_MS
        ") ON CONFLICT(id) DO UPDATE SET written = excluded.written, at = excluded.at";
    struct server_database *d = server(db);
    const struct value values[] = { { .type = 't', .text = d->writer },
                                    { .type = 'i', .integer = ++d->number } };
    enum status st =
        d->locked ? ST_OK : land(d, err); /* or a COMMIT on its way could come after outcome() has asked */

    if (st == ST_OK)
        st = put(d, NUMBER, values, 2, NULL, err);
    if (st == ST_OK)
        st = put(d, "COMMIT", NULL, 0, NULL, err);
    if (st == ST_OK && wake)
        say(d);
    if (st == ST_OK)
        st = land(d, err);
    if (st != ST_OK && !is_lost(d))
        return st;
    transaction_over(d);
    return st == ST_OK ? ST_OK : outcome(d, err);
}

/* Tables of this engine alone. A connection that has not written for a day asks after no COMMIT any more. */
#define OWN_TABLES                                                                                          \
    "CREATE TABLE IF NOT EXISTS schema_version(version BIGINT NOT NULL);"                                   \
    "CREATE TABLE IF NOT EXISTS writers(id TEXT PRIMARY KEY, written BIGINT NOT NULL, at BIGINT NOT NULL);" \
    "DELETE FROM writers WHERE at < " NOW_MS " - 86400000"

/* As SQLite's; only of tables that are this schema's. */
#define COLUMNS_ASK                                                                                        \
    "SELECT CAST(table_name AS TEXT) COLLATE \"C\" AS t, CAST(column_name AS TEXT) COLLATE \"C\" AS c,"    \
    " CASE WHEN is_identity = 'YES' THEN 'n' WHEN data_type = 'bytea' THEN 'b' WHEN data_type = 'bigint' " \
    "THEN"                                                                                                 \
    " 'i' ELSE 't' END FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY t, c"

/* ---- others ---- */

static int socket_of(struct database *db) { return PQsocket(server(db)->connection); }

static bool hear(struct database *db)
{
    PGnotify *said;

    if (!PQconsumeInput(server(db)->connection))
        return false;
    while ((said = PQnotifies(server(db)->connection)))
        PQfreemem(said);
    return !is_lost(server(db));
}

const struct engine POSTGRESQL = {
    .name = "postgresql",
    .shared = true,
    .migrations = POSTGRESQL_MIGRATIONS,
    .now_ms = NOW_MS,
    .random_hex = "replace(CAST(gen_random_uuid() AS TEXT), '-', '')",
    .listen = "LISTEN cxrd",
    .id_is_text = "TRUE",
    .lock_row = " FOR NO KEY UPDATE",
    .lock_free_row = " FOR NO KEY UPDATE OF jobs SKIP LOCKED",
    .open = open_server,
    .close = close_server,
    .version_make = OWN_TABLES,
    .version_ask = "SELECT coalesce(max(version), 0) FROM schema_version",
    .version_set = "INSERT INTO schema_version(version) VALUES(%lld)",
    .unhurried = "SET LOCAL idle_in_transaction_session_timeout = 0",
    .cursor_open = "DECLARE %s NO SCROLL CURSOR FOR %s",
    .cursor_next = "FETCH %d FROM %s",
    .numbered = "OVERRIDING SYSTEM VALUE",
    .next_ask = "SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM %s_seq_seq",
    .next_set = "ALTER TABLE %s ALTER COLUMN seq RESTART WITH %lld",
    .columns_ask = COLUMNS_ASK,
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
    .ran_out = ran_out,
    .socket = socket_of,
    .hear = hear
};
