/* tests/unit/test_store_database.c - what opens, what a damaged file does, and what is told of rows that went bad. */
#include "files.h"
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(database, .init = store_case_begin, .fini = store_case_end);

static void check_not_opened(const char *what, const char *file, enum status expected, const char *word)
{
    struct store *s = NULL;
    struct error err = { 0 };

    check_refusal(what, store_open(file, &s, &err), expected, &err, word);
    cr_assert_null(s);
}

Test(database, of_a_newer_version_is_refused_and_left_alone)
{
    closed();
    changed(store_is_file() ? "PRAGMA user_version = 1000" : "INSERT INTO schema_version VALUES(1000)");
    check_not_opened("a newer version", store_path, ST_UNSUPPORTED, "newer version");
    cr_assert_str_eq(
        asked(store_is_file() ? "PRAGMA user_version" : "SELECT max(version) FROM schema_version"), "1000");
}

Test(database, that_is_none_is_refused)
{
    char text[3000];

    needs_file();
    memset(text, 'x', sizeof text);
    closed();
    write_bytes(store_path, text, sizeof text);
    check_not_opened("garbage", store_path, ST_IO, "not a database");
    check_not_opened("a folder", store_folder, ST_IO, "cannot be opened");
    check_not_opened("a file in no folder", path_in(store_folder, "none/jobs.db"), ST_IO, "cannot be opened");
}

Test(database, of_another_program_is_refused)
{
    needs_file();
    closed();
    cr_assert_eq(unlink(store_path), 0);
    changed("CREATE TABLE t(a); PRAGMA user_version = 1");
    check_not_opened("another schema", store_path, ST_IO, "no such table");
}

Test(database, that_is_empty_is_begun)
{
    needs_file();
    closed();
    write_text(store_path, "");
    store_reopen();
    added("{}");
}

enum { PAGE = 4096, MANY = 60 };

static void check_readable(void)
{
    int64_t next;
    json_t *jobs = listed(1000, 0, NULL, &next);

    cr_assert_eq(json_array_size(jobs), MANY);
    json_decref(jobs);
}

/* Each page of the file in turn is overwritten: either that is found out, or nothing was in it. */
Test(database, that_is_damaged_is_refused_with_a_sentence)
{
    struct file_bytes whole;
    size_t refused = 0;

    needs_file();
    for (int i = 0; i < MANY; i++)
        added("{\"csv\":\"a table whose name takes some room in the file, so that there are a few pages\"}");
    closed();
    whole = read_bytes(store_path);
    cr_assert_gt(whole.size, 4 * PAGE);
    for (size_t at = 0; at < whole.size; at += PAGE) {
        char *damaged = malloc(whole.size);
        struct error err = { 0 };
        enum status st;

        memcpy(damaged, whole.data, whole.size);
        memset(damaged + at, 0xa5, PAGE);
        write_bytes(store_path, damaged, whole.size);
        free(damaged);
        st = store_open(store_path, &store, &err);
        if (st == ST_OK)
            check_readable();
        else
            check_refusal("a damaged page", st, ST_IO, &err, "job database");
        refused += st != ST_OK;
        closed();
    }
    cr_assert_geq(refused, whole.size / PAGE / 2);
    file_bytes_release(&whole);
}

Test(database, that_was_cut_is_refused)
{
    needs_file();
    for (int i = 0; i < MANY; i++)
        added("{\"csv\":\"a table whose name takes some room in the file, so that there are a few pages\"}");
    closed();
    cr_assert_eq(truncate(store_path, 3 * PAGE + 100), 0);
    check_not_opened("cut", store_path, ST_IO, "job database");
}

/* Text in a cell may go bad without the file being damaged: the job is told with what can be read. */
static void check_unreadable(const char *cell, const char *text, const char *state)
{
    struct id bad = added("{\"webhook\":\"https://a.example\"}"), good = added("{}");
    const struct page page = { .limit = 10 };
    char sql[160], why[120];
    json_t *list = NULL;
    struct error err = { 0 };
    int64_t next;

    closed();
    snprintf(sql, sizeof sql, "UPDATE jobs SET %s = '%s' WHERE id = '%s'", cell, text, bad.text);
    changed(sql);
    store_reopen();
    snprintf(why, sizeof why, "\"the job database holds a %s that cannot be read\"",
             strcmp(cell, "config") == 0 ? "configuration" : cell);
    cr_assert_str_eq(told(bad, "error"), why);
    check_state(bad, state);
    check_state(good, "queued");
    cr_assert_eq(store_jobs(store, &page, &list, &next, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(list), 2);
    json_decref(list);
}

Test(database, with_a_broken_configuration_tells_the_rest_of_the_job)
{
    check_unreadable("config", "{broken", "queued");
}

Test(database, with_a_configuration_that_is_none_tells_the_rest_of_the_job)
{
    check_unreadable("config", "7", "queued");
}

Test(database, with_a_broken_record_tells_the_rest_of_the_job) { check_unreadable("record", "[", "queued"); }

Test(database, with_a_state_that_nobody_knows_tells_the_rest_of_the_job)
{
    check_unreadable("state", "dreaming", "failed");
}

Test(database, with_a_configuration_that_cannot_be_read_fails_that_job_and_begins_the_next)
{
    struct id bad = added("{}"), worse = added("{}"), good = added("{}");
    struct error err = { 0 };

    closed();
    changed("UPDATE jobs SET config = '{broken' WHERE seq < 3");
    store_reopen();
    cr_assert_str_eq(begun().text, good.text);
    check_state(bad, "failed");
    check_state(worse, "failed");
    cr_assert_str_neq(told(bad, "finished_at"), "null");
    moved(good, JOB_SUCCEEDED);
    cr_assert_str_eq(begun().text, "");
    cr_assert_eq(store_job_delete(store, bad.text, &err), ST_OK, "%s", err.text);
}

Test(database, with_ids_that_are_no_names_begins_the_next)
{
    struct id good;

    needs_file();
    for (int i = 0; i < 5; i++)
        added("{}");
    good = added("{}");
    closed();
    changed("UPDATE jobs SET id = x'00' WHERE seq = 1");
    changed("UPDATE jobs SET id = x'6161' WHERE seq = 2");
    changed("UPDATE jobs SET id = 'a' || char(0) || 'b' WHERE seq = 3");
    changed("UPDATE jobs SET id = char(0) WHERE seq = 4");
    changed("UPDATE jobs SET id = printf('%0100d', 1) WHERE seq = 5");
    store_reopen();
    cr_assert_str_eq(begun().text, good.text);
    moved(good, JOB_SUCCEEDED);
    cr_assert_str_eq(begun().text, "");
}

/* Not those with its neighbours either: what looks into every configuration passes over it. */
Test(database, with_a_job_that_cannot_be_read_goes_on_with_the_others)
{
    struct id bad = added("{}"), good = added("{\"init\":\"aaaaaaaa\"}");
    struct error err = { 0 };

    needs_file();
    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    closed();
    changed("UPDATE jobs SET config = '{broken', state = 'running' WHERE seq = 1");
    store_reopen(); /* it becomes interrupted, and that is a notice */
    check_state(bad, "interrupted");
    cr_assert_str_eq(begun().text, good.text);
    moved(good, JOB_INTERRUPTED);
    check_refusal("needed", store_model_delete(store, "aaaaaaaa", &err), ST_CONFLICT, &err, "starts from");
    cr_assert_eq(store_model_delete(store, "bbbbbbbb", &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_job_resume(store, bad.text, 10, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(begun().text, "");
    check_state(bad, "failed");
}

Test(database, with_a_state_that_nobody_knows_lets_the_job_go)
{
    struct id id = added("{}");
    struct error err = { 0 };

    closed();
    changed("UPDATE jobs SET state = 'dreaming'");
    store_reopen();
    check_refusal("move", move(id, JOB_CANCELLED, &err), ST_CONFLICT, &err, "failed");
    cr_assert_eq(store_job_delete(store, id.text, &err), ST_OK, "%s", err.text);
}

/* A disk that goes away is told, call by call, and the handle stays sound. */
Test(database, whose_tables_are_gone_fails_every_call_with_a_sentence)
{
    struct id id = added("{}"), got;
    struct claim claim = unclaimed(id.text);
    const struct page page = { .limit = 10 };
    json_t *json = NULL, *object = json_object();
    struct error err = { 0 };
    int64_t next;

    needs_file();
    changed("DROP TABLE leases; DROP TABLE jobs; DROP TABLE models; DROP TABLE settings");
    check_refusal("add", add("{}", NULL, "00", 9, &got, &err), ST_IO, &err, "no such table");
    check_refusal("add with a key", add("{}", "key", "00", 9, &got, &err), ST_IO, &err, "no such table");
    check_refusal("begin", store_job_begin(store, NULL, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &json, &err),
                  ST_IO, &err, "no such table");
    check_refusal("move", move(id, JOB_RUNNING, &err), ST_IO, &err, "no such table");
    check_refusal("record", store_job_record(store, &claim, object, &err), ST_IO, &err, "no such table");
    check_refusal("get", store_job_get(store, id.text, &json, &err), ST_IO, &err, "no such table");
    check_refusal("list", store_jobs(store, &page, &json, &next, &err), ST_IO, &err, "no such table");
    check_refusal("add model", store_model_add(store, "aaaaaaaa", object, NULL, NULL, &err), ST_IO, &err,
                  "no such table");
    check_refusal("get model", store_model_get(store, "aaaaaaaa", &json, &err), ST_IO, &err, "no such table");
    check_refusal("models", store_models(store, &page, &json, &next, &err), ST_IO, &err, "no such table");
    check_refusal("activate", store_activate(store, "aaaaaaaa", NULL, NULL, &err), ST_IO, &err,
                  "no such table");
    check_refusal("active", store_active(store, got.text, &err), ST_IO, &err, "no such table");
    cr_assert_null(json);
    json_decref(object);
}
