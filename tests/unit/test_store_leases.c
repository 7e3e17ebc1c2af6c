/* tests/unit/test_store_leases.c - who has a job and may write to it: two handles of one store, as two servers have. */
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct store *other;
static enum asked asked_of; /* what the last renewal was told */

static void two_begin(void)
{
    struct error err = { 0 };

    store_case_begin();
    cr_assert_eq(store_open(store_path, &other, &err), ST_OK, "%s", err.text);
}

static void two_end(void)
{
    store_close(other);
    other = NULL;
    store_case_end();
}

TestSuite(leases, .init = two_begin, .fini = two_end);

/* The runner that has a job was away for longer than its lease. */
static void lease_ran_out(struct id id)
{
    char sql[120];

    snprintf(sql, sizeof sql,
             "UPDATE leases SET until = 1 WHERE job = (SELECT seq FROM jobs WHERE id = '%s')", id.text);
    changed(sql);
}

Test(leases, of_a_job_that_goes_on_leave_nothing_to_another)
{
    const struct id id = added("{}");
    struct claim claim;
    struct error err = { 0 };

    cr_assert_str_eq(begun().text, id.text);
    claim = claim_of(id);
    cr_assert_str_eq(begun_in(other).text, "");
    cr_assert_eq(store_job_renew(store, &claim, &asked_of, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(begun_in(other).text, "");
}

Test(leases, that_are_renewed_run_from_now)
{
    const struct id id = added("{}");
    struct claim claim;
    struct error err = { 0 };

    begun();
    claim = claim_of(id);
    lease_ran_out(id);
    cr_assert_eq(store_job_renew(store, &claim, &asked_of, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(begun_in(other).text, ""); /* nobody was faster */
}

/* One is stopped in its work; another takes the job; the first wakes, and does not know it. */
Test(leases, that_ran_out_are_anothers_and_the_first_changes_nothing)
{
    const struct id id = added("{}");
    json_t *record = json_pack("{s:s}", "model", "of the first"), *data = json_object(),
           *card = json_object();
    struct claim first, second;
    struct error err = { 0 };

    begun();
    first = claim_of(id);
    lease_ran_out(id);
    cr_assert_str_eq(begun_in(other).text, id.text);
    second = claim_of(id);
    cr_assert_gt(second.token, first.token);
    check_refusal("renew", store_job_renew(store, &first, &asked_of, &err), ST_CONFLICT, &err, "no longer");
    check_refusal("record", store_job_record(store, &first, record, &err), ST_CONFLICT, &err, "no longer");
    check_refusal("tell", store_job_tell(store, &first, "epoch", data, record, &err), ST_CONFLICT, &err,
                  "no longer");
    check_refusal("end", store_job_move(store, &first, JOB_SUCCEEDED, record, &err), ST_CONFLICT, &err,
                  "no longer");
    check_refusal("model", store_model_add(store, "aaaaaaaa", card, &first, NULL, &err), ST_CONFLICT, &err,
                  "no longer");
    cr_assert_eq(store_model_add(store, "bbbbbbbb", card, NULL, NULL, &err), ST_OK, "%s", err.text);
    check_refusal("activate",
                  store_activate(store, "bbbbbbbb", &(struct activation){ .by = &first }, NULL, &err),
                  ST_CONFLICT, &err, "no longer");
    check_state(id, "running");
    cr_assert_str_eq(told(id, "model"), "nothing");
    cr_assert_eq(store_job_move(other, &second, JOB_SUCCEEDED, NULL, &err), ST_OK, "%s", err.text);
    check_refusal("late", store_job_move(store, &first, JOB_FAILED, record, &err), ST_CONFLICT, &err,
                  "no longer");
    check_state(id, "succeeded");
    cr_assert_str_eq(told(id, "model"), "nothing");
    cr_assert_eq(store_job_delete(other, id.text, &err), ST_OK, "%s", err.text);
    check_refusal("activate for a job that is gone",
                  store_activate(store, "bbbbbbbb", &(struct activation){ .by = &first }, NULL, &err),
                  ST_NOTFOUND, &err, "");
    json_decref(record);
    json_decref(data);
    json_decref(card);
}

Test(leases, of_a_job_that_is_resumed_have_a_greater_token)
{
    const struct id id = added("{}");
    struct claim first;
    struct error err = { 0 };

    begun();
    first = claim_of(id);
    moved(id, JOB_INTERRUPTED);
    cr_assert_eq(store_job_resume(store, id.text, 10, &err), ST_OK, "%s", err.text);
    check_refusal("waits", store_job_move(store, &first, JOB_SUCCEEDED, NULL, &err), ST_CONFLICT, &err,
                  "no longer");
    begun();
    cr_assert_gt(claim_of(id).token, first.token);
    check_refusal("runs", store_job_renew(store, &first, &asked_of, &err), ST_CONFLICT, &err, "no longer");
}

/* The answer to the end of a job may be lost: to write it again is no other end. */
Test(leases, write_an_end_once_however_often_it_is_said)
{
    const struct id id = added("{}");
    struct claim claim;
    struct error err = { 0 };
    json_t *events = NULL;
    uint64_t changes;

    begun();
    claim = claim_of(id);
    cr_assert_eq(store_job_move(store, &claim, JOB_SUCCEEDED, NULL, &err), ST_OK, "%s", err.text);
    changes = store_journal_changes(store);
    cr_assert_eq(store_job_move(store, &claim, JOB_SUCCEEDED, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_gt(store_journal_changes(store), changes); /* whoever waits for the end looks again */
    check_refusal("another end", store_job_move(store, &claim, JOB_FAILED, NULL, &err), ST_CONFLICT, &err,
                  "no longer");
    cr_assert_eq(store_job_events(store, id.text, 0, 10, &events, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(events), 3); /* queued, running, succeeded */
    json_decref(events);
}

Test(leases, without_a_token_write_to_no_job_that_runs)
{
    const struct id id = added("{}");
    const struct claim nobody = unclaimed(id.text);
    struct error err = { 0 };

    begun();
    check_refusal("cancel", store_job_move(other, &nobody, JOB_CANCELLED, NULL, &err), ST_CONFLICT, &err,
                  "running");
    check_state(id, "running");
}

Test(leases, give_each_job_to_one_of_two)
{
    enum { N = 20 };
    struct id ids[N], got;
    size_t n = 0;

    for (size_t i = 0; i < N; i++)
        ids[i] = added("{}");
    while ((got = begun_in(n % 2 ? store : other)).text[0])
        cr_assert_str_eq(got.text, ids[n++].text);
    cr_assert_eq(n, N);
}

/* ---- what others ask of a job that runs ---- */

static void ask(struct id id, enum asked asked)
{
    struct error err = { 0 };

    cr_assert_eq(store_job_ask(other, id.text, asked, &err), ST_OK, "%s", err.text);
}

static void check_heard(const struct claim *claim, enum asked expected)
{
    struct error err = { 0 };

    cr_assert_eq(store_job_renew(store, claim, &asked_of, &err), ST_OK, "%s", err.text);
    cr_assert_eq(asked_of, expected);
}

Test(leases, tell_their_runner_what_others_ask)
{
    const struct id id = added("{}");
    struct claim claim;

    begun();
    claim = claim_of(id);
    check_heard(&claim, ASKED_NOTHING);
    ask(id, ASKED_KEEP_BEST);
    check_heard(&claim, ASKED_KEEP_BEST);
    ask(id, ASKED_CANCEL);
    check_heard(&claim, ASKED_CANCEL);
    ask(id, ASKED_KEEP_BEST);
    check_heard(&claim, ASKED_CANCEL);
    check_state(id, "running");
}

Test(leases, refuse_to_ask_once_the_results_are_kept)
{
    const struct id id = added("{}"), next = added("{}");
    struct claim claim;
    struct error err = { 0 };

    begun();
    claim = claim_of(id);
    cr_assert_eq(store_job_keeping(store, &claim, &asked_of, &err), ST_OK, "%s", err.text);
    cr_assert_eq(asked_of, ASKED_NOTHING);
    check_refusal("too late", store_job_ask(other, id.text, ASKED_CANCEL, &err), ST_CONFLICT, &err,
                  "no longer be cancelled");
    check_heard(&claim, ASKED_NOTHING);
    begun();
    claim = claim_of(next);
    ask(next, ASKED_CANCEL);
    cr_assert_eq(store_job_keeping(store, &claim, &asked_of, &err), ST_OK, "%s", err.text);
    cr_assert_eq(asked_of, ASKED_CANCEL);
}

Test(leases, ask_nothing_of_a_job_that_does_not_run)
{
    const struct id id = added("{}");
    struct error err = { 0 };

    check_refusal("waits", store_job_ask(other, id.text, ASKED_CANCEL, &err), ST_CONFLICT, &err, "queued");
    check_refusal("unknown", store_job_ask(other, "nobody", ASKED_CANCEL, &err), ST_NOTFOUND, &err, "no job");
}

/* Its runner died: nobody else has taken it yet. */
Test(leases, that_ran_out_let_a_job_be_cancelled_at_once)
{
    const struct id id = added("{}");
    struct claim first;
    struct error err = { 0 };

    begun();
    first = claim_of(id);
    lease_ran_out(id);
    ask(id, ASKED_CANCEL);
    check_state(id, "cancelled");
    check_refusal("wakes", store_job_move(store, &first, JOB_SUCCEEDED, NULL, &err), ST_CONFLICT, &err,
                  "no longer");
    cr_assert_str_eq(begun_in(other).text, "");
}

Test(leases, hand_on_what_was_asked_with_a_job_that_goes_on_and_not_with_one_that_waited)
{
    const struct id id = added("{}");
    struct error err = { 0 };

    begun();
    ask(id, ASKED_KEEP_BEST);
    lease_ran_out(id);
    cr_assert_str_eq(begun_in(other).text, id.text);
    cr_assert_eq(claim_of(id).asked, ASKED_KEEP_BEST);
    moved(id, JOB_INTERRUPTED);
    cr_assert_eq(store_job_resume(store, id.text, 10, &err), ST_OK, "%s", err.text);
    begun();
    cr_assert_eq(claim_of(id).asked, ASKED_NOTHING);
}

Test(leases, keep_a_job_that_runs_elsewhere_from_being_deleted)
{
    const struct id id = added("{}");
    struct error err = { 0 };

    begun();
    check_refusal("delete", store_job_delete(other, id.text, &err), ST_CONFLICT, &err, "running");
}

/* ---- which jobs, and when ---- */

static struct id added_on(const char *type, const char *dataset)
{
    json_t *config = json_object();
    const struct new_job job = {
        .type = type, .config = config, .request_sha256 = "00", .max_queued = 10, .dataset = dataset
    };
    struct id id = { "" };
    struct error err = { 0 };

    cr_assert_eq(store_job_add(store, &job, id.text, &err), ST_OK, "%s", err.text);
    json_decref(config);
    return id;
}

static void check_next(const struct able *able, struct id expected)
{
    struct claim claim = { .job = "" };
    json_t *config = NULL;
    struct error err = { 0 };
    const enum status st = store_job_begin(other, able, &claim, (char[JOB_TYPE_SIZE]){ 0 }, &config, &err);

    cr_assert_eq(st, expected.text[0] ? ST_OK : ST_NOTFOUND, "%s", err.text);
    cr_assert_str_eq(claim.job, expected.text);
    json_decref(config);
}

Test(leases, are_of_jobs_on_data_sets_that_are_here)
{
    const struct id a = added_on("train", "a"), ab = added_on("validate", "ab"), b = added_on(JOB_FETCH, "b"),
                    none = added_on("train", NULL), deep = added_on("train", "c/d/e"), nobody = { "" };

    check_next(&(struct able){ "", false }, none);
    check_next(&(struct able){ "", false }, nobody);
    check_next(&(struct able){ "/b/", false }, nobody); /* it fetches nothing */
    check_next(&(struct able){ "/ab/b/", false }, ab);
    check_next(&(struct able){ "/ab/b/", true }, b);
    check_next(NULL, a);
    lease_ran_out(a);
    check_next(&(struct able){ "/b/", true }, nobody);
    check_next(&(struct able){ "/b/a/", false }, a);
    check_next(&(struct able){ "/d/e/", false }, nobody);
    check_next(&(struct able){ "/b/c/", false }, deep);
}

static int64_t due(const struct able *able)
{
    struct error err = { 0 };
    int64_t ms = 0;

    cr_assert_eq(store_job_due(store, able, &ms, &err), ST_OK, "%s", err.text);
    return ms;
}

Test(leases, tell_when_the_first_of_them_ends)
{
    const struct able here = { "/a/", false }, elsewhere = { "/b/", false };
    const struct id a = added_on("train", "a");

    cr_assert_eq(due(&here), -1, "nobody runs it");
    begun();
    cr_assert_gt(due(&here), 0);
    cr_assert_leq(due(&here), LEASE_S * 1000);
    cr_assert_eq(due(&elsewhere), -1, "it is nothing to wait for");
    added_on("train", "a");
    begun();
    changed("UPDATE leases SET until = until - 14000 WHERE job = (SELECT min(job) FROM leases)");
    cr_assert_leq(due(&here), 1000);
    lease_ran_out(a);
    cr_assert_eq(due(&here), 0);
}
