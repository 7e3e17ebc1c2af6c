/* tests/unit/test_store_restart.c - the PostgreSQL server is killed and started again, while a runner writes.
 *
 *     tests/support/postgresql build/release/tests/test_store_restart
 */
#include "store_case.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

TestSuite(restart, .init = store_case_begin, .fini = store_case_end);

enum { RESTARTS = 3, MOST = 100000 };

static atomic_bool over;
static bool told_of[MOST]; /* of each number: whether it was told written */
static size_t n_told, n_unsure;

/* Writes 0, 1, 2 … to the journal of the job, each once. */
static void *write_on(void *arg)
{
    const struct claim *claim = arg;

    for (; !atomic_load(&over) && n_told < MOST; n_told++) {
        json_t *data = json_pack("{s:i}", "number", (int)n_told);
        struct error err = { 0 };
        const enum status st = store_job_tell(store, claim, "epoch", data, NULL, &err);

        json_decref(data);
        told_of[n_told] = st == ST_OK;
        n_unsure += strstr(err.text, "not known") != NULL;
        cr_assert(st == ST_OK || st == ST_IO, "%s", err.text);
        if (st != ST_OK)
            nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return NULL;
}

static void check_journal(struct id id)
{
    static bool found[MOST];
    struct error err = { 0 };
    json_t *events = NULL, *e;
    size_t i, n_found = 0, lost = 0, doubled = 0, unsaid = 0;

    cr_assert_eq(store_job_events(store, id.text, 0, MOST, &events, &err), ST_OK, "%s", err.text);
    json_array_foreach (events, i, e) {
        const json_t *n = json_object_get(json_object_get(e, "data"), "number");

        if (n) {
            doubled += (size_t)found[json_integer_value(n)];
            found[json_integer_value(n)] = true;
            n_found++;
        }
    }
    json_decref(events);
    for (i = 0; i < n_told; i++) {
        lost += (size_t)(told_of[i] && !found[i]);
        unsaid += (size_t)(!told_of[i] && found[i]);
    }
    fprintf(stderr, "# %zu writes, %zu found, %zu told failed though written, %zu told as not known\n",
            n_told, n_found, unsaid, n_unsure);
    cr_assert(lost == 0 && doubled == 0, "%zu lost, %zu doubled", lost, doubled);
    cr_assert_leq(unsaid, n_unsure);
    cr_assert_gt(n_found, RESTARTS);
}

static void shell(const char *line)
{
    const pid_t pid = fork();
    int status;

    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(status, 0);
}

Test(restart, of_the_server_loses_and_doubles_nothing)
{
    const char *restart = getenv("CXRD_TEST_POSTGRESQL_RESTART");
    struct claim claim;
    pthread_t writer;
    struct id id;

    if (!restart)
        cr_skip_test("there is no server to restart");
    id = added("{}");
    cr_assert_str_eq(begun().text, id.text);
    claim = claim_of(id);
    cr_assert_eq(pthread_create(&writer, NULL, write_on, &claim), 0);
    for (int i = 0; i < RESTARTS; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
        shell(restart);
    }
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    atomic_store(&over, true);
    pthread_join(writer, NULL);
    check_journal(id);
}
