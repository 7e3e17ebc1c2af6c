/* tests/unit/test_runner.c - jobs from their request to their end: one at a time, in order, to be watched, cancelled
 * and interrupted, and none of them able to take the service or the next job down with it. */
#include "cxrd/file.h"
#include "cxrd/log.h"
#include "cxrd/runner.h"
#include "files.h"
#include "jobs/queue/progress.h"
#include "leaks.h"
#include "scores_file.h"
#include "sentence.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ---- a service without its HTTP ---- */

static char *folder, state[4096], datasets[4096];
static struct store *store;
static struct registry *registry;
static struct runner *runner;

enum { JOB_QUEUE = 2, N_ROWS = 40, N_NORMAL = 4, A_LONG_TIME = 600 };

static void start(void)
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

static void stop(void)
{
    cr_assert(runner_stop(runner, A_LONG_TIME));
    registry_close(registry);
    store_close(store);
    runner = NULL;
    registry = NULL;
    store = NULL;
}

static void begin(void)
{
    struct error err = { 0 };

    log_set_level(LOG_OFF);
    folder = scratch_folder();
    snprintf(state, sizeof state, "%s/state", folder);
    snprintf(datasets, sizeof datasets, "%s/datasets", folder);
    cr_assert_eq(folder_make(state, &err), ST_OK, "%s", err.text);
    tiny_dataset(datasets, N_ROWS, N_NORMAL);
    start();
}

static void end(void)
{
    stop();
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(runner, .init = begin, .fini = end);

/* ---- jobs ---- */

struct id {
    char text[ID_SIZE];
};

static enum status submit(const char *changes, const char *key, const char *sha256, struct id *ret,
                          json_t *errors, struct error *err)
{
    json_t *job = tiny_job(changes);
    const enum status st = runner_submit(runner, job, key, sha256, ret->text, errors, err);

    json_decref(job);
    return st;
}

static struct id submitted(const char *changes)
{
    struct id id = { "" };
    json_t *errors = json_array();
    struct error err = { 0 };

    cr_assert_eq(submit(changes, NULL, "00", &id, errors, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(errors), 0);
    json_decref(errors);
    return id;
}

static json_t *job_of(struct id id)
{
    json_t *job = NULL;
    struct error err = { 0 };

    cr_assert_eq(runner_job(runner, id.text, &job, &err), ST_OK, "%s", err.text);
    return job;
}

static bool is_in(const json_t *job, const char *wanted)
{
    return strcmp(json_string_value(json_object_get(job, "state")), wanted) == 0;
}

/* Training runs on what nobody else wants, so those who wait for it must not keep a core busy. */
static void nap(void) { nanosleep(&(struct timespec){ .tv_nsec = 5000000 }, NULL); }

enum { NAPS = 120000 }; /* ten minutes: only a job that hangs takes so long */

/* Wait until a job is in that state; returns the job, a new reference. */
static json_t *waited(struct id id, const char *wanted)
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

static void wait_for(struct id id, const char *wanted) { json_decref(waited(id, wanted)); }

/* A job that trains until it is stopped; it has taken its first step when this returns. */
#define ENDLESS "{\"steps_per_epoch\":1000000}"
static struct id running(void)
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

static void cancelled(struct id id)
{
    struct error err = { 0 };

    cr_assert_eq(runner_cancel(runner, id.text, false, &err), ST_OK, "%s", err.text);
}

static json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);

    cr_assert_not_null(value, "there is no '%s'", name);
    return value;
}

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(member(object, name));
}

static size_t count_models(void)
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

static void check_active(const char *model)
{
    struct loaded_model *m = registry_active(registry);

    cr_assert_str_eq(m ? m->id : "", model);
    loaded_model_release(m);
}

/* ---- success ---- */

#define SHORT "{\"steps_per_epoch\":1}"

Test(runner, job_ends_with_its_whole_record)
{
    struct id id = submitted("{\"epochs\":2,\"steps_per_epoch\":1,\"patience\":0}");
    json_t *job = waited(id, "succeeded"), *data = member(job, "dataset");

    cr_assert(json_integer_value(member(data, "rows")) == N_ROWS + N_NORMAL &&
              json_integer_value(member(data, "usable")) == N_ROWS &&
              json_integer_value(member(data, "unreadable_images")) == 0);
    cr_assert_eq(json_array_size(member(job, "epochs")), 2);
    cr_assert(json_is_real(member(job, "validation_loss")) && json_is_real(member(job, "top5_accuracy")));
    cr_assert_gt(json_real_value(member(member(job, "baseline"), "validation_loss")), 0);
    cr_assert_eq(json_array_size(member(member(member(job, "evaluation"), "test"), "findings")),
                 N_NIH_LABELS);
    cr_assert(json_is_null(member(job, "error")) && json_is_string(member(job, "model")));
    cr_assert_eq(json_real_value(member(job, "progress")), 1);
    cr_assert_eq(json_integer_value(member(member(job, "config"), "batch_size")), 8);
    cr_assert_str_eq(text_of(member(job, "config"), "recipe"), "standard");
    cr_assert_eq(json_integer_value(member(member(job, "environment"), "threads")), 2);
    cr_assert(json_is_string(member(job, "started_at")) && json_is_string(member(job, "finished_at")));
    json_decref(job);
}

Test(runner, first_model_becomes_active_and_later_ones_do_not)
{
    json_t *first = waited(submitted(SHORT), "succeeded"), *second;

    check_active(text_of(first, "model"));
    second = waited(submitted(SHORT), "succeeded");
    cr_assert_str_neq(text_of(second, "model"), text_of(first, "model"));
    check_active(text_of(first, "model"));
    cr_assert_eq(count_models(), 2);
    json_decref(first);
    json_decref(second);
}

Test(runner, model_names_its_job_and_whom_it_has_seen)
{
    struct id id = submitted(SHORT), all = submitted("{\"steps_per_epoch\":1,\"drop_no_finding\":false}");
    json_t *card = NULL, *job;
    struct loaded_model *m;
    struct error err = { 0 };

    wait_for(id, "succeeded");
    m = registry_active(registry);
    cr_assert_str_eq(m->job, id.text);
    cr_assert_str_eq(m->population, "findings-only");
    loaded_model_release(m);
    job = waited(all, "succeeded");
    cr_assert_eq(store_model_get(store, text_of(job, "model"), &card, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(text_of(card, "population"), "all");
    json_decref(card);
    json_decref(job);
}

static struct scores_file scores_of(struct id id, int set)
{
    struct file_bytes bytes = FILE_BYTES_INIT;
    struct scores_file f;
    struct error err = { 0 };
    size_t size;
    int fd;

    cr_assert_eq(runner_scores(runner, id.text, set, &fd, &size, &err), ST_OK, "%s", err.text);
    cr_assert_eq(file_read_fd(fd, "scores", 1 << 24, &bytes, &err), ST_OK, "%s", err.text);
    cr_assert_eq(bytes.size, size);
    close(fd);
    f = scores_file_read(bytes.data, bytes.size, &NIH_LABELS);
    file_bytes_release(&bytes);
    return f;
}

Test(runner, scores_can_be_read_when_the_job_has_succeeded)
{
    struct id id = submitted(SHORT);
    json_t *job = waited(id, "succeeded"), *data = member(job, "dataset");
    static const char *const PARTS[] = { "validation", "test" };

    for (int set = 0; set < N_SCORED; set++) {
        struct scores_file f = scores_of(id, set);

        cr_assert_eq(f.n, set == SCORED_NO_FINDING ? N_NORMAL
                                                   : (size_t)json_integer_value(member(data, PARTS[set])));
        scores_file_release(&f);
    }
    json_decref(job);
}

Test(runner, job_of_no_epochs_reports_its_data_and_makes_no_model)
{
    struct id id = submitted("{\"epochs\":0}");
    json_t *job = waited(id, "succeeded");
    struct error err = { 0 };
    size_t size;
    int fd;

    cr_assert_eq(json_integer_value(member(member(job, "dataset"), "rows")), N_ROWS + N_NORMAL);
    cr_assert(json_is_null(member(job, "model")) && json_is_null(member(job, "validation_loss")));
    cr_assert_eq(count_models(), 0);
    check_active("");
    check_refusal("scores", runner_scores(runner, id.text, 0, &fd, &size, &err), ST_NOTFOUND, &err,
                  "no scores");
    json_decref(job);
}

Test(runner, jobs_run_one_at_a_time_in_the_order_they_came)
{
    struct id first = submitted(SHORT), second, third;
    json_t *a, *b, *c;

    wait_for(first, "running");
    second = submitted(SHORT);
    third = submitted("{\"epochs\":0}");
    c = waited(third, "succeeded");
    a = waited(first, "succeeded");
    b = waited(second, "succeeded");
    cr_assert(strcmp(text_of(a, "finished_at"), text_of(b, "started_at")) <= 0);
    cr_assert(strcmp(text_of(b, "finished_at"), text_of(c, "started_at")) <= 0);
    json_decref(a);
    json_decref(b);
    json_decref(c);
}

/* ---- the queue ---- */

Test(runner, full_queue_is_busy_and_names_the_job_that_runs)
{
    struct id first = running(), refused = { "" };
    json_t *errors = json_array();
    struct error err = { 0 };
    struct id waiting[JOB_QUEUE];

    for (size_t i = 0; i < JOB_QUEUE; i++)
        waiting[i] = submitted(SHORT);
    check_refusal("one too many", submit(SHORT, NULL, "00", &refused, errors, &err), ST_BUSY, &err,
                  first.text);
    cancelled(waiting[0]);
    cr_assert_eq(submit(SHORT, NULL, "00", &refused, errors, &err), ST_OK, "%s", err.text);
    json_decref(errors);
}

Test(runner, repeated_request_is_the_same_job)
{
    struct id first, again, other;
    json_t *errors = json_array();
    struct error err = { 0 };

    cr_assert_eq(submit(SHORT, "key", "aa", &first, errors, &err), ST_OK);
    cr_assert_eq(submit(SHORT, "key", "aa", &again, errors, &err), ST_OK);
    cr_assert_str_eq(again.text, first.text);
    check_refusal("another body", submit(SHORT, "key", "bb", &other, errors, &err), ST_CONFLICT, &err,
                  "another");
    wait_for(first, "succeeded");
    cr_assert_eq(count_models(), 1);
    json_decref(errors);
}

/* ---- cancelling ---- */

Test(runner, cancelled_job_that_waits_never_runs)
{
    struct id first = running(), second = submitted(SHORT);
    json_t *job;

    cancelled(second);
    job = job_of(second);
    cr_assert(is_in(job, "cancelled"), "not at once");
    json_decref(job);
    cancelled(first);
    wait_for(first, "cancelled");
    wait_for(submitted("{\"epochs\":0}"), "succeeded"); /* whatever came before has had its turn */
    job = job_of(second);
    cr_assert(is_in(job, "cancelled") && json_is_null(member(job, "started_at")));
    json_decref(job);
    cr_assert_eq(count_models(), 0);
}

Test(runner, cancelled_job_that_runs_ends_and_the_next_begins)
{
    struct id first = running(), second = submitted(SHORT);
    json_t *job;

    cancelled(first);
    job = waited(first, "cancelled");
    cr_assert(json_is_null(member(job, "model")) && json_is_null(member(job, "error")) &&
              json_is_string(member(job, "finished_at")));
    cr_assert_eq(json_integer_value(member(member(job, "dataset"), "usable")), N_ROWS,
                 "what was known is kept");
    json_decref(job);
    wait_for(second, "succeeded");
    cr_assert_eq(count_models(), 1);
}

Test(runner, job_that_has_ended_cannot_be_cancelled)
{
    struct id id = submitted("{\"epochs\":0}");
    struct error err = { 0 };

    for (int i = 0; i < 5; i++) { /* at once when the end is seen, five times */
        wait_for(id, "succeeded");
        check_refusal("too late", runner_cancel(runner, id.text, false, &err), ST_CONFLICT, &err,
                      "succeeded");
        id = submitted("{\"epochs\":0}");
    }
    check_refusal("unknown", runner_cancel(runner, "00000000-0000-4000-8000-000000000000", false, &err),
                  ST_NOTFOUND, &err, "no job");
}

/* Whenever the call comes, a job is either cancelled and leaves no model, or succeeds and leaves one. */
Test(runner, cancelling_at_any_moment_leaves_no_model_of_a_cancelled_job)
{
    size_t succeeded = 0;

    for (long i = 0; i < 16; i++) {
        struct id id = submitted(SHORT);
        struct error err = { 0 };
        enum status st;
        json_t *job;

        nanosleep(&(struct timespec){ .tv_nsec = i * i * 1000000 }, NULL);
        st = runner_cancel(runner, id.text, false, &err);
        cr_assert(st == ST_OK || st == ST_CONFLICT, "%s", err.text);
        for (job = job_of(id); json_is_null(member(job, "finished_at")); job = job_of(id)) {
            json_decref(job);
            nap();
        }
        cr_assert(is_in(job, "cancelled") || is_in(job, "succeeded"));
        cr_assert_eq(is_in(job, "succeeded"), json_is_string(member(job, "model")));
        succeeded += is_in(job, "succeeded");
        json_decref(job);
    }
    wait_for(submitted("{\"epochs\":0}"), "succeeded");
    cr_assert_eq(count_models(), succeeded, "%zu models of %zu jobs", count_models(), succeeded);
}

/* ---- stopping ---- */

Test(runner, stop_interrupts_the_job_that_runs_and_keeps_those_that_wait)
{
    struct id first = running(), second = submitted(SHORT);
    json_t *job;

    stop();
    start();
    job = waited(second, "succeeded"); /* by itself */
    json_decref(job);
    job = job_of(first);
    cr_assert(is_in(job, "interrupted"), "it is %s", text_of(job, "state"));
    cr_assert(json_is_string(member(job, "finished_at")) && json_is_null(member(job, "error")));
    cr_assert_eq(json_integer_value(member(member(job, "dataset"), "usable")), N_ROWS);
    json_decref(job);
    cr_assert_eq(count_models(), 1);
}

Test(runner, job_that_was_cancelled_before_the_stop_stays_cancelled)
{
    struct id id = running();
    json_t *job;

    cancelled(id);
    stop();
    start();
    job = job_of(id);
    cr_assert(is_in(job, "cancelled"), "it is %s", text_of(job, "state"));
    json_decref(job);
}

Test(runner, interrupted_job_may_be_cancelled)
{
    struct id id = running();

    stop();
    start();
    wait_for(id, "interrupted");
    cancelled(id);
    wait_for(id, "cancelled");
}

/* A caller that stops it need not wait for a job that does not come to an end, and may wait for it all the same. */
Test(runner, stop_can_be_bounded)
{
    struct id id = running();

    cr_assert(!runner_stop(runner, 0), "nobody ends in no time");
    stop();
    start();
    wait_for(id, "interrupted");
}

Test(runner, stops_when_there_is_nothing_to_do)
{
    stop();
    cr_assert(runner_stop(NULL, 0));
    runner_halt(NULL);
    start();
}

/* ---- watching ---- */

enum { STEPS = 30 };

struct watcher {
    struct id id;
    size_t looks, wrong;
    atomic_bool *done;
};

/* The record of a running job never goes backwards and never contradicts itself. */
static void *watch(void *arg)
{
    struct watcher *w = arg;
    double progress = 0;
    json_int_t step = 0;

    while (!atomic_load(w->done)) {
        json_t *job = NULL, *current;
        struct error err;

        if (runner_job(runner, w->id.text, &job, &err) != ST_OK) {
            w->wrong++;
            break;
        }
        current = json_object_get(job, "current");
        if (is_in(job, "running")) {
            const double now = json_number_value(json_object_get(job, "progress"));

            w->wrong += now < progress || now > 1 || !json_is_string(json_object_get(job, "phase"));
            progress = now;
        }
        if (current) {
            const json_int_t at = json_integer_value(json_object_get(current, "step")),
                             of = json_integer_value(json_object_get(current, "steps"));

            w->wrong += at < step || at > of || of != STEPS ||
                        json_integer_value(json_object_get(current, "epoch")) != 1;
            step = at;
        }
        w->looks++;
        json_decref(job);
        nap();
    }
    return NULL;
}

Test(runner, progress_moves_forward_and_is_consistent_for_everyone_who_looks)
{
    enum { WATCHERS = 3 };
    atomic_bool done = false;
    struct id id = submitted("{\"steps_per_epoch\":30}");
    struct watcher watchers[WATCHERS];
    pthread_t threads[WATCHERS];
    size_t looks = 0;

    for (size_t i = 0; i < WATCHERS; i++) {
        watchers[i] = (struct watcher){ .id = id, .done = &done };
        cr_assert_eq(pthread_create(&threads[i], NULL, watch, &watchers[i]), 0);
    }
    wait_for(id, "succeeded");
    atomic_store(&done, true);
    for (size_t i = 0; i < WATCHERS; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(watchers[i].wrong, 0, "%zu of %zu looks were wrong", watchers[i].wrong,
                     watchers[i].looks);
        looks += watchers[i].looks;
    }
    cr_assert_gt(looks, WATCHERS);
}

Test(runner, running_job_tells_its_step_and_loss_and_others_do_not)
{
    struct id first = running(), second = submitted(SHORT);
    json_t *job = job_of(first), *waiting = job_of(second), *current = member(job, "current");

    cr_assert_str_eq(text_of(job, "phase"), "training");
    cr_assert(json_integer_value(member(current, "epoch")) == 1 &&
              json_integer_value(member(current, "step")) >= 1 &&
              json_integer_value(member(current, "steps")) == 1000000);
    cr_assert(json_is_real(member(current, "loss")) && json_is_real(member(current, "images_per_s")));
    cr_assert(json_is_null(member(waiting, "phase")) && !json_object_get(waiting, "current"));
    json_decref(job);
    json_decref(waiting);
}

/* A job begins with its own numbers, not with those that the last one ended with. */
Test(runner, new_job_begins_at_the_beginning)
{
    wait_for(submitted(SHORT), "succeeded");
    for (int i = 0; i < 5; i++) {
        struct id id = submitted(ENDLESS);
        json_t *job = waited(id, "running"), *current = json_object_get(job, "current");

        cr_assert_lt(json_number_value(member(job, "progress")), 0.5);
        cr_assert(!current || json_integer_value(member(current, "steps")) == 1000000);
        json_decref(job);
        cancelled(id);
        wait_for(id, "cancelled");
    }
}

/* Between two looks, at its record and at its numbers, a job may end; it is never told as running without a phase. */
Test(runner, job_that_ends_while_it_is_looked_at_is_told_as_ended)
{
    for (int i = 0; i < 40; i++) {
        struct id id = submitted("{\"epochs\":0}");

        for (bool ended = false; !ended;) {
            json_t *job = job_of(id);

            cr_assert(!is_in(job, "running") || json_is_string(member(job, "phase")), "running, in no phase");
            ended = is_in(job, "succeeded");
            json_decref(job);
        }
    }
}

Test(runner, list_is_brought_up_to_date)
{
    struct id id = running();
    const struct page page = { .limit = 10 };
    json_t *jobs = NULL;
    struct error err = { 0 };
    int64_t next;

    cr_assert_eq(store_jobs(store, &page, &jobs, &next, &err), ST_OK, "%s", err.text);
    runner_refresh(runner, json_array_get(jobs, 0));
    cr_assert_str_eq(text_of(json_array_get(jobs, 0), "id"), id.text);
    cr_assert_str_eq(text_of(json_array_get(jobs, 0), "phase"), "training");
    json_decref(jobs);
}

/* ---- what goes wrong ---- */

static void check_submit_refused(const char *changes, size_t n_errors, const char *field)
{
    struct id id = { "" };
    json_t *errors = json_array();
    struct error err = { 0 };
    size_t found = 0;

    check_refusal(changes, submit(changes, NULL, "00", &id, errors, &err), ST_INVALID, &err,
                  "cannot be used");
    cr_assert_eq(json_array_size(errors), n_errors, "%s: %zu errors", changes, json_array_size(errors));
    for (size_t i = 0; i < n_errors; i++)
        found += strcmp(text_of(json_array_get(errors, i), "field"), field) == 0;
    cr_assert_eq(found, 1, "%s: '%s' is not named", changes, field);
    json_decref(errors);
}

Test(runner, wrong_fields_are_named_and_nothing_is_queued)
{
    const struct page page = { .limit = 10 };
    json_t *jobs = NULL;
    struct error err = { 0 };
    int64_t next;

    check_submit_refused("{\"epochs\":-1}", 1, "epochs");
    check_submit_refused("{\"epochs\":-1,\"nonsense\":1,\"image_size\":250}", 3, "image_size");
    check_submit_refused("{\"dataset\":\"none\"}", 1, "dataset");
    check_submit_refused("{\"csv\":\"none.csv\"}", 1, "csv");
    check_submit_refused("{\"init\":\"00000000-0000-4000-8000-000000000000\"}", 1, "init");
    check_submit_refused("{\"webhook\":\"http://localhost\"}", 1, "webhook");
    cr_assert_eq(store_jobs(store, &page, &jobs, &next, &err), ST_OK);
    cr_assert_eq(json_array_size(jobs), 0, "something was queued");
    json_decref(jobs);
}

Test(runner, only_data_set_is_resolved_in_the_record)
{
    struct id id;
    json_t *request = json_pack("{s:i}", "epochs", 0), *errors = json_array(), *job;
    struct error err = { 0 };

    cr_assert_eq(runner_submit(runner, request, NULL, "00", id.text, errors, &err), ST_OK, "%s", err.text);
    job = waited(id, "succeeded");
    cr_assert_str_eq(text_of(member(job, "config"), "dataset"), "tiny");
    json_decref(job);
    json_decref(errors);
    json_decref(request);
}

Test(runner, failed_job_says_why_and_the_next_one_runs)
{
    struct id broken, good;
    json_t *job;

    write_text(tiny_image_path(datasets, 5), "no picture");
    broken = submitted("{\"missing_images\":\"fail\"}");
    good = submitted(SHORT);
    job = waited(broken, "failed");
    cr_assert_not_null(strstr(text_of(job, "error"), "'00000003_001.png'"), "%s", text_of(job, "error"));
    cr_assert(json_is_null(member(job, "model")));
    json_decref(job);
    job = waited(good, "succeeded");
    cr_assert_eq(json_integer_value(member(member(job, "dataset"), "unreadable_images")), 1);
    json_decref(job);
}

Test(runner, table_that_went_bad_after_the_request_fails_the_job)
{
    struct id first = running(), second = submitted(SHORT);
    json_t *job;

    write_text(path_in(datasets, "tiny/Data_Entry_2017.csv"), "Image Index\n");
    cancelled(first);
    job = waited(second, "failed");
    cr_assert_not_null(strstr(text_of(job, "error"), "no column 'Finding Labels'"), "%s",
                       text_of(job, "error"));
    json_decref(job);
}

Test(runner, job_that_an_older_version_queued_and_this_one_cannot_read_fails)
{
    json_t *config = json_pack("{s:s,s:s}", "dataset", "tiny", "optimizer", "momentum"), *job;
    const struct new_job old = { "train", config, NULL, "00", 10 };
    struct id id;
    struct error err = { 0 };

    cr_assert_eq(store_job_add(store, &old, id.text, &err), ST_OK, "%s", err.text);
    wait_for(submitted("{\"epochs\":0}"), "succeeded"); /* and wakes the runner */
    job = waited(id, "failed");
    cr_assert_not_null(strstr(text_of(job, "error"), "no longer valid"));
    json_decref(job);
    json_decref(config);
}

/* It was asked well, and the storage fails: it goes on when that works again, and its record says why it did not. */
static void check_goes_on(struct id id, const char *word, const char *place)
{
    json_t *job = waited(id, "interrupted");
    struct error err = { 0 };

    cr_assert_not_null(strstr(text_of(job, "error"), word), "%s", text_of(job, "error"));
    cr_assert_null(strstr(text_of(job, "error"), state), "a folder of the server's: %s",
                   text_of(job, "error"));
    cr_assert(json_is_null(member(job, "model")));
    json_decref(job);
    check_active("");
    cr_assert_eq(count_models(), 0);
    cr_assert_eq(unlink(path_in(state, "%s", place)), 0);
    cr_assert_eq(folder_make(path_in(state, "%s", place), &err), ST_OK, "%s", err.text);
    cr_assert_eq(runner_resume(runner, id.text, &err), ST_OK, "%s", err.text);
    job = job_of(id);
    while (!is_in(job, "succeeded")) {
        cr_assert(is_in(job, "queued") || is_in(job, "running"), "%s", text_of(job, "state"));
        json_decref(job);
        nap();
        job = job_of(id);
    }
    cr_assert(json_is_null(member(job, "error")), "the reason of before stayed");
    check_active(text_of(job, "model"));
    json_decref(job);
}

Test(runner, job_whose_model_cannot_be_kept_can_be_resumed)
{
    cr_assert_eq(rmdir(path_in(state, "models")), 0);
    write_text(path_in(state, "models"), "a file where the folder should be");
    check_goes_on(submitted(SHORT), "cannot create", "models");
}

Test(runner, job_whose_folder_cannot_be_made_can_be_resumed)
{
    write_text(path_in(state, "jobs"), "a file where the folder should be");
    check_goes_on(submitted(SHORT), "folder", "jobs");
}

Test(runner, unknown_jobs_are_not_found)
{
    static const char NONE[] = "00000000-0000-4000-8000-000000000000";
    json_t *job = NULL;
    struct error err = { 0 };
    size_t size;
    int fd;

    check_refusal("job", runner_job(runner, NONE, &job, &err), ST_NOTFOUND, &err, NONE);
    check_refusal("scores", runner_scores(runner, NONE, 0, &fd, &size, &err), ST_NOTFOUND, &err, NONE);
    check_refusal("scores", runner_scores(runner, "../..", 0, &fd, &size, &err), ST_NOTFOUND, &err, "no job");
}

/* ---- starting from a model ---- */

Test(runner, job_may_start_from_a_model_and_its_record_shows_the_models_geometry)
{
    json_t *first = waited(submitted("{\"steps_per_epoch\":1,\"input_mean\":99}"), "succeeded"), *second;
    char changes[256];

    snprintf(changes, sizeof changes, "{\"steps_per_epoch\":1,\"image_size\":128,\"init\":\"%s\"}",
             text_of(first, "model"));
    second = waited(submitted(changes), "succeeded");
    cr_assert_eq(json_integer_value(member(member(second, "config"), "image_size")), TINY_SIZE);
    cr_assert_eq(json_real_value(member(member(second, "config"), "input_mean")), 99);
    cr_assert_str_eq(text_of(member(second, "config"), "init"), text_of(first, "model"));
    json_decref(first);
    json_decref(second);
}

/* A job that starts from a model; its record, a new reference. */
static json_t *started_from(const char *model, const char *promote)
{
    char changes[256];

    snprintf(changes, sizeof changes, "{\"steps_per_epoch\":1,\"seed\":2,\"promote\":\"%s\",\"init\":\"%s\"}",
             promote, model);
    return waited(submitted(changes), "succeeded");
}

/* The first warning; there may be others, of pictures that are no chests and of a training that is so short. */
static void check_warning(const json_t *object)
{
    const json_t *warnings = member(object, "warnings");

    cr_assert_geq(json_array_size(warnings), 1);
    cr_assert_str_eq(text_of(json_array_get(warnings, 0), "code"), "init_split");
    cr_assert_gt(strlen(text_of(json_array_get(warnings, 0), "detail")), 0);
}

Test(runner, job_that_starts_from_a_model_of_another_split_says_so_and_so_does_its_model)
{
    json_t *first = waited(submitted(SHORT), "succeeded"), *second, *card = NULL;
    const json_t *decision;
    struct error err = { 0 };

    for (size_t i = 0; i < json_array_size(member(first, "warnings")); i++)
        cr_assert_str_neq(text_of(json_array_get(member(first, "warnings"), i), "code"), "init_split");
    cr_assert(json_is_null(member(member(first, "dataset"), "init_split")));
    second = started_from(text_of(first, "model"), "if_better");
    cr_assert_str_eq(text_of(member(second, "dataset"), "init_split"), "other");
    check_warning(second);
    decision = member(second, "promotion");
    cr_assert_str_eq(text_of(member(decision, "comparison"), "active_split"), "other");
    cr_assert_not_null(strstr(text_of(decision, "warning"), "either model"));
    cr_assert_eq(store_model_get(store, text_of(second, "model"), &card, &err), ST_OK, "%s", err.text);
    check_warning(card);
    cr_assert_str_eq(text_of(member(card, "data"), "init_split"), "other");
    cr_assert_str_eq(text_of(member(card, "data"), "split_sha256"),
                     text_of(member(second, "dataset"), "split_sha256"));
    json_decref(card);
    json_decref(first);
    json_decref(second);
}

Test(runner, job_whose_starting_model_went_bad_meanwhile_is_interrupted)
{
    json_t *job = waited(submitted(SHORT), "succeeded");
    char changes[256], file[4096];
    struct id first, second;

    snprintf(changes, sizeof changes, "{\"steps_per_epoch\":1,\"init\":\"%s\"}", text_of(job, "model"));
    snprintf(file, sizeof file, "%s", path_in(state, "models/%s.safetensors", text_of(job, "model")));
    json_decref(job);
    first = running();
    second = submitted(changes);
    write_text(file, "no weights");
    cancelled(first);
    job = waited(second, "interrupted");
    cr_assert_not_null(strstr(text_of(job, "error"), "digest"), "%s", text_of(job, "error"));
    json_decref(job);
}

/* ---- numbers without a lock ---- */

struct publisher {
    struct progress progress;
    atomic_bool stop;
};

/* Every snapshot has one number in all of its places. */
static struct snapshot all_of(size_t n)
{
    return (struct snapshot){ (int64_t)n, { (double)n, (double)n, n, n, n, (double)n, (double)n } };
}

static void *publish_on(void *arg)
{
    struct publisher *p = arg;

    for (size_t n = 1; !atomic_load(&p->stop); n++)
        progress_publish(&p->progress, &(struct snapshot[]){ all_of(n) }[0]);
    return NULL;
}

Test(progress, reader_sees_whole_snapshots_and_never_an_older_one)
{
    struct publisher p = { .stop = false };
    pthread_t writer;
    size_t last = 0;

    progress_publish(&p.progress, &(struct snapshot[]){ all_of(0) }[0]);
    cr_assert_eq(pthread_create(&writer, NULL, publish_on, &p), 0);
    for (size_t i = 0; i < 200000 || last < 100; i++) {
        struct snapshot s, expected;

        progress_read(&p.progress, &s);
        expected = all_of(s.train.step);
        cr_assert_eq(memcmp(&s, &expected, sizeof s), 0, "a torn snapshot");
        cr_assert_geq(s.train.step, last, "an older snapshot");
        last = s.train.step;
    }
    atomic_store(&p.stop, true);
    pthread_join(writer, NULL);
}
