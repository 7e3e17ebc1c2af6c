/* tests/unit/test_store_beside.c - what writes of one job goes on beside what writes of others, in a PostgreSQL database: a row that another
 * transaction has locked holds up nobody but those who want that job, and they see what it has done. */
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void beside_begin(void)
{
    store_case_begin();
    if (store_is_file())
        cr_skip_test("a file has one writer at a time");
}

TestSuite(beside, .init = beside_begin, .fini = store_case_end);

/* ---- another transaction, in a thread: what it does, and what it waits for before it commits ---- */

static char other_sql[1000];

#define BEGUN \
    "hashtext('begun ' || current_schema())" /* a lock that it has once it has done its first part */

static void *other_main(void *arg)
{
    (void)arg;
    changed(other_sql);
    return NULL;
}

static pthread_t other_begins(const char *sql, struct id id, const char *until)
{
    pthread_t thread;

    snprintf(other_sql, sizeof other_sql,
             "DO $$ DECLARE the_job BIGINT := (SELECT seq FROM jobs WHERE id = '%s'); BEGIN %s;"
             " PERFORM pg_advisory_xact_lock(" BEGUN
             "); WHILE NOT EXISTS (SELECT 1 %s) LOOP PERFORM pg_sleep(0.005); END LOOP; END $$",
             id.text, sql, until);
    cr_assert_eq(pthread_create(&thread, NULL, other_main, NULL), 0);
    while (strcmp(asked("SELECT pg_try_advisory_xact_lock(" BEGUN ")"), "t") == 0)
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return thread;
}

Test(beside, a_claim_passes_over_a_job_that_another_has_locked, .timeout = 60)
{
    const struct id first = added("{}"), second = added("{}");
    const pthread_t thread = other_begins("PERFORM 1 FROM jobs WHERE seq = the_job FOR NO KEY UPDATE", first,
                                          "FROM jobs WHERE state = 'running'");

    cr_assert_str_eq(begun().text, second.text);
    pthread_join(thread, NULL);
    cr_assert_str_eq(begun().text, first.text);
}

/* The runner's write waits while another takes the job over, and finds the next token, not the one that stood there when it began. */
static void check_write_that_waited(struct store *s)
{
    const struct id id = added("{}");
    struct claim claim;
    struct error err = { 0 };
    json_t *data = json_object();
    pthread_t thread;

    begun();
    claim = claim_of(id);
    thread =
        other_begins("UPDATE jobs SET started_at = 'now' WHERE seq = the_job;"
                     " UPDATE leases SET token = token + 1 WHERE job = the_job",
                     id, "FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))");
    check_refusal("tell", store_job_tell(s, &claim, "epoch", data, NULL, &err), ST_CONFLICT, &err,
                  "no longer");
    pthread_join(thread, NULL);
    cr_assert_str_eq(asked("SELECT count(*) FROM events WHERE name = 'epoch'"), "0");
    json_decref(data);
}

Test(beside, a_write_that_waited_for_a_takeover_is_refused, .timeout = 60) { check_write_that_waited(store); }

/* A store as it is where the operator has given the database, or the role, another level of isolation than PostgreSQL's own. */
Test(beside, a_level_of_isolation_that_the_server_is_configured_for_does_not_matter, .timeout = 60)
{
    struct store *s;
    struct error err = { 0 };
    char place[5000];

    snprintf(place, sizeof place,
             "%s&options=-csearch_path%%3Dtest_%d%%20-cdefault_transaction_isolation%%3Dserializable",
             store_path, (int)getpid());
    cr_assert_eq(store_open(place, &s, &err), ST_OK, "%s", err.text);
    check_write_that_waited(s);
    store_close(s);
}

/* ---- many servers at once ---- */

enum { SERVERS = 4, JOBS = 40 };

static void *server_main(void *arg)
{
    struct store *s = arg;
    char type[JOB_TYPE_SIZE];
    struct claim claim;
    json_t *config;
    struct error err;
    enum status st;

    while ((st = store_job_begin(s, NULL, &claim, type, &config, &err)) == ST_OK) {
        json_decref(config);
        if (claim.token != 1 || store_job_move(s, &claim, JOB_SUCCEEDED, NULL, &err) != ST_OK)
            return "a claim that is not its job's only one";
    }
    return st == ST_NOTFOUND ? NULL : "no claim";
}

Test(beside, servers_that_claim_at_once_run_each_job_once, .timeout = 60)
{
    struct store *servers[SERVERS];
    pthread_t threads[SERVERS];
    struct error err = { 0 };
    void *fault;

    for (int i = 0; i < JOBS; i++)
        added("{}");
    for (int i = 0; i < SERVERS; i++)
        cr_assert_eq(store_open(store_path, &servers[i], &err), ST_OK, "%s", err.text);
    for (int i = 0; i < SERVERS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, server_main, servers[i]), 0);
    for (int i = 0; i < SERVERS; i++) {
        pthread_join(threads[i], &fault);
        cr_assert_null(fault, "%s", (const char *)fault);
        store_close(servers[i]);
    }
    cr_assert_str_eq(asked("SELECT count(*) FROM jobs WHERE state <> 'succeeded'"), "0");
    cr_assert_str_eq(asked("SELECT max(token) FROM leases"), "1");
    cr_assert_str_eq(asked("SELECT count(*) FROM events WHERE data LIKE '%succeeded%'"), "40");
}
