/* tests/unit/test_runner_failures.c - a job that fails takes neither the service nor the next job down with it; a job that starts from
 * a model. */
#include "cxrd/file.h"
#include "cxrd/runner.h"
#include "files.h"
#include "runner_case.h"
#include "sentence.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(runner_failures, .init = service_begin, .fini = service_end);

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

Test(runner_failures, wrong_fields_are_named_and_nothing_is_queued)
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

Test(runner_failures, only_data_set_is_resolved_in_the_record)
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

Test(runner_failures, failed_job_says_why_and_the_next_one_runs)
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

Test(runner_failures, table_that_went_bad_after_the_request_fails_the_job)
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

Test(runner_failures, job_that_an_older_version_queued_and_this_one_cannot_read_fails)
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

Test(runner_failures, job_whose_model_cannot_be_kept_can_be_resumed)
{
    cr_assert_eq(rmdir(path_in(state, "models")), 0);
    write_text(path_in(state, "models"), "a file where the folder should be");
    check_goes_on(submitted(SHORT), "cannot create", "models");
}

Test(runner_failures, job_whose_folder_cannot_be_made_can_be_resumed)
{
    write_text(path_in(state, "jobs"), "a file where the folder should be");
    check_goes_on(submitted(SHORT), "folder", "jobs");
}

Test(runner_failures, unknown_jobs_are_not_found)
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

Test(runner_failures, job_may_start_from_a_model_and_its_record_shows_the_models_geometry)
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

Test(runner_failures, job_that_starts_from_a_model_of_another_split_says_so_and_so_does_its_model)
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

Test(runner_failures, job_whose_starting_model_went_bad_meanwhile_is_interrupted)
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
