/* tests/unit/test_store_files.c - files of jobs and models in a store that servers share, on each engine. */
#include "cxrd/digest.h"
#include "cxrd/store_files.h"
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(files, .init = store_case_begin, .fini = store_case_end);

static enum status put(const struct claim *c, const char *bytes, size_t n, struct error *err)
{
    return store_job_file_put(store, c, "report.html", bytes, n, err);
}

/* The store has these bytes of it; NULL: those that have that digest. */
static void check_file(struct id id, const char *have, const char *bytes, size_t n)
{
    struct buf got = BUF_INIT(100);
    bool same = false;
    struct error err = { 0 };

    cr_assert_eq(store_job_file_get(store, id.text, "report.html", have, &got, &same, &err), ST_OK, "%s",
                 err.text);
    cr_assert_eq(same, bytes == NULL);
    cr_assert_eq(got.len, bytes ? n : 0);
    cr_assert(!bytes || n == 0 || memcmp(got.data, bytes, n) == 0);
    buf_release(&got);
}

Test(files, of_a_job_are_what_its_runner_put_there_last)
{
    static const char BYTES[] = "\0\1\\\xff'\n";
    const struct id id = job_in(JOB_RUNNING);
    const struct claim claim = claim_of(id);
    char digest[DIGEST_TEXT_SIZE];
    struct error err = { 0 };

    cr_assert_eq(put(&claim, "first", 5, &err), ST_OK, "%s", err.text);
    check_file(id, "", "first", 5);
    cr_assert_eq(put(&claim, BYTES, sizeof BYTES, &err), ST_OK, "%s", err.text);
    check_file(id, "", BYTES, sizeof BYTES);
    cr_assert_eq(digest_bytes(BYTES, sizeof BYTES, digest), ST_OK);
    check_file(id, digest, NULL, 0);
    cr_assert_eq(put(&claim, "", 0, &err), ST_OK, "%s", err.text);
    check_file(id, digest, "", 0);
}

Test(files, of_a_job_are_not_written_by_a_claim_that_is_over)
{
    const struct id id = job_in(JOB_RUNNING);
    const struct claim first = claim_of(id), nobody = unclaimed(id.text);
    struct error err = { 0 };

    cr_assert_eq(put(&first, "first", 5, &err), ST_OK, "%s", err.text);
    check_refusal("not the runner", put(&nobody, "other", 5, &err), ST_CONFLICT, &err, "running");
    changed("UPDATE leases SET until = 0");
    cr_assert_str_eq(begun().text, id.text);
    check_refusal("put", put(&first, "late", 4, &err), ST_CONFLICT, &err, "no longer");
    check_refusal("drop", store_job_file_drop(store, &first, "report.html", &err), ST_CONFLICT, &err,
                  "no longer");
    check_file(id, "", "first", 5);
}

Test(files, go_with_their_job)
{
    const struct id id = job_in(JOB_RUNNING);
    const struct claim claim = claim_of(id), nobody = unclaimed(id.text);
    struct buf got = BUF_INIT(100);
    bool same;
    struct error err = { 0 };

    cr_assert_eq(put(&claim, "first", 5, &err), ST_OK, "%s", err.text);
    moved(id, JOB_FAILED);
    cr_assert_eq(store_job_file_drop(store, &nobody, "no such", &err), ST_OK, "%s", err.text);
    check_file(id, "", "first", 5);
    cr_assert_eq(store_job_delete(store, id.text, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(asked("SELECT count(*) FROM job_files"), "0");
    check_refusal("gone", store_job_file_get(store, id.text, "report.html", "", &got, &same, &err),
                  ST_NOTFOUND, &err, "no such file");
}

Test(files, larger_than_its_reader_takes_is_told)
{
    const struct id id = job_in(JOB_RUNNING);
    const struct claim claim = claim_of(id);
    struct buf got = BUF_INIT(4);
    bool same;
    struct error err = { 0 };

    cr_assert_eq(put(&claim, "first", 5, &err), ST_OK, "%s", err.text);
    check_refusal("large", store_job_file_get(store, id.text, "report.html", "", &got, &same, &err), ST_LIMIT,
                  &err, "too large");
    buf_release(&got);
}

Test(files, of_a_model_come_and_go_with_it)
{
    const struct model_file file = { "weights", 7 };
    struct buf got = BUF_INIT(100);
    json_t *card = json_object();
    struct error err = { 0 };

    cr_assert_eq(store_model_add(store, "aaaaaaaa", card, NULL, &file, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_model_file_get(store, "aaaaaaaa", &got, &err), ST_OK, "%s", err.text);
    cr_assert_eq(got.len, 7);
    cr_assert_eq(memcmp(got.data, "weights", 7), 0);
    cr_assert_eq(store_model_delete(store, "aaaaaaaa", &err), ST_OK, "%s", err.text);
    check_refusal("gone", store_model_file_get(store, "aaaaaaaa", &got, &err), ST_NOTFOUND, &err, "no file");
    json_decref(card);
    buf_release(&got);
}

Test(files, a_job_that_makes_its_model_again_has_one)
{
    const struct id id = job_in(JOB_RUNNING);
    const struct claim first = claim_of(id);
    json_t *card = json_pack("{s:s,s:b}", "job", id.text, "imported", 0);
    struct error err = { 0 };

    cr_assert_eq(store_model_add(store, "aaaaaaaa", card, &first, NULL, &err), ST_OK, "%s", err.text);
    changed("UPDATE leases SET until = 0");
    cr_assert_str_eq(begun().text, id.text);
    const struct claim second = claim_of(id);

    cr_assert_eq(store_model_add(store, "bbbbbbbb", card, &second, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(asked("SELECT count(*) FROM models"), "1");
    cr_assert_str_eq(asked("SELECT id FROM models"), "bbbbbbbb");
    json_decref(card);
}
