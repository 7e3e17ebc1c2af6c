/* tests/unit/test_store.c - jobs come out in the order they went in, change state only as they may, and are all there
 * after a restart; a file that is damaged, foreign or from the future is refused with a sentence. */
#include "cxrd/store.h"
#include "files.h"
#include "leaks.h"
#include "sentence.h"
#include "support.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a store in a scratch folder ---- */

static char *folder, path[4096];
static struct store *store;

static void store_reopen(void)
{
    struct error err = { 0 };

    store_close(store);
    store = NULL;
    cr_assert_eq(store_open(path, &store, &err), ST_OK, "%s", err.text);
}

static void begin(void)
{
    folder = scratch_folder();
    snprintf(path, sizeof path, "%s/jobs.db", folder);
    store_reopen();
}

static void end(void)
{
    store_close(store);
    scratch_remove(folder);
    check_no_leaks();
}

TestSuite(jobs, .init = begin, .fini = end);
TestSuite(models, .init = begin, .fini = end);
TestSuite(database, .init = begin, .fini = end);

/* ---- jobs ---- */

struct id {
    char text[ID_SIZE];
};

static enum status add(const char *config, const char *key, const char *sha256, size_t max_queued,
                       struct id *ret, struct error *err)
{
    json_t *object = json_loads(config, 0, NULL);
    const struct new_job job = { "train", object, key, sha256, max_queued };
    const enum status st = store_job_add(store, &job, ret->text, err);

    json_decref(object);
    return st;
}

static struct id added(const char *config)
{
    struct id id = { "" };
    struct error err = { 0 };

    cr_assert_eq(add(config, NULL, "00", 1000, &id, &err), ST_OK, "%s", err.text);
    cr_assert(id_ok(id.text, strlen(id.text)), "'%s' is no id", id.text);
    return id;
}

static json_t *job_of(struct id id)
{
    json_t *job = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_job_get(store, id.text, &job, &err), ST_OK, "%s", err.text);
    return job;
}

/* A member of a job, as JSON text in static memory. */
static const char *told(struct id id, const char *member)
{
    static char text[512];
    json_t *job = job_of(id), *value = json_object_get(job, member);
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    snprintf(text, sizeof text, "%s", dumped ? dumped : "nothing");
    free(dumped);
    json_decref(job);
    return text;
}

static void check_state(struct id id, const char *state)
{
    char quoted[64];

    snprintf(quoted, sizeof quoted, "\"%s\"", state);
    cr_assert_str_eq(told(id, "state"), quoted);
}

static enum status move(struct id id, enum job_state to, struct error *err)
{
    return store_job_move(store, id.text, to, NULL, err);
}

static void moved(struct id id, enum job_state to)
{
    struct error err = { 0 };

    cr_assert_eq(move(id, to, &err), ST_OK, "%s", err.text);
}

/* The id of the job that begins now, "" where none waits. */
static struct id begun(void)
{
    struct id id = { "" };
    json_t *config = NULL;
    struct error err = { 0 };
    const enum status st = store_job_begin(store, id.text, (char[JOB_TYPE_SIZE]){ 0 }, &config, &err);

    cr_assert(st == ST_OK || st == ST_NOTFOUND, "%s", err.text);
    cr_assert_eq(st == ST_OK, config != NULL);
    json_decref(config);
    return id;
}

Test(jobs, begin_in_the_order_they_came)
{
    struct id ids[5];

    for (size_t i = 0; i < 5; i++)
        ids[i] = added("{}");
    moved(ids[2], JOB_CANCELLED);
    cr_assert_str_eq(begun().text, ids[0].text);
    cr_assert_str_eq(begun().text, ids[1].text);
    cr_assert_str_eq(begun().text, ids[3].text);
    cr_assert_str_eq(begun().text, ids[4].text);
    cr_assert_str_eq(begun().text, "");
}

Test(jobs, begin_with_the_configuration_they_were_sent_with)
{
    struct id id = added("{\"epochs\":3,\"dataset\":\"\xc3\xa9\"}"), got;
    json_t *config = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_job_begin(store, got.text, (char[JOB_TYPE_SIZE]){ 0 }, &config, &err), ST_OK, "%s",
                 err.text);
    cr_assert_str_eq(got.text, id.text);
    cr_assert_eq(json_integer_value(json_object_get(config, "epochs")), 3);
    cr_assert_str_eq(json_string_value(json_object_get(config, "dataset")), "\xc3\xa9");
    json_decref(config);
}

Test(jobs, are_told_in_the_contracts_shape)
{
    struct id id = added("{\"epochs\":3}");

    cr_assert_str_eq(told(id, "type"), "\"train\"");
    cr_assert_str_eq(told(id, "config"), "{\"epochs\":3}");
    cr_assert_str_eq(told(id, "progress"), "0.0");
    cr_assert_str_eq(told(id, "phase"), "null");
    cr_assert_str_eq(told(id, "eta_s"), "null");
    cr_assert_eq(strlen(told(id, "created_at")), 26); /* "2026-01-31T23:59:59.123Z" in quotes */
    cr_assert_str_eq(told(id, "started_at"), "null");
    cr_assert_str_eq(told(id, "finished_at"), "null");
}

Test(jobs, carry_the_times_of_their_changes)
{
    struct id id = added("{}");

    begun();
    check_state(id, "running");
    cr_assert_str_neq(told(id, "started_at"), "null");
    cr_assert_str_eq(told(id, "finished_at"), "null");
    moved(id, JOB_SUCCEEDED);
    cr_assert_str_neq(told(id, "finished_at"), "null");
    cr_assert_str_eq(told(id, "progress"), "1.0");
}

Test(jobs, that_wait_again_have_not_finished)
{
    struct id id = added("{}");

    begun();
    moved(id, JOB_INTERRUPTED);
    cr_assert_str_neq(told(id, "finished_at"), "null");
    moved(id, JOB_QUEUED);
    cr_assert_str_eq(told(id, "finished_at"), "null");
    cr_assert_str_eq(begun().text, id.text);
}

/* ---- states ---- */

/* The contract's arrows, row by row: may FROM become TO? */
static const char *const MAY[N_JOB_STATES] = {
    /*                  Q R S F C I */
    [JOB_QUEUED] = "010010", [JOB_RUNNING] = "001111",   [JOB_SUCCEEDED] = "000000",
    [JOB_FAILED] = "000000", [JOB_CANCELLED] = "000000", [JOB_INTERRUPTED] = "100010",
};

/* A job in that state. */
static struct id job_in(enum job_state state)
{
    struct id id = added("{}");

    if (state != JOB_QUEUED)
        moved(id, state == JOB_CANCELLED ? JOB_CANCELLED : JOB_RUNNING);
    if (state != JOB_QUEUED && state != JOB_CANCELLED && state != JOB_RUNNING)
        moved(id, state);
    return id;
}

static void check_change(enum job_state from, enum job_state to)
{
    struct id id = job_in(from);
    struct error err = { 0 };
    const enum status st = move(id, to, &err);

    cr_assert_eq(job_may_become(from, to), MAY[from][to] == '1');
    if (MAY[from][to] == '1') {
        cr_assert_eq(st, ST_OK, "%s to %s: %s", job_state_name(from), job_state_name(to), err.text);
        check_state(id, job_state_name(to));
    } else {
        check_refusal("an illegal change", st, ST_CONFLICT, &err, job_state_name(from));
        check_state(id, job_state_name(from));
    }
}

Test(jobs, change_state_only_as_the_contract_says)
{
    for (int from = 0; from < N_JOB_STATES; from++)
        for (int to = 0; to < N_JOB_STATES; to++)
            check_change((enum job_state)from, (enum job_state)to);
}

Test(jobs, that_are_refused_a_change_keep_their_record)
{
    struct id id = job_in(JOB_FAILED);
    json_t *record = json_pack("{s:s}", "model", "m");
    struct error err = { 0 };

    cr_assert_eq(store_job_move(store, id.text, JOB_SUCCEEDED, record, &err), ST_CONFLICT);
    cr_assert_str_eq(told(id, "model"), "nothing");
    json_decref(record);
}

Test(jobs, states_have_names_that_parse)
{
    enum job_state state;

    for (int s = 0; s < N_JOB_STATES; s++) {
        cr_assert(job_state_parse(job_state_name((enum job_state)s), &state));
        cr_assert_eq((int)state, s);
        cr_assert_eq(job_has_ended(state), s != JOB_QUEUED && s != JOB_RUNNING);
    }
    cr_assert_not(job_state_parse("done", &state));
    cr_assert_not(job_state_parse("", &state));
    cr_assert_not(job_state_parse("Queued", &state));
}

Test(jobs, that_do_not_exist_are_not_found)
{
    const struct id none = { "00000000-0000-4000-8000-000000000000" };
    json_t *job = NULL, *record = json_object();
    struct error err = { 0 };

    check_refusal("get", store_job_get(store, none.text, &job, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("move", move(none, JOB_CANCELLED, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("record", store_job_record(store, none.text, record, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("get", store_job_get(store, "' OR 1=1 --", &job, &err), ST_NOTFOUND, &err, "OR 1=1");
    cr_assert_null(job);
    json_decref(record);
}

/* ---- records ---- */

static void recorded(struct id id, const char *text)
{
    json_t *record = json_loads(text, 0, NULL);
    struct error err = { 0 };

    cr_assert_eq(store_job_record(store, id.text, record, &err), ST_OK, "%s", err.text);
    json_decref(record);
}

Test(jobs, tell_what_their_record_says)
{
    struct id id = added("{}");
    json_t *last = json_pack("{s:f}", "validation_loss", 0.25);
    struct error err = { 0 };

    begun();
    recorded(id, "{\"dataset\":{\"rows\":5},\"error\":null}");
    cr_assert_str_eq(told(id, "dataset"), "{\"rows\":5}");
    cr_assert_str_eq(told(id, "error"), "null");
    recorded(id, "{\"epochs\":[1]}");
    cr_assert_str_eq(told(id, "dataset"), "nothing"); /* replaced, not merged */
    cr_assert_eq(store_job_move(store, id.text, JOB_SUCCEEDED, last, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(told(id, "validation_loss"), "0.25");
    json_decref(last);
}

Test(jobs, believe_their_columns_before_their_record)
{
    struct id id = added("{\"epochs\":3}");

    begun();
    recorded(id, "{\"id\":\"x\",\"state\":\"succeeded\",\"type\":\"x\",\"config\":{},\"created_at\":\"x\","
                 "\"model\":\"m\"}");
    check_state(id, "running");
    cr_assert_str_eq(told(id, "type"), "\"train\"");
    cr_assert_str_eq(told(id, "config"), "{\"epochs\":3}");
    cr_assert_str_neq(told(id, "created_at"), "\"x\"");
    cr_assert_str_eq(told(id, "model"), "\"m\"");
}

/* ---- those that are too many ---- */

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

    cr_assert_eq(store_model_add(store, "m", card, &err), ST_OK, "%s", err.text);
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

/* ---- lists ---- */

static json_t *listed(size_t limit, int64_t before, const char *state, int64_t *ret_next)
{
    const struct page page = { limit, before, state };
    json_t *jobs = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_jobs(store, &page, &jobs, ret_next, &err), ST_OK, "%s", err.text);
    return jobs;
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

/* ---- the queue's limit and repeated requests ---- */

Test(jobs, beyond_the_queues_limit_are_refused)
{
    struct id id;
    struct error err = { 0 };

    cr_assert_eq(add("{}", NULL, "00", 2, &id, &err), ST_OK);
    cr_assert_eq(add("{}", NULL, "00", 2, &id, &err), ST_OK);
    check_refusal("a third", add("{}", NULL, "00", 2, &id, &err), ST_BUSY, &err, "2 jobs are waiting");
    begun(); /* what runs does not wait */
    cr_assert_eq(add("{}", NULL, "00", 2, &id, &err), ST_OK);
    check_refusal("a fourth", add("{}", NULL, "00", 2, &id, &err), ST_BUSY, &err, "full");
}

Test(jobs, of_a_repeated_request_are_the_same_job)
{
    struct id first, again, other;
    struct error err = { 0 };
    int64_t next;
    json_t *jobs;

    cr_assert_eq(add("{}", "key", "aa", 1, &first, &err), ST_OK);
    cr_assert_eq(add("{}", "key", "aa", 1, &again, &err), ST_OK, "a full queue refused a repetition");
    cr_assert_str_eq(again.text, first.text);
    check_refusal("another body", add("{\"x\":1}", "key", "bb", 9, &other, &err), ST_CONFLICT, &err,
                  "another body");
    cr_assert_eq(add("{}", "other key", "aa", 9, &other, &err), ST_OK);
    cr_assert_str_neq(other.text, first.text);
    jobs = listed(10, 0, NULL, &next);
    cr_assert_eq(json_array_size(jobs), 2);
    json_decref(jobs);
}

Test(jobs, of_a_repeated_request_are_the_same_after_a_restart_and_when_they_have_ended)
{
    struct id first, again;
    struct error err = { 0 };

    cr_assert_eq(add("{}", "key", "aa", 1, &first, &err), ST_OK);
    moved(first, JOB_CANCELLED);
    store_reopen();
    cr_assert_eq(add("{}", "key", "aa", 1, &again, &err), ST_OK);
    cr_assert_str_eq(again.text, first.text);
    check_state(first, "cancelled");
}

Test(jobs, without_a_key_are_all_different)
{
    struct id a = added("{}"), b = added("{}");

    cr_assert_str_neq(a.text, b.text);
}

/* ---- restart ---- */

Test(jobs, that_ran_are_interrupted_after_a_restart_and_the_others_are_as_they_were)
{
    struct id succeeded = job_in(JOB_SUCCEEDED), running = added("{}"), queued = added("{\"epochs\":9}");

    cr_assert_str_eq(begun().text, running.text);
    recorded(running, "{\"epochs\":[1,2]}");
    store_reopen();
    check_state(running, "interrupted");
    cr_assert_str_neq(told(running, "finished_at"), "null");
    cr_assert_str_eq(told(running, "epochs"), "[1,2]");
    check_state(succeeded, "succeeded");
    check_state(queued, "queued");
    cr_assert_str_eq(begun().text, queued.text); /* never by itself what was interrupted */
    cr_assert_str_eq(told(queued, "config"), "{\"epochs\":9}");
}

/* ---- models ---- */

static void model_added(const char *id)
{
    json_t *card = json_pack("{s:s,s:i}", "id", id, "parameters", 5);
    struct error err = { 0 };

    cr_assert_eq(store_model_add(store, id, card, &err), ST_OK, "%s", err.text);
    json_decref(card);
}

static void activated(const char *id)
{
    struct error err = { 0 };

    cr_assert_eq(store_activate(store, id, &err), ST_OK, "%s", err.text);
}

static void check_active(const char *expected)
{
    char id[ID_SIZE];
    struct error err = { 0 };

    cr_assert_eq(store_active(store, id, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(id, expected);
}

Test(models, whose_cards_would_not_be_read_again_are_not_kept)
{
    json_t *deep = json_array(), *card;
    struct error err = { 0 };

    for (int i = 0; i < 3000; i++)
        deep = json_pack("[o]", deep);
    card = json_pack("{s:s,s:o}", "id", "aaaaaaaa", "data", deep);
    check_refusal("deep", store_model_add(store, "aaaaaaaa", card, &err), ST_FORMAT, &err, "card");
    json_decref(card);
    card = NULL;
    check_refusal("get", store_model_get(store, "aaaaaaaa", &card, &err), ST_NOTFOUND, &err, "aaaaaaaa");
}

Test(models, are_found_listed_and_survive_a_restart)
{
    const struct page page = { .limit = 1 };
    json_t *card = NULL, *cards = NULL;
    struct error err = { 0 };
    int64_t next;

    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    store_reopen();
    cr_assert_eq(store_model_get(store, "aaaaaaaa", &card, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_integer_value(json_object_get(card, "parameters")), 5);
    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK, "%s", err.text);
    cr_assert(json_array_size(cards) == 1 && next != 0);
    cr_assert_str_eq(json_string_value(json_object_get(json_array_get(cards, 0), "id")), "bbbbbbbb");
    json_decref(cards);
    json_decref(card);
}

Test(models, that_do_not_exist_are_not_found_and_not_activated)
{
    json_t *card = NULL;
    struct error err = { 0 };

    check_refusal("get", store_model_get(store, "cccccccc", &card, &err), ST_NOTFOUND, &err, "cccccccc");
    model_added("aaaaaaaa");
    activated("aaaaaaaa");
    check_refusal("activate", store_activate(store, "cccccccc", &err), ST_NOTFOUND, &err, "cccccccc");
    check_active("aaaaaaaa");
}

Test(models, cannot_be_added_twice_under_one_id)
{
    json_t *card = json_pack("{s:s}", "id", "other");
    struct error err = { 0 };

    model_added("aaaaaaaa");
    check_refusal("again", store_model_add(store, "aaaaaaaa", card, &err), ST_IO, &err, "cannot write");
    json_decref(card);
    cr_assert_eq(store_model_get(store, "aaaaaaaa", &card, &err), ST_OK);
    cr_assert_str_eq(json_string_value(json_object_get(card, "id")), "aaaaaaaa");
    json_decref(card);
}

/* One text by SQL of our own, in static memory. */
static const char *asked(const char *sql)
{
    static char text[256];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    snprintf(text, sizeof text, "%s",
             sqlite3_step(stmt) == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "");
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return text;
}

Test(models, active_one_and_the_one_before_are_remembered)
{
    static const char PREVIOUS[] = "SELECT value FROM settings WHERE name = 'previous_model'";

    check_active("");
    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    activated("aaaaaaaa");
    cr_assert_str_eq(asked(PREVIOUS), "");
    activated("bbbbbbbb");
    cr_assert_str_eq(asked(PREVIOUS), "aaaaaaaa");
    activated("bbbbbbbb"); /* again: the one before is not lost */
    cr_assert_str_eq(asked(PREVIOUS), "aaaaaaaa");
    store_reopen();
    check_active("bbbbbbbb");
}

/* ---- the file ---- */

static void changed(const char *sql)
{
    sqlite3 *db = NULL;

    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static void closed(void)
{
    store_close(store);
    store = NULL;
}

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
    changed("PRAGMA user_version = 1000");
    check_not_opened("a newer version", path, ST_UNSUPPORTED, "newer version");
    cr_assert_str_eq(asked("PRAGMA user_version"), "1000");
}

Test(database, that_is_none_is_refused)
{
    char text[3000];

    memset(text, 'x', sizeof text);
    closed();
    write_bytes(path, text, sizeof text);
    check_not_opened("garbage", path, ST_IO, "not a database");
    check_not_opened("a folder", folder, ST_IO, "cannot be opened");
    check_not_opened("a file in no folder", path_in(folder, "none/jobs.db"), ST_IO, "cannot be opened");
}

Test(database, of_another_program_is_refused)
{
    closed();
    cr_assert_eq(unlink(path), 0);
    changed("CREATE TABLE t(a); PRAGMA user_version = 1");
    check_not_opened("another schema", path, ST_IO, "no such table");
}

Test(database, that_is_empty_is_begun)
{
    closed();
    write_text(path, "");
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

    for (int i = 0; i < MANY; i++)
        added("{\"csv\":\"a table whose name takes some room in the file, so that there are a few pages\"}");
    closed();
    whole = read_bytes(path);
    cr_assert_gt(whole.size, 4 * PAGE);
    for (size_t at = 0; at < whole.size; at += PAGE) {
        char *damaged = malloc(whole.size);
        struct error err = { 0 };
        enum status st;

        memcpy(damaged, whole.data, whole.size);
        memset(damaged + at, 0xa5, PAGE);
        write_bytes(path, damaged, whole.size);
        free(damaged);
        st = store_open(path, &store, &err);
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
    for (int i = 0; i < MANY; i++)
        added("{\"csv\":\"a table whose name takes some room in the file, so that there are a few pages\"}");
    closed();
    cr_assert_eq(truncate(path, 3 * PAGE + 100), 0);
    check_not_opened("cut", path, ST_IO, "job database");
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

#define TO_VERSION_3                                                                                         \
    "DROP TABLE summaries; DROP INDEX jobs_by_end; ALTER TABLE jobs DROP COLUMN ended; ALTER TABLE notices " \
    "DROP COLUMN since; ALTER TABLE jobs DROP COLUMN begun_at; "

/* The jobs of a page of ten, as one text. */
static char *list_text(void)
{
    const struct page page = { .limit = 10 };
    json_t *jobs = NULL;
    int64_t next;
    struct error err = { 0 };
    char *text;

    cr_assert_eq(store_jobs(store, &page, &jobs, &next, &err), ST_OK, "%s", err.text);
    text = json_dumps(jobs, JSON_COMPACT);
    json_decref(jobs);
    return text;
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

/* When a job began is one thing, when it was asked for and when it went on are others. */
Test(jobs, have_begun_when_they_ran_for_the_first_time)
{
    struct id id = added("{}");
    char first[64];

    cr_assert_str_eq(told(id, "begun_at"), "null");
    begun();
    snprintf(first, sizeof first, "%s", told(id, "begun_at"));
    cr_assert_str_eq(first, told(id, "started_at"));
    moved(id, JOB_INTERRUPTED);
    closed();
    changed("UPDATE jobs SET begun_at = '2026-01-01T00:00:00.000Z'"); /* a while ago */
    store_reopen();
    moved(id, JOB_QUEUED);
    begun();
    cr_assert_str_eq(told(id, "begun_at"), "\"2026-01-01T00:00:00.000Z\"");
    cr_assert_str_neq(told(id, "started_at"), "\"2026-01-01T00:00:00.000Z\"");
}

Test(jobs, keep_how_far_they_came)
{
#define REACHED "{\"phase\":\"training\",\"progress\":0.25,\"current\":{\"epoch\":2}}"
    struct id id = added("{}");

    begun();
    recorded(id, REACHED);
    moved(id, JOB_INTERRUPTED);
    cr_assert_str_eq(told(id, "progress"), "0.25");
    cr_assert_str_eq(told(id, "phase"), "\"training\"");
    cr_assert_str_eq(told(id, "current"), "{\"epoch\":2}");
    moved(id, JOB_QUEUED); /* it is at nothing, but a quarter is done */
    cr_assert_str_eq(told(id, "progress"), "0.25");
    cr_assert_str_eq(told(id, "phase"), "null");
    begun();
    moved(id, JOB_SUCCEEDED);
    cr_assert_str_eq(told(id, "progress"), "1.0");
}

#define RECORD                                                                                               \
    "{\"config\":{},\"dataset\":{},\"calibration\":{},\"evaluation\":{},\"environment\":{},\"epochs\":[{}]," \
    "\"promotion\":{},\"weights_sha256\":\"00\",\"replay\":{},\"files\":[],\"model\":\"m\",\"kept_epoch\":"  \
    "3}"

/* A list made from what was written, and one from what an older version left, say the same. */
Test(database, of_an_older_version_lists_its_jobs_alike)
{
    const struct id id = added("{}"), odd = added("{}");
    char *before, *after;

    recorded(id, RECORD);
    before = list_text();
    cr_assert(strstr(before, "\"model\":\"m\",\"kept_epoch\":3}"), "listed as %s", before);
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

/* ---- what the database does for it, counted: nothing here is timed ---- */

static sqlite3 *opened_database;
static int64_t steps; /* of SQLite's machine, in statements that write to the journal */

static int on_profile(unsigned trace, void *arg, void *stmt, void *x)
{
    (void)trace, (void)arg, (void)x;
    if (strncmp(sqlite3_sql(stmt), "INSERT INTO events", 18) == 0)
        steps += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 0);
    return 0;
}

static int on_open(sqlite3 *db, char **error, const struct sqlite3_api_routines *api)
{
    (void)error, (void)api;
    opened_database = db;
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, on_profile, NULL);
}

/* From the next opening on. */
static void watch_database(void)
{
    sqlite3_auto_extension((void (*)(void))on_open);
    closed();
    store_reopen();
}

static int64_t pages_looked_at(void)
{
    int hits = 0, misses = 0, high;

    sqlite3_db_status(opened_database, SQLITE_DBSTATUS_CACHE_HIT, &hits, &high, 1);
    sqlite3_db_status(opened_database, SQLITE_DBSTATUS_CACHE_MISS, &misses, &high, 1);
    return hits + misses;
}

static int64_t pages_of_a_list(void)
{
    pages_looked_at();
    free(list_text());
    return pages_looked_at();
}

Test(database, reads_no_record_for_a_list)
{
    static char record[300000] = "{\"epochs\":[\"";
    struct id ids[8];
    int64_t small;

    watch_database();
    for (size_t i = 0; i < 8; i++) {
        ids[i] = added("{}");
        recorded(ids[i], "{\"epochs\":[]}");
    }
    small = pages_of_a_list();
    memset(record + strlen(record), 'x', 290000);
    memcpy(record + strlen(record), "\"]}", 4);
    for (size_t i = 0; i < 8; i++)
        recorded(ids[i], record);
    cr_assert_leq(pages_of_a_list(), small + 20, "a list of long records looks at more pages");
}

/* The models of two pages of two, newest first, each as one text: "c a"; there are no more. */
static void check_pages(const char *first, const char *second)
{
    const char *const expected[] = { first, second };
    struct page page = { .limit = 2 };
    struct error err = { 0 };

    for (size_t i = 0; i < 2; i++) {
        json_t *cards = NULL;
        char found[64] = "";
        int64_t next;

        cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK, "%s", err.text);
        for (size_t k = 0; k < json_array_size(cards); k++)
            snprintf(found + strlen(found), sizeof found - strlen(found), "%s%.1s", k ? " " : "",
                     json_string_value(json_object_get(json_array_get(cards, k), "id")));
        cr_assert_str_eq(found, expected[i]);
        cr_assert_eq(next != 0, i == 0);
        page.before = next;
        json_decref(cards);
    }
}

Test(database, with_a_broken_card_lists_the_others)
{
    char surplus[ID_SIZE];
    json_t *card = NULL;
    struct error err = { 0 };

    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    model_added("cccccccc");
    model_added("dddddddd");
    model_added("eeeeeeee");
    closed();
    changed("UPDATE models SET card = '{broken' WHERE id IN ('bbbbbbbb', 'dddddddd')");
    store_reopen();
    check_pages("e c", "a");
    check_refusal("get", store_model_get(store, "bbbbbbbb", &card, &err), ST_IO, &err, "card");
    cr_assert_eq(store_model_surplus(store, 0, surplus, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_model_delete(store, "bbbbbbbb", &err), ST_OK, "%s", err.text);
}

/* What a server loses when its disk goes away is told, call by call, and the handle stays sound. */
Test(database, whose_tables_are_gone_fails_every_call_with_a_sentence)
{
    struct id id = added("{}"), got;
    const struct page page = { .limit = 10 };
    json_t *json = NULL, *object = json_object();
    struct error err = { 0 };
    int64_t next;

    changed("DROP TABLE jobs; DROP TABLE models; DROP TABLE settings");
    check_refusal("add", add("{}", NULL, "00", 9, &got, &err), ST_IO, &err, "no such table");
    check_refusal("add with a key", add("{}", "key", "00", 9, &got, &err), ST_IO, &err, "no such table");
    check_refusal("begin", store_job_begin(store, got.text, (char[JOB_TYPE_SIZE]){ 0 }, &json, &err), ST_IO,
                  &err, "no such table");
    check_refusal("move", move(id, JOB_RUNNING, &err), ST_IO, &err, "no such table");
    check_refusal("record", store_job_record(store, id.text, object, &err), ST_IO, &err, "no such table");
    check_refusal("get", store_job_get(store, id.text, &json, &err), ST_IO, &err, "no such table");
    check_refusal("list", store_jobs(store, &page, &json, &next, &err), ST_IO, &err, "no such table");
    check_refusal("add model", store_model_add(store, "aaaaaaaa", object, &err), ST_IO, &err,
                  "no such table");
    check_refusal("get model", store_model_get(store, "aaaaaaaa", &json, &err), ST_IO, &err, "no such table");
    check_refusal("models", store_models(store, &page, &json, &next, &err), ST_IO, &err, "no such table");
    check_refusal("activate", store_activate(store, "aaaaaaaa", &err), ST_IO, &err, "no such table");
    check_refusal("active", store_active(store, got.text, &err), ST_IO, &err, "no such table");
    cr_assert_null(json);
    json_decref(object);
}

/* ---- threads ---- */

enum { THREADS = 8, EACH = 6 };

static atomic_size_t begun_jobs, failures;

/* Add jobs, run whatever waits, and look at everything meanwhile. */
static void *work(void *arg)
{
    const struct page page = { .limit = 5 };
    json_t *record = json_pack("{s:i}", "model", 1);
    struct error err;

    (void)arg;
    for (int i = 0; i < EACH; i++) {
        struct id id, running;
        json_t *json = NULL;
        int64_t next;

        failures += add("{\"epochs\":1}", NULL, "00", 1000, &id, &err) != ST_OK;
        if (store_job_begin(store, running.text, (char[JOB_TYPE_SIZE]){ 0 }, &json, &err) == ST_OK) {
            json_decref(json);
            begun_jobs++;
            failures += store_job_record(store, running.text, record, &err) != ST_OK;
            failures += store_job_move(store, running.text, JOB_SUCCEEDED, record, &err) != ST_OK;
        }
        failures += store_job_get(store, id.text, &json, &err) != ST_OK;
        json_decref(json);
        failures += store_jobs(store, &page, &json, &next, &err) != ST_OK;
        json_decref(json);
    }
    json_decref(record);
    return NULL;
}

Test(jobs, each_begin_once_with_eight_threads_at_work)
{
    pthread_t threads[THREADS];
    int64_t next;
    json_t *succeeded;

    for (size_t i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, work, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(failures, 0, "%zu calls failed", (size_t)failures);
    cr_assert_eq(begun_jobs, THREADS * EACH, "%zu jobs began", (size_t)begun_jobs);
    cr_assert_str_eq(begun().text, "");
    succeeded = listed(1000, 0, "succeeded", &next);
    cr_assert_eq(json_array_size(succeeded), THREADS * EACH);
    json_decref(succeeded);
}

/* ---- a job's journal ---- */

TestSuite(journal, .init = begin, .fini = end);

/* The journal after number `after`: "1 state queued, 2 state running", in static memory. */
static const char *journal(struct id id, int64_t after)
{
    static char text[1024];
    struct error err = { 0 };
    json_t *events = NULL, *e;
    size_t i, n = 0;

    cr_assert_eq(store_job_events(store, id.text, after, 100, &events, &err), ST_OK, "%s", err.text);
    text[0] = '\0';
    json_array_foreach (events, i, e) {
        const char *name = json_string_value(json_object_get(e, "event"));
        const json_t *data = json_object_get(e, "data");
        const char *value = json_string_value(json_object_get(data, name));

        n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld %s %s", i ? ", " : "",
                              (long long)json_integer_value(json_object_get(e, "seq")), name,
                              value ? value : "-");
    }
    json_decref(events);
    return text;
}

static void tell(struct id id, const char *name, const char *data, const char *record)
{
    struct error err = { 0 };
    json_t *d = json_loads(data, 0, NULL), *r = record ? json_loads(record, 0, NULL) : NULL;

    cr_assert_eq(store_job_tell(store, id.text, name, d, r, &err), ST_OK, "%s", err.text);
    json_decref(r);
    json_decref(d);
}

Test(journal, holds_every_change_of_state_and_what_was_told_in_order)
{
    const struct id id = added("{}"), other = added("{}");

    begun();
    tell(id, "phase", "{\"phase\":\"scanning\"}", NULL);
    tell(id, "epoch", "{\"epoch\":1}", "{\"epochs\":[{\"epoch\":1}]}");
    moved(id, JOB_INTERRUPTED);
    moved(id, JOB_QUEUED);
    moved(id, JOB_CANCELLED);
    cr_assert_str_eq(journal(id, 0), "1 state queued, 2 state running, 3 phase scanning, 4 epoch -, "
                                     "5 state interrupted, 6 state queued, 7 state cancelled");
    cr_assert_str_eq(journal(id, 5), "6 state queued, 7 state cancelled");
    cr_assert_str_eq(journal(id, 7), "");
    cr_assert_str_eq(journal(other, 0), "1 state queued");
    cr_assert_str_eq(told(id, "epochs"), "[{\"epoch\":1}]");
}

Test(journal, is_the_same_after_a_restart_and_goes_on)
{
    const struct id id = added("{}");

    begun();
    store_reopen();
    cr_assert_str_eq(journal(id, 0), "1 state queued, 2 state running, 3 state interrupted");
    store_reopen();
    moved(id, JOB_QUEUED);
    cr_assert_str_eq(journal(id, 2), "3 state interrupted, 4 state queued");
}

Test(journal, holds_nothing_of_what_was_refused)
{
    const struct id id = added("{}");
    const uint64_t before = store_journal_changes(store);
    struct error err = { 0 };
    json_t *data = json_object(), *events = NULL;

    cr_assert_eq(move(id, JOB_SUCCEEDED, &err), ST_CONFLICT);
    cr_assert_eq(store_job_tell(store, "00000000-0000", "phase", data, NULL, &err), ST_NOTFOUND);
    cr_assert_eq(store_job_events(store, "00000000-0000", 0, 1, &events, &err), ST_NOTFOUND);
    json_decref(data);
    cr_assert_str_eq(journal(id, 0), "1 state queued");
    cr_assert_eq(store_journal_changes(store), before);
    begun();
    cr_assert_gt(store_journal_changes(store), before);
}

Test(journal, is_given_a_helping_at_a_time)
{
    const struct id id = added("{}");
    json_t *events = NULL;
    struct error err = { 0 };

    begun();
    cr_assert_eq(store_job_events(store, id.text, 0, 1, &events, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(events), 1);
    json_decref(events);
}

Test(journal, of_jobs_from_an_older_version_is_what_their_records_say)
{
    const struct id id = added("{}");

    begun();
    tell(id, "epoch", "{\"epoch\":1}", "{\"epochs\":[{\"epoch\":1},{\"epoch\":2}]}");
    moved(id, JOB_SUCCEEDED);
    closed();
    changed("DROP TABLE events; " TO_VERSION_3 "DROP TABLE notices; PRAGMA user_version = 1");
    store_reopen();
    cr_assert_str_eq(journal(id, 0), "1 epoch -, 2 epoch -, 3 state succeeded");
}

static int64_t steps_of_an_event(struct id id)
{
    steps = 0;
    tell(id, "epoch", "{}", NULL);
    return steps;
}

Test(journal, that_is_long_costs_no_more)
{
    const struct id id = added("{}");
    int64_t first;

    watch_database();
    begun();
    first = steps_of_an_event(id);
    cr_assert_gt(first, 0);
    for (size_t i = 0; i < 50; i++)
        tell(id, "phase", "{}", NULL);
    cr_assert_leq(steps_of_an_event(id), first + 5);
}

/* ---- notices ---- */

TestSuite(notices, .init = begin, .fini = end);

enum { NOW = 5000 }; /* seconds since 1970 */

static atomic_int n_added;

static void on_added(void *arg)
{
    (void)arg;
    atomic_fetch_add(&n_added, 1);
}

static void notices_begin(bool all)
{
    struct error err = { 0 };

    cr_assert_eq(store_notices_begin(store, all, on_added, NULL, &err), ST_OK, "%s", err.text);
}

/* The notice that is due first is for `url`, NULL the operator's, and says `type`; it is done then. */
static void check_first(const char *url, const char *type)
{
    struct notice n = { 0 };
    struct error err = { 0 };

    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert(url ? n.url && strcmp(n.url, url) == 0 : !n.url, "it is for '%s'",
              n.url ? n.url : "the operator");
    cr_assert_not_null(strstr(n.body, type), "%s", n.body);
    cr_assert_eq(strncmp(n.id, "msg_", 4), 0);
    cr_assert_eq(store_notice_done(store, n.seq, &err), ST_OK, "%s", err.text);
    notice_release(&n);
}

static void check_none(void)
{
    struct notice n = { 0 };

    cr_assert_eq(store_notice_first(store, NOW, &n, NULL), ST_NOTFOUND);
}

Test(notices, are_written_with_the_end_that_they_tell)
{
    const struct id loud = added("{\"webhook\":\"https://a/\"}"), quiet = added("{\"webhook\":null}");

    notices_begin(true);
    begun();
    check_none();
    cr_assert_eq(atomic_load(&n_added), 0);
    moved(loud, JOB_SUCCEEDED);
    cr_assert_eq(atomic_load(&n_added), 1);
    begun();
    moved(quiet, JOB_CANCELLED);
    check_first("https://a/", "job.succeeded");
    check_first(NULL, "job.succeeded");
    check_first(NULL, "job.cancelled");
    check_none();
}

Test(notices, are_only_for_the_jobs_own_receiver_where_the_operator_has_none)
{
    const struct id loud = added("{\"webhook\":\"https://a/\"}");

    notices_begin(false);
    begun();
    moved(loud, JOB_FAILED);
    check_first("https://a/", "job.failed");
    check_none();
}

Test(notices, survive_and_tell_what_a_dead_server_ran)
{
    added("{\"webhook\":\"https://a/\"}");
    begun();
    store_reopen();
    notices_begin(false); /* which forgets what was meant for the operator's receiver */
    check_first("https://a/", "job.interrupted");
    check_none();
}

Test(notices, that_are_put_off_come_after_those_that_are_not)
{
    const struct id first = added("{\"webhook\":\"https://a/\"}"),
                    second = added("{\"webhook\":\"https://b/\"}");
    struct notice n = { 0 };
    struct error err = { 0 };

    begun();
    moved(first, JOB_SUCCEEDED);
    begun();
    moved(second, JOB_SUCCEEDED);
    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_notice_again(store, n.seq, NOW, 50, &err), ST_OK, "%s", err.text);
    notice_release(&n);
    store_reopen();
    check_first("https://b/", "succeeded");
    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert(n.tries == 1 && n.due == NOW + 50 && strcmp(n.url, "https://a/") == 0);
    notice_release(&n);
}

/* The clock was ahead when it was put off, and has been set back since. */
Test(notices, that_were_put_off_in_the_future_are_due_now)
{
    const struct id first = added("{\"webhook\":\"https://a/\"}"),
                    second = added("{\"webhook\":\"https://b/\"}");
    struct notice n = { 0 };
    struct error err = { 0 };

    begun();
    moved(first, JOB_SUCCEEDED);
    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_notice_again(store, n.seq, NOW, 50, &err), ST_OK, "%s", err.text);
    notice_release(&n);
    begun();
    moved(second, JOB_SUCCEEDED);
    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_notice_again(store, n.seq, NOW + 1000000, 50, &err), ST_OK, "%s", err.text);
    notice_release(&n);
    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert(strcmp(n.url, "https://b/") == 0 && n.due == 0, "%s is due at %lld", n.url, (long long)n.due);
    notice_release(&n);
    cr_assert_eq(store_notice_first(store, NOW + 1000000, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(n.due, NOW + 50);
    notice_release(&n);
}

Test(notices, of_an_activation_are_for_the_job_that_made_the_model)
{
    const struct id job = added("{\"webhook\":\"https://a/\"}");
    json_t *card = json_pack("{s:s}", "job", job.text);
    struct error err = { 0 };

    notices_begin(true);
    cr_assert_eq(store_model_add(store, "00000000-0001", card, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, "00000000-0001", &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, "00000000-0001", &err), ST_OK, "%s", err.text);
    check_first("https://a/", "model.activated");
    check_first(NULL, "model.activated");
    check_none();
    json_decref(card);
}
