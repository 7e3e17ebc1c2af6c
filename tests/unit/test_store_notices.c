/* tests/unit/test_store_notices.c - notices of what ended, kept until they are taken. */
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

TestSuite(notices, .init = store_case_begin, .fini = store_case_end);

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
    needs_file();
    added("{\"webhook\":\"https://a/\"}");
    begun();
    store_reopen();
    notices_begin(false); /* which forgets what was meant for the operator's receiver */
    check_first("https://a/", "job.interrupted");
    check_none();
}

/* A job has run, and its receiver is to be told. */
static void ran_for(const char *url)
{
    char config[64];

    snprintf(config, sizeof config, "{\"webhook\":\"%s\"}", url);
    added(config);
    moved(begun(), JOB_SUCCEEDED);
}

/* The notice that is due first is put off by 50 seconds, at a time that the clock said then. */
static void put_off(int64_t clock)
{
    struct notice n = { 0 };
    struct error err = { 0 };

    cr_assert_eq(store_notice_first(store, NOW, &n, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_notice_again(store, n.seq, clock, 50, &err), ST_OK, "%s", err.text);
    notice_release(&n);
}

/* At that time the first one is for `url`, due and tried as it says. */
static void check_due(int64_t clock, const char *url, int64_t due, int tries)
{
    struct notice n = { 0 };
    struct error err = { 0 };

    cr_assert_eq(store_notice_first(store, clock, &n, &err), ST_OK, "%s", err.text);
    cr_assert(strcmp(n.url, url) == 0 && n.due == due && n.tries == tries,
              "%s is due at %lld, tried %d times", n.url, (long long)n.due, (int)n.tries);
    notice_release(&n);
}

Test(notices, that_are_put_off_come_after_those_that_are_not)
{
    ran_for("https://a/");
    ran_for("https://b/");
    put_off(NOW);
    store_reopen();
    check_first("https://b/", "succeeded");
    check_due(NOW, "https://a/", NOW + 50, 1);
}

/* The clock was ahead when it was put off, and has been set back since. */
Test(notices, that_were_put_off_in_the_future_are_due_now)
{
    ran_for("https://a/");
    put_off(NOW);
    ran_for("https://b/");
    put_off(NOW + 1000000);
    check_due(NOW, "https://b/", 0, 1);
    check_due(NOW + 1000000, "https://a/", NOW + 50, 1);
}

Test(notices, of_an_activation_are_for_the_job_that_made_the_model)
{
    const struct id job = added("{\"webhook\":\"https://a/\"}");
    json_t *card = json_pack("{s:s}", "job", job.text);
    struct error err = { 0 };

    notices_begin(true);
    cr_assert_eq(store_model_add(store, "00000000-0001", card, NULL, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, "00000000-0001", NULL, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, "00000000-0001", NULL, NULL, &err), ST_OK, "%s", err.text);
    check_first("https://a/", "model.activated");
    check_first(NULL, "model.activated");
    check_none();
    json_decref(card);
}
