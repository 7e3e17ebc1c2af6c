/* tests/unit/test_store.c - jobs come out in the order they went in, change state only as they may, and are all there
 * after a restart; a file that is damaged, foreign or from the future is refused with a sentence. */
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

TestSuite(jobs, .init = store_case_begin, .fini = store_case_end);

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
    struct id id = added("{\"epochs\":3,\"dataset\":\"\xc3\xa9\"}");
    struct claim got;
    json_t *config = NULL;
    struct error err = { 0 };

    cr_assert_eq(store_job_begin(store, NULL, &got, (char[JOB_TYPE_SIZE]){ 0 }, &config, &err), ST_OK, "%s",
                 err.text);
    cr_assert_str_eq(got.job, id.text);
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

/* The contract's arrows, row by row: may FROM become TO? */
static const char *const MAY[N_JOB_STATES] = {
    /*                  Q R S F C I */
    [JOB_QUEUED] = "010010", [JOB_RUNNING] = "001111",   [JOB_SUCCEEDED] = "000000",
    [JOB_FAILED] = "000000", [JOB_CANCELLED] = "000000", [JOB_INTERRUPTED] = "100010",
};

static void check_change(enum job_state from, enum job_state to)
{
    struct id id = job_in(from);
    struct error err = { 0 };
    const enum status st = move(id, to, &err);

    cr_assert_eq(job_may_become(from, to), MAY[from][to] == '1');
    if (MAY[from][to] == '1' && to != JOB_RUNNING) { /* that is a claim's alone */
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
    const struct claim claim = claim_of(id);
    json_t *record = json_pack("{s:s}", "model", "m");
    struct error err = { 0 };

    cr_assert_eq(store_job_move(store, &claim, JOB_SUCCEEDED, record, &err), ST_CONFLICT);
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
    const struct claim nobody = unclaimed(none.text);
    json_t *job = NULL, *record = json_object();
    struct error err = { 0 };

    check_refusal("get", store_job_get(store, none.text, &job, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("move", move(none, JOB_CANCELLED, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("record", store_job_record(store, &nobody, record, &err), ST_NOTFOUND, &err, none.text);
    check_refusal("get", store_job_get(store, "' OR 1=1 --", &job, &err), ST_NOTFOUND, &err, "OR 1=1");
    cr_assert_null(job);
    json_decref(record);
}

Test(jobs, tell_what_their_record_says)
{
    struct id id = added("{}");
    json_t *last = json_pack("{s:f}", "validation_loss", 0.25);
    struct claim claim;
    struct error err = { 0 };

    begun();
    recorded(id, "{\"dataset\":{\"rows\":5},\"error\":null}");
    cr_assert_str_eq(told(id, "dataset"), "{\"rows\":5}");
    cr_assert_str_eq(told(id, "error"), "null");
    recorded(id, "{\"epochs\":[1]}");
    cr_assert_str_eq(told(id, "dataset"), "nothing"); /* replaced, not merged */
    claim = claim_of(id);
    cr_assert_eq(store_job_move(store, &claim, JOB_SUCCEEDED, last, &err), ST_OK, "%s", err.text);
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

Test(jobs, that_ran_are_interrupted_after_a_restart_and_the_others_are_as_they_were)
{
    struct id succeeded = job_in(JOB_SUCCEEDED), running = added("{}"), queued = added("{\"epochs\":9}");

    needs_file();
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
        struct id id;
        struct claim running;
        json_t *json = NULL;
        int64_t next;

        failures += add("{\"epochs\":1}", NULL, "00", 1000, &id, &err) != ST_OK;
        if (store_job_begin(store, NULL, &running, (char[JOB_TYPE_SIZE]){ 0 }, &json, &err) == ST_OK) {
            json_decref(json);
            begun_jobs++;
            failures += store_job_record(store, &running, record, &err) != ST_OK;
            failures += store_job_move(store, &running, JOB_SUCCEEDED, record, &err) != ST_OK;
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
