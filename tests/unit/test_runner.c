/* tests/unit/test_runner.c - jobs from their request to their end: one at a time, in order, cancelled and interrupted. */
#include "cxrd/file.h"
#include "cxrd/runner.h"
#include "files.h"
#include "jobs/queue/worker.h"
#include "runner_case.h"
#include "scores_file.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

TestSuite(runner, .init = service_begin, .fini = service_end);

/* ---- success ---- */

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

    service_stop();
    service_start();
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
    service_stop();
    service_start();
    job = job_of(id);
    cr_assert(is_in(job, "cancelled"), "it is %s", text_of(job, "state"));
    json_decref(job);
}

Test(runner, interrupted_job_may_be_cancelled)
{
    struct id id = running();

    service_stop();
    service_start();
    wait_for(id, "interrupted");
    cancelled(id);
    wait_for(id, "cancelled");
}

/* A caller that stops it need not wait for a job that does not come to an end, and may wait for it all the same. */
Test(runner, stop_can_be_bounded)
{
    struct id id = running();

    cr_assert(!runner_stop(runner, 0), "nobody ends in no time");
    service_stop();
    service_start();
    wait_for(id, "interrupted");
}

Test(runner, stops_when_there_is_nothing_to_do)
{
    service_stop();
    cr_assert(runner_stop(NULL, 0));
    runner_halt(NULL);
    service_start();
}

/* ---- which jobs a server can do ---- */

/* As the catalogue has them; a database would refuse a claim that names what is not UTF-8. */
Test(able, names_the_folders_that_a_request_can_name)
{
    char *place = scratch_folder();
    struct buf names = BUF_INIT(DATASETS_MOST);
    struct error err = { 0 };

    cr_assert_eq(folder_make(path_in(place, "nih/half"), &err), ST_OK, "%s", err.text);
    cr_assert_eq(mkdir(path_in(place, ".hidden"), 0700), 0);
    cr_assert_eq(mkdir(path_in(place, "a\xff"), 0700), 0);
    cr_assert_eq(symlink("nih", path_in(place, "link")), 0);
    write_text(path_in(place, "file"), "");
    cr_assert_eq(datasets_here(place, &names, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(names.data, "/nih/");
    buf_clear(&names);
    cr_assert_eq(datasets_here(path_in(place, "nowhere"), &names, &err), ST_OK, "%s", err.text);
    cr_assert_eq(datasets_here(NULL, &names, &err), ST_OK, "%s", err.text);
    cr_assert_eq(names.len, 0);
    buf_release(&names);
    scratch_remove(place);
}
