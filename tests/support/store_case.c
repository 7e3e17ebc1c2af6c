/* tests/support/store_case.c - see store_case.h. */
#include "store_case.h"

#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#ifdef CXRD_POSTGRESQL
#include <libpq-fe.h>
#endif
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *store_folder, store_path[4096];
struct store *store;

/* ---- the database, which each engine has in its own way ---- */

static const char *server(void) { return getenv("CXRD_TEST_POSTGRESQL"); }

bool store_is_file(void) { return !server(); }

void needs_file(void)
{
    if (!store_is_file())
        cr_skip_test("this is about a file of SQLite");
}

#ifdef CXRD_POSTGRESQL
/* One text by SQL on the server; where `schema` is NULL, outside of any of ours. */
static void ask_server(const char *place, const char *sql, char *ret, size_t size)
{
    PGconn *connection = PQconnectdb(place);
    PGresult *result = PQexec(connection, sql);
    const ExecStatusType status = PQresultStatus(result);

    cr_assert(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK, "%s", PQerrorMessage(connection));
    snprintf(ret, size, "%s", PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    PQfinish(connection);
}

/* A schema of the test's own, which its process is called by. */
static void schema_change(const char *what, const char *how)
{
    char sql[100], nothing[8];

    snprintf(sql, sizeof sql, "SET client_min_messages = warning; %s SCHEMA test_%d %s", what, (int)getpid(),
             how);
    ask_server(server(), sql, nothing, sizeof nothing);
}

static void place_begin(void)
{
    schema_change("CREATE", "");
    snprintf(store_path, sizeof store_path, "%s&options=-csearch_path%%3Dtest_%d", server(), (int)getpid());
}

static void place_end(void) { schema_change("DROP", "CASCADE"); }

static void ask_database(const char *sql, char *ret, size_t size)
{
    if (!store_is_file()) {
        ask_server(store_path, sql, ret, size);
        return;
    }
#else
static void place_begin(void) { cr_skip_test("this build has no PostgreSQL"); }

static void place_end(void) {}

static void ask_database(const char *sql, char *ret, size_t size)
{
#endif
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    cr_assert_eq(sqlite3_open(store_path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000); /* whoever has the file writes a few rows */
    for (const char *rest = sql; *rest; rest += strspn(rest, " ")) { /* each statement in turn */
        cr_assert_eq(sqlite3_prepare_v2(db, rest, -1, &stmt, &rest), SQLITE_OK, "%s", sqlite3_errmsg(db));
        const int rc = sqlite3_step(stmt);

        cr_assert(rc == SQLITE_ROW || rc == SQLITE_DONE, "%s", sqlite3_errmsg(db));
        snprintf(ret, size, "%s", rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "");
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
}

const char *asked(const char *sql)
{
    static char text[256];

    ask_database(sql, text, sizeof text);
    return text;
}

void changed(const char *sql)
{
    char nothing[8];

    ask_database(sql, nothing, sizeof nothing);
}

void store_reopen(void)
{
    struct error err = { 0 };

    store_close(store);
    store = NULL;
    cr_assert_eq(store_open(store_path, &store, &err), ST_OK, "%s", err.text);
}

void store_case_begin(void)
{
    store_folder = scratch_folder();
    if (store_is_file())
        snprintf(store_path, sizeof store_path, "%s/jobs.db", store_folder);
    else
        place_begin();
    store_reopen();
}

void store_case_end(void)
{
    store_close(store);
    if (!store_is_file())
        place_end();
    scratch_remove(store_folder);
    check_no_leaks();
}

enum status add(const char *config, const char *key, const char *sha256, size_t max_queued, struct id *ret,
                struct error *err)
{
    json_t *object = json_loads(config, 0, NULL);
    const struct new_job job = { "train", object, key, sha256, max_queued };
    const enum status st = store_job_add(store, &job, ret->text, err);

    json_decref(object);
    return st;
}

struct id added(const char *config)
{
    struct id id = { "" };
    struct error err = { 0 };

    cr_assert_eq(add(config, NULL, "00", 1000, &id, &err), ST_OK, "%s", err.text);
    cr_assert(id_ok(id.text, strlen(id.text)), "'%s' is no id", id.text);
    return id;
}

json_t *job_of(struct id id)
{
    json_t *job = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_job_get(store, id.text, &job, &err), ST_OK, "%s", err.text);
    return job;
}

const char *told(struct id id, const char *member)
{
    static char text[512];
    json_t *job = job_of(id), *value = json_object_get(job, member);
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    snprintf(text, sizeof text, "%s", dumped ? dumped : "nothing");
    free(dumped);
    json_decref(job);
    return text;
}

void check_state(struct id id, const char *state)
{
    char quoted[64];

    snprintf(quoted, sizeof quoted, "\"%s\"", state);
    cr_assert_str_eq(told(id, "state"), quoted);
}

/* The jobs that were begun in this test, with the tokens of it. */
static struct claim claims[256];
static size_t n_claims;

struct claim claim_of(struct id id)
{
    for (size_t i = n_claims; i-- > 0;)
        if (strcmp(claims[i].job, id.text) == 0)
            return claims[i];
    return unclaimed(id.text);
}

/* By whoever may: the runner while it runs, anybody else otherwise. */
enum status move(struct id id, enum job_state to, struct error *err)
{
    struct claim claim = claim_of(id);
    enum job_state state = JOB_QUEUED;
    json_t *record = NULL;

    if (store_job_look(store, id.text, &state, &record, NULL) != ST_OK || state != JOB_RUNNING)
        claim = unclaimed(id.text);
    json_decref(record);
    return store_job_move(store, &claim, to, NULL, err);
}

void moved(struct id id, enum job_state to)
{
    struct error err = { 0 };

    cr_assert_eq(move(id, to, &err), ST_OK, "%s", err.text);
}

struct id begun_in(struct store *s)
{
    struct id id = { "" };
    struct claim claim = { .token = 0 };
    json_t *config = NULL;
    struct error err = { 0 };
    const enum status st = store_job_begin(s, NULL, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &config, &err);

    cr_assert(st == ST_OK || st == ST_NOTFOUND, "%s", err.text);
    cr_assert_eq(st == ST_OK, config != NULL);
    cr_assert_eq(st == ST_OK, claim.token > 0);
    json_decref(config);
    if (st == ST_OK) {
        cr_assert_lt(n_claims, sizeof claims / sizeof claims[0]);
        claims[n_claims++] = claim;
    }
    memcpy(id.text, claim.job, ID_SIZE);
    return id;
}

struct id begun(void) { return begun_in(store); }

struct id job_in(enum job_state state)
{
    struct id id = added("{}");

    if (state == JOB_CANCELLED)
        moved(id, JOB_CANCELLED);
    else if (state != JOB_QUEUED)
        while (strcmp(begun().text, id.text) != 0) /* those that wait before it */
            cr_assert_str_neq(claims[n_claims - 1].job, "");
    if (state != JOB_QUEUED && state != JOB_CANCELLED && state != JOB_RUNNING)
        moved(id, state);
    return id;
}

void recorded(struct id id, const char *text)
{
    const struct claim claim = claim_of(id);
    json_t *record = json_loads(text, 0, NULL);
    struct error err = { 0 };

    cr_assert_eq(store_job_record(store, &claim, record, &err), ST_OK, "%s", err.text);
    json_decref(record);
}

json_t *listed(size_t limit, int64_t before, const char *state, int64_t *ret_next)
{
    const struct page page = { limit, before, state };
    json_t *jobs = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_jobs(store, &page, &jobs, ret_next, &err), ST_OK, "%s", err.text);
    return jobs;
}

void model_added(const char *id)
{
    json_t *card = json_pack("{s:s,s:i}", "id", id, "parameters", 5);
    struct error err = { 0 };

    cr_assert_eq(store_model_add(store, id, card, NULL, NULL, &err), ST_OK, "%s", err.text);
    json_decref(card);
}

void activated(const char *id)
{
    struct error err = { 0 };

    cr_assert_eq(store_activate(store, id, NULL, NULL, &err), ST_OK, "%s", err.text);
}

void closed(void)
{
    store_close(store);
    store = NULL;
}

char *list_text(void)
{
    const struct page page = { .limit = 10 };
    json_t *jobs = NULL;
    int64_t next;
    struct error err = { 0 };
    char *text;

    cr_assert_eq(store_jobs(store, &page, &jobs, &next, &err), ST_OK, "%s", err.text);
    text = json_dumps(jobs, JSON_COMPACT);
    json_decref(jobs);
    return text;
}

void tell(struct id id, const char *name, const char *data, const char *record)
{
    const struct claim claim = claim_of(id);
    struct error err = { 0 };
    json_t *d = json_loads(data, 0, NULL), *r = record ? json_loads(record, 0, NULL) : NULL;

    cr_assert_eq(store_job_tell(store, &claim, name, d, r, &err), ST_OK, "%s", err.text);
    json_decref(r);
    json_decref(d);
}
