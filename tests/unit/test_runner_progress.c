/* tests/unit/test_runner_progress.c - a job that is looked at while it runs. */
#include "cxrd/runner.h"
#include "jobs/queue/progress.h"
#include "runner_case.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

TestSuite(runner_progress, .init = service_begin, .fini = service_end);

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

Test(runner_progress, progress_moves_forward_and_is_consistent_for_everyone_who_looks)
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

Test(runner_progress, running_job_tells_its_step_and_loss_and_others_do_not)
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
Test(runner_progress, new_job_begins_at_the_beginning)
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
Test(runner_progress, job_that_ends_while_it_is_looked_at_is_told_as_ended)
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

Test(runner_progress, list_is_brought_up_to_date)
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
