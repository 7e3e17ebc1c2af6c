/* tests/unit/test_store_journal.c - a job's journal. */
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdio.h>

TestSuite(journal, .init = store_case_begin, .fini = store_case_end);

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

    needs_file();
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
    const struct claim nobody = unclaimed("00000000-0000");
    struct error err = { 0 };
    json_t *data = json_object(), *events = NULL;

    cr_assert_eq(move(id, JOB_SUCCEEDED, &err), ST_CONFLICT);
    cr_assert_eq(store_job_tell(store, &nobody, "phase", data, NULL, &err), ST_NOTFOUND);
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

    needs_file();
    begun();
    tell(id, "epoch", "{\"epoch\":1}", "{\"epochs\":[{\"epoch\":1},{\"epoch\":2}]}");
    moved(id, JOB_SUCCEEDED);
    closed();
    changed("DROP TABLE events; " TO_VERSION_3 "DROP TABLE notices; PRAGMA user_version = 1");
    store_reopen();
    cr_assert_str_eq(journal(id, 0), "1 epoch -, 2 epoch -, 3 state succeeded");
}
