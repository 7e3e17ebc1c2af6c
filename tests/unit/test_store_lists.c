/* tests/unit/test_store_lists.c - jobs that are too many, and the lists of those that are there. */
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *surplus(size_t keep)
{
    static char id[ID_SIZE];
    struct error err = { 0 };

    cr_assert_eq(store_job_surplus(store, keep, id, &err), ST_OK, "%s", err.text);
    return id;
}

static struct id ended(const char *config, enum job_state state)
{
    const struct id id = added(config);

    cr_assert_str_eq(begun().text, id.text);
    moved(id, state);
    return id;
}

static void forget(const char *id)
{
    struct error err = { 0 };

    cr_assert_eq(store_job_delete(store, id, &err), ST_OK, "%s", err.text);
}

Test(jobs, that_ended_first_are_too_many_first)
{
    const struct id resumed = added("{}");
    struct id a, b;

    begun();
    moved(resumed, JOB_INTERRUPTED);
    a = ended("{}", JOB_SUCCEEDED);
    b = ended("{}", JOB_FAILED);
    cr_assert_str_eq(surplus(2), "");
    cr_assert_str_eq(surplus(1), a.text);
    moved(resumed, JOB_QUEUED);
    cr_assert_str_eq(surplus(1), a.text);
    begun();
    moved(resumed, JOB_CANCELLED);
    cr_assert_str_eq(surplus(2), a.text);
    forget(a.text);
    cr_assert_str_eq(surplus(2), "");
    cr_assert_str_eq(surplus(1), b.text);
    forget(b.text);
    cr_assert_str_eq(surplus(0), resumed.text);
}

Test(jobs, that_are_needed_are_not_too_many)
{
    const struct id modelled = ended("{}", JOB_SUCCEEDED), original = ended("{}", JOB_SUCCEEDED);
    const struct id plain = ended("{}", JOB_SUCCEEDED);
    json_t *card = json_pack("{s:s}", "job", modelled.text);
    char config[128];
    struct id replay;
    struct error err = { 0 };

    cr_assert_eq(store_model_add(store, "m", card, NULL, NULL, &err), ST_OK, "%s", err.text);
    json_decref(card);
    snprintf(config, sizeof config, "{\"replay_of\":\"%s\"}", original.text);
    replay = added(config);
    cr_assert_str_eq(surplus(0), plain.text);
    forget(plain.text);
    cr_assert_str_eq(surplus(0), "");
    moved(replay, JOB_CANCELLED);
    cr_assert_str_eq(surplus(0), original.text);
    forget(original.text);
    cr_assert_str_eq(surplus(0), replay.text);
    forget(replay.text);
    cr_assert_eq(store_model_delete(store, "m", &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(surplus(0), modelled.text);
}

static void check_listed(const json_t *jobs, size_t at, struct id id)
{
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(jobs, at), "id")), id.text);
}

Test(jobs, are_listed_newest_first_page_by_page)
{
    struct id ids[7];
    int64_t next = 0;

    for (size_t i = 0; i < 7; i++)
        ids[i] = added("{}");
    for (size_t page = 0, i = 7; page < 3; page++) { /* 3, 3, 1 */
        json_t *jobs = listed(3, next, NULL, &next);
        const size_t n = json_array_size(jobs);

        cr_assert_eq(n, page < 2 ? 3 : 1, "page %zu has %zu", page, n);
        for (size_t k = 0; k < n; k++)
            check_listed(jobs, k, ids[--i]);
        json_decref(jobs);
        cr_assert_eq(next != 0, page < 2, "page %zu", page);
    }
}

Test(jobs, full_last_page_has_no_next)
{
    int64_t next = -1;
    json_t *jobs;

    added("{}");
    added("{}");
    jobs = listed(2, 0, NULL, &next);
    cr_assert(json_array_size(jobs) == 2 && next == 0);
    json_decref(jobs);
}

Test(jobs, are_listed_by_state)
{
    struct id a = job_in(JOB_FAILED), b = job_in(JOB_CANCELLED), c = job_in(JOB_FAILED);
    int64_t next;
    json_t *failed = listed(10, 0, "failed", &next), *cancelled = listed(10, 0, "cancelled", &next),
           *running = listed(10, 0, "running", &next), *first = listed(1, 0, "failed", &next), *second;

    cr_assert(json_array_size(failed) == 2 && json_array_size(cancelled) == 1 &&
              json_array_size(running) == 0);
    check_listed(failed, 0, c);
    check_listed(failed, 1, a);
    check_listed(cancelled, 0, b);
    second = listed(1, next, "failed", &next);
    check_listed(second, 0, a);
    cr_assert_eq(next, 0);
    json_decref(failed);
    json_decref(cancelled);
    json_decref(running);
    json_decref(first);
    json_decref(second);
}

Test(jobs, are_listed_without_their_long_parts)
{
    struct id id = added("{\"epochs\":3}");
    int64_t next;
    json_t *jobs, *job;

    begun();
    recorded(id, "{\"dataset\":{},\"epochs\":[],\"evaluation\":{},\"environment\":{},\"model\":\"m\"}");
    jobs = listed(1, 0, NULL, &next);
    job = json_array_get(jobs, 0);
    cr_assert(!json_object_get(job, "config") && !json_object_get(job, "dataset") &&
              !json_object_get(job, "epochs") && !json_object_get(job, "evaluation"));
    cr_assert_str_eq(json_string_value(json_object_get(job, "model")), "m");
    cr_assert_str_eq(json_string_value(json_object_get(job, "state")), "running");
    json_decref(jobs);
}

Test(database, lists_what_cannot_be_shown_whole)
{
    const struct id id = added("{}");
    char *text;

    closed();
    changed(
        "UPDATE jobs SET config = '{broken', record = '{broken'; UPDATE summaries SET record = '{broken'");
    store_reopen();
    text = list_text();
    cr_assert(strstr(text, id.text) && strstr(text, "\"queued\""), "listed as %s", text);
    free(text);
}

#define RECORD                                                                                              \
    "{\"config\":{},\"dataset\":{},\"calibration\":{},\"evaluation\":{\"test\":{\"macro_auroc\":0.75}},"    \
    "\"environment\":{},\"epochs\":[{}],"                                                                   \
    "\"promotion\":{},\"weights_sha256\":\"00\",\"replay\":{},\"files\":[],\"model\":\"m\",\"kept_epoch\":" \
    "3}"

/* A list made from what was written, and one from what an older version left, say the same. */
Test(database, of_an_older_version_lists_its_jobs_alike)
{
    const struct id id = added("{}"), odd = added("{}");
    char *before, *after;

    needs_file();
    recorded(id, RECORD);
    before = list_text();
    cr_assert(strstr(before, "\"model\":\"m\",\"kept_epoch\":3,\"macro_auroc\":0.75}"), "listed as %s",
              before);
    closed();
    changed(TO_VERSION_3 "PRAGMA user_version = 3");
    store_reopen();
    after = list_text();
    cr_assert_str_eq(after, before);
    free(after);
    closed();
    changed(TO_VERSION_3 "PRAGMA user_version = 3; UPDATE jobs SET record = '{broken' WHERE seq = 2");
    store_reopen();
    after = list_text();
    cr_assert(strstr(after, odd.text), "listed as %s", after);
    free(after);
    free(before);
}

/* ---- names and notes ---- */

static json_t *called(const char *name, const char *note)
{
    return json_pack("{s:s?,s:s?}", "name", name, "note", note);
}

static struct caption caption_of(const char *name, const char *note)
{
    json_t *object = called(name, note), *errors = json_array();
    struct caption c;

    caption_take(object, CAPTION_BOTH, &c, errors);
    cr_assert_eq(json_array_size(errors), 0);
    cr_assert_eq(json_object_size(object), 0, "they are taken out");
    json_decref(errors);
    json_decref(object);
    return c;
}

static void check_called(struct id id, const char *name, const char *note, const char *dataset)
{
    json_t *job = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_job_get(store, id.text, &job, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(json_string_value(json_object_get(job, "name"))
                         ? json_string_value(json_object_get(job, "name"))
                         : "",
                     name);
    cr_assert_str_eq(json_string_value(json_object_get(job, "note"))
                         ? json_string_value(json_object_get(job, "note"))
                         : "",
                     note);
    cr_assert_str_eq(json_string_value(json_object_get(job, "dataset_name"))
                         ? json_string_value(json_object_get(job, "dataset_name"))
                         : "",
                     dataset);
    json_decref(job);
}

Test(jobs, are_called_what_they_were_called_last)
{
    const struct id id = added("{}");
    struct caption c = caption_of("Monday", "first\nsecond");
    struct error err = { 0 };

    check_called(id, "", "", "");
    cr_assert_eq(store_job_caption(store, id.text, &c, &err), ST_OK, "%s", err.text);
    store_reopen();
    check_called(id, "Monday", "first\nsecond", "");
    c.has_note = false; /* not said: it stays */
    snprintf(c.name, sizeof c.name, "Tuesday");
    cr_assert_eq(store_job_caption(store, id.text, &c, &err), ST_OK, "%s", err.text);
    check_called(id, "Tuesday", "first\nsecond", "");
    c = caption_of(NULL, "");
    cr_assert_eq(store_job_caption(store, id.text, &c, &err), ST_OK, "%s", err.text);
    check_called(id, "", "", "");
    cr_assert_eq(store_job_caption(store, "00000000-0000", &c, &err), ST_NOTFOUND);
}

Test(models, are_called_what_they_were_called_last)
{
    struct caption c = caption_of("the good one", NULL);
    struct error err = { 0 };
    json_t *card = NULL;

    model_added("m1");
    cr_assert_eq(store_model_change(store, "m1", &c, NULL, &err), ST_OK, "%s", err.text);
    store_reopen();
    cr_assert_eq(store_model_get(store, "m1", &card, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(json_string_value(json_object_get(card, "name")), "the good one");
    cr_assert(json_is_null(json_object_get(card, "note")));
    json_decref(card);
    cr_assert_eq(store_model_change(store, "m2", &c, NULL, &err), ST_NOTFOUND);
}

/* An older store knows of them which data set, and no name. */
Test(database, of_an_older_version_has_jobs_and_models_without_names)
{
    const struct id id = added("{\"dataset\":\"ward\"}"), broken = added("{}");
    struct caption c = caption_of("x", "y");
    struct error err = { 0 };
    json_t *card = NULL;

    needs_file();
    model_added("m1");
    closed();
    changed("UPDATE jobs SET config = '{broken' WHERE seq = 2; " TO_VERSION_7 "PRAGMA user_version = 7");
    store_reopen();
    check_called(id, "", "", "ward");
    check_called(broken, "", "", "");
    cr_assert_eq(store_model_get(store, "m1", &card, &err), ST_OK, "%s", err.text);
    cr_assert(json_is_null(json_object_get(card, "name")));
    json_decref(card);
    cr_assert_eq(store_job_caption(store, id.text, &c, &err), ST_OK, "%s", err.text);
    check_called(id, "x", "y", "ward");
}

Test(captions, that_cannot_be_are_refused)
{
    static const char *const NAMES[] = { "two\nlines", "a\x01", "\xe2\x80\xae right to left", "tab\t" };
    char longer[CAPTION_NOTE + 2];

    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    for (size_t i = 0; i <= sizeof NAMES / sizeof NAMES[0]; i++) {
        json_t *object =
                   i == 0 ? called(longer + CAPTION_NOTE - CAPTION_NAME, longer) : called(NAMES[i - 1], NULL),
               *errors = json_array();
        struct caption c;

        caption_take(object, CAPTION_BOTH, &c, errors);
        cr_assert_eq(json_array_size(errors), i == 0 ? 2 : 1, "%zu", i);
        json_decref(errors);
        json_decref(object);
    }
}
