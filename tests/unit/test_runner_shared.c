/* tests/unit/test_runner_shared.c - two servers' runners on one PostgreSQL database.
 *
 *     tests/support/postgresql build/release/tests/test_runner_shared
 */
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/registry.h"
#include "cxrd/runner.h"
#include "sentence.h"
#include "store_case.h"
#include "support.h"
#include "tiny_dataset.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { N = 2, N_ROWS = 40, N_NORMAL = 4, A_LONG_TIME = 600, NAPS = 12000 };

static struct server {
    char state[4200], datasets[4200];
    struct store *store;
    struct registry *registry;
    struct runner *runner;
} servers[N];

static void server_begin(struct server *s, int i)
{
    struct error err = { 0 };
    const struct runner_options options = {
        .state = s->state, .datasets = s->datasets, .cache_bytes = 1 << 30, .job_queue = 2, .threads = 1
    };

    snprintf(s->state, sizeof s->state, "%s/state%d", store_folder, i);
    snprintf(s->datasets, sizeof s->datasets, "%s/datasets", store_folder);
    cr_assert_eq(folder_make(s->state, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_open(store_path, &s->store, &err), ST_OK, "%s", err.text);
    cr_assert_eq(registry_open(s->store, s->state, &(struct registry_options){ PRECISION_FLOAT32, 1 },
                               &s->registry, &err),
                 ST_OK, "%s", err.text);
    cr_assert_eq(runner_start(&options, s->store, s->registry, &s->runner, &err), ST_OK, "%s", err.text);
}

static void begin(void)
{
    log_set_level(LOG_OFF);
    store_case_begin();
    if (store_is_file())
        return;
    snprintf(servers[0].datasets, sizeof servers[0].datasets, "%s/datasets", store_folder);
    tiny_dataset(servers[0].datasets, N_ROWS, N_NORMAL);
    for (int i = 0; i < N; i++)
        server_begin(&servers[i], i);
}

static void end(void)
{
    for (int i = 0; i < N && !store_is_file(); i++) {
        cr_assert(runner_stop(servers[i].runner, A_LONG_TIME));
        registry_close(servers[i].registry);
        store_close(servers[i].store);
    }
    store_case_end();
}

TestSuite(two_runners, .init = begin, .fini = end);

static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

static struct id submitted(const char *changes)
{
    json_t *job = tiny_job(changes), *errors = json_array();
    struct error err = { 0 };
    struct id id;

    cr_assert_eq(runner_submit(servers[0].runner, job, NULL, "00", id.text, errors, &err), ST_OK, "%s",
                 err.text);
    json_decref(job);
    json_decref(errors);
    return id;
}

/* The number of the server that runs it, when it has taken its first step. */
static int runner_of(struct id id)
{
    for (int n = 0; n < NAPS; n++, nap())
        for (int i = 0; i < N; i++) {
            struct train_progress p;

            if (runner_progress(servers[i].runner, id.text, &p) && p.images > 0)
                return i;
        }
    cr_assert_fail("nobody runs it");
    return 0;
}

static void wait_for(struct id id, const char *state)
{
    for (int n = 0; n < NAPS; n++, nap()) {
        char sql[120];

        snprintf(sql, sizeof sql, "SELECT state FROM jobs WHERE id = '%s'", id.text);
        if (strcmp(asked(sql), state) == 0)
            return;
    }
    cr_assert_fail("it never was %s", state);
}

Test(two_runners, end_a_job_that_the_other_was_asked_to_cancel)
{
    struct error err = { 0 };
    struct id id;
    int by;

    if (store_is_file())
        cr_skip_test("this is about a PostgreSQL server");
    id = submitted("{\"steps_per_epoch\":1000000}");
    by = runner_of(id);
    check_refusal("delete", runner_delete(servers[1 - by].runner, id.text, &err), ST_CONFLICT, &err,
                  "running");
    cr_assert_eq(runner_cancel(servers[1 - by].runner, id.text, false, &err), ST_OK, "%s", err.text);
    wait_for(id, "cancelled");
    cr_assert_eq(runner_delete(servers[1 - by].runner, id.text, &err), ST_OK, "%s", err.text);
}
