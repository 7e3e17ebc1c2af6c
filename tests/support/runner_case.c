/* tests/support/runner_case.c - see runner_case.h. */
#include "runner_case.h"

#include "cxrd/log.h"
#include "files.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- a service without its HTTP ---- */

char *folder, state[4096], datasets[4096];
struct store *store;
struct registry *registry;
struct runner *runner;

void service_start(void)
{
    const struct runner_options options = {
        .state = state, .datasets = datasets, .cache_bytes = 1 << 30, .job_queue = JOB_QUEUE, .threads = 2
    };
    struct error err = { 0 };

    cr_assert_eq(store_open(path_in(state, "jobs.db"), &store, &err), ST_OK, "%s", err.text);
    cr_assert_eq(
        registry_open(store, state, &(struct registry_options){ PRECISION_FLOAT32, 2 }, &registry, &err),
        ST_OK, "%s", err.text);
    cr_assert_eq(runner_start(&options, store, registry, &runner, &err), ST_OK, "%s", err.text);
}

void service_stop(void)
{
    cr_assert(runner_stop(runner, A_LONG_TIME));
    registry_close(registry);
    store_close(store);
    runner = NULL;
    registry = NULL;
    store = NULL;
}

void service_begin(void)
{
    struct error err = { 0 };

    log_set_level(LOG_OFF);
    folder = scratch_folder();
    snprintf(state, sizeof state, "%s/state", folder);
    snprintf(datasets, sizeof datasets, "%s/datasets", folder);
    cr_assert_eq(folder_make(state, &err), ST_OK, "%s", err.text);
    tiny_dataset(datasets, N_ROWS, N_NORMAL);
    service_start();
}

void service_end(void)
{
    service_stop();
    scratch_remove(folder);
    check_no_leaks();
}

/* ---- jobs ---- */

enum status submit(const char *changes, const char *key, const char *sha256, struct id *ret, json_t *errors,
                   struct error *err)
{
    json_t *job = tiny_job(changes);
    const enum status st = runner_submit(runner, job, key, sha256, ret->text, errors, err);

    json_decref(job);
    return st;
}

struct id submitted(const char *changes)
{
    struct id id = { "" };
    json_t *errors = json_array();
    struct error err = { 0 };

    cr_assert_eq(submit(changes, NULL, "00", &id, errors, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(errors), 0);
    json_decref(errors);
    return id;
}

json_t *job_of(struct id id)
{
    json_t *job = NULL;
    struct error err = { 0 };

    cr_assert_eq(runner_job(runner, id.text, &job, &err), ST_OK, "%s", err.text);
    return job;
}

bool is_in(const json_t *job, const char *wanted)
{
    return strcmp(json_string_value(json_object_get(job, "state")), wanted) == 0;
}

void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

json_t *waited(struct id id, const char *wanted)
{
    for (int i = 0; i < NAPS; i++) {
        json_t *job = job_of(id);

        if (is_in(job, wanted))
            return job;
        if (json_object_get(job, "finished_at") != json_null())
            cr_assert_fail("the job is %s: %s", json_string_value(json_object_get(job, "state")),
                           json_string_value(json_object_get(job, "error")));
        json_decref(job);
        nap();
    }
    cr_assert_fail("the job never was %s", wanted);
    return NULL;
}

void wait_for(struct id id, const char *wanted) { json_decref(waited(id, wanted)); }

struct id running(void)
{
    struct id id = submitted(ENDLESS);
    bool stepped = false;

    wait_for(id, "running");
    for (int i = 0; i < NAPS && !stepped; i++) {
        json_t *job = job_of(id);

        stepped = json_object_get(job, "current") != NULL;
        json_decref(job);
        nap();
    }
    cr_assert(stepped, "it never took a step");
    return id;
}

void cancelled(struct id id)
{
    struct error err = { 0 };

    cr_assert_eq(runner_cancel(runner, id.text, false, &err), ST_OK, "%s", err.text);
}

json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    cr_assert_not_null(value, "there is no '%s'", name);
    return value;
}

const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(member(object, name));
}

size_t count_models(void)
{
    const struct page page = { .limit = 1000 };
    json_t *cards = NULL;
    struct error err = { 0 };
    int64_t next;
    size_t n;

    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK, "%s", err.text);
    n = json_array_size(cards);
    json_decref(cards);
    return n;
}

void check_active(const char *model)
{
    struct loaded_model *m = registry_active(registry);

    cr_assert_str_eq(m ? m->id : "", model);
    loaded_model_release(m);
}
