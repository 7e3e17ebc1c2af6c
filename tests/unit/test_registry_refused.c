/* tests/unit/test_registry_refused.c - a model is believed only when everything about it was checked. */
#include "cxrd/weights.h"
#include "files.h"
#include "registry_case.h"
#include "sentence.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(registry_refused, .init = registry_begin, .fini = registry_end);

/* ---- what is not believed ---- */

static void check_not_added(const char *what, const void *bytes, size_t n, enum status expected,
                            const char *word)
{
    const struct page page = { .limit = 100 };
    json_t *card = NULL, *cards = NULL;
    struct error err = { 0 };
    int64_t next;

    check_refusal(what, registry_add(registry, bytes, n, NULL, &card, &err), expected, &err, word);
    cr_assert_null(card);
    cr_assert_eq(count_entries(path_in(state, "models")), 0, "%s: a file was left", what);
    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK);
    cr_assert_eq(json_array_size(cards), 0, "%s: it is listed", what);
    json_decref(cards);
}

Test(registry_refused, weights_that_are_broken_are_not_added_and_leave_no_file)
{
    struct buf file = tiny_weights(1, 1, NULL);
    const uint32_t nan = 0x7fc00000;

    check_not_added("nothing", "", 0, ST_FORMAT, "");
    check_not_added("no weights", "a PNG, perhaps", 14, ST_FORMAT, "");
    check_not_added("cut", file.data, file.len - 1, ST_FORMAT, "");
    memcpy(file.data + file.len - sizeof nan, &nan, sizeof nan);
    check_not_added("NaN", file.data, file.len, ST_NUMERIC, "");
    buf_release(&file);
}

Test(registry_refused, weights_that_overflow_are_not_added)
{
    struct buf file = tiny_weights(1, 1e30f, NULL);

    check_not_added("overflow", file.data, file.len, ST_NUMERIC, "finite");
    buf_release(&file);
}

/* The picture's part is finite, and what the patient's adds is not, for some patients. */
Test(registry_refused, weights_that_overflow_at_an_end_of_what_may_be_said_are_not_added)
{
    static const struct {
        const char *what;
        struct inputs in;
        float weight;
        bool added;
    } ROWS[] = {
        { "sane", { 2, { { INPUT_AGE, 50, 10 }, { INPUT_VIEW, 0.5, 0.5 } } }, 1, true },
        { "the oldest", { 1, { { INPUT_AGE, 50, 10 } } }, 1e38f, false },
        { "the youngest", { 1, { { INPUT_AGE, 140, 10 } } }, 1e38f, false },
        { "large alone", { 1, { { INPUT_SEX, 0, 1 } } }, 2e38f, true },
        { "large together", { 2, { { INPUT_SEX, 0, 1 }, { INPUT_VIEW, 0, 1 } } }, 2e38f, false },
        { "large where one is not known", /* -2 or -1, 1 or 2, 1 to 2 */
          { 3, { { INPUT_SEX, 2, 1 }, { INPUT_VIEW, -1, 1 }, { INPUT_AGE, -150, 150 } } },
          1.1e38f,
          false },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct model *m = tiny_model_with_inputs(1, &ROWS[i].in, ROWS[i].weight, 0);
        struct buf file = BUF_INIT(WEIGHTS_MAX_BYTES);
        json_t *card = NULL;
        struct error err = { 0 };
        const enum status expected = ROWS[i].added ? ST_OK : ST_NUMERIC;

        cr_assert_eq(weights_write(m, &file, &err), ST_OK);
        cr_assert_eq(registry_add(registry, file.data, file.len, NULL, &card, &err), expected, "%s: %s",
                     ROWS[i].what, err.text);
        json_decref(card);
        buf_release(&file);
        model_unref(m);
    }
}

/* From now on the database refuses new rows in that table, and nothing else. */
/* Versions that did not look at it have stored such models, and some of them answer today. */
Test(registry_refused, model_whose_data_cannot_be_shown_is_not_added_but_served_where_it_was)
{
    static const char ID[] = "7b0e0000-0000-4000-8000-000000000001";
    struct buf file = tiny_weights(1, 1, json_pack("{s:s}", "data", "pictures of St. Elsewhere"));
    char sha256[DIGEST_TEXT_SIZE];
    json_t *card;
    struct error err = { 0 };

    check_not_added("free text", file.data, file.len, ST_FORMAT, "'data'");
    write_bytes(path_in(state, "models/%s.safetensors", ID), file.data, file.len);
    cr_assert_eq(digest_bytes(file.data, file.len, sha256), ST_OK);
    card = json_pack("{s:s,s:s}", "id", ID, "sha256", sha256);
    cr_assert_eq(store_model_add(store, ID, card, NULL, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_activate(store, ID, NULL, NULL, &err), ST_OK, "%s", err.text);
    registry_reopen();
    check_active(ID);
    json_decref(card);
    buf_release(&file);
}

static void refuse_rows(const char *table)
{
    char sql[256];
    sqlite3 *db = NULL;

    snprintf(sql, sizeof sql, "CREATE TRIGGER no BEFORE INSERT ON %s BEGIN SELECT RAISE(ABORT, 'full'); END",
             table);
    cr_assert_eq(sqlite3_open(path_in(state, "jobs.db"), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(registry_refused, model_that_cannot_be_recorded_leaves_no_file)
{
    struct buf file = tiny_weights(1, 1, NULL);
    json_t *card = NULL;
    struct error err = { 0 };

    refuse_rows("models");
    check_refusal("not recorded", registry_add(registry, file.data, file.len, NULL, &card, &err), ST_IO, &err,
                  "database");
    cr_assert_null(card);
    cr_assert_eq(count_entries(path_in(state, "models")), 0, "a file was left");
    buf_release(&file);
}

Test(registry_refused, file_that_cannot_be_written_is_an_error_and_not_recorded)
{
    struct buf file = tiny_weights(1, 1, NULL);
    const struct page page = { .limit = 100 };
    json_t *card = NULL, *cards = NULL;
    struct error err = { 0 };
    int64_t next;

    cr_assert_eq(rmdir(path_in(state, "models")), 0);
    check_refusal("no folder", registry_add(registry, file.data, file.len, NULL, &card, &err), ST_IO, &err,
                  "cannot");
    cr_assert_eq(store_models(store, &page, &cards, &next, &err), ST_OK);
    cr_assert_eq(json_array_size(cards), 0);
    json_decref(cards);
    buf_release(&file);
}

static void check_not_activated(const char *what, struct id id, enum status expected, const char *word)
{
    struct loaded_model *before = registry_active(registry), *after;
    json_t *card = NULL;
    struct error err = { 0 };

    check_refusal(what, registry_activate(registry, id.text, &card, &err), expected, &err, word);
    cr_assert_null(card);
    after = registry_active(registry);
    cr_assert_eq(after, before, "%s: another model is active", what);
    loaded_model_release(before);
    loaded_model_release(after);
}

Test(registry_refused, file_that_changed_on_disk_is_not_activated_and_the_old_model_stays)
{
    struct id a = added(1), b = added(2), c = added(3);
    struct model *m = NULL;
    struct error err = { 0 };

    activated(a);
    flip_last_byte(file_of(b));
    check_not_activated("a flipped bit", b, ST_FORMAT, "digest");
    check_refusal("load", registry_load(registry, b.text, &m, &err), ST_FORMAT, &err, "digest");
    cr_assert_eq(unlink(file_of(c)), 0);
    check_not_activated("no file", c, ST_FORMAT, "missing");
    cr_assert_eq(rename(file_of(a), file_of(c)), 0);
    check_not_activated("another model's file", c, ST_FORMAT, "digest");
}

Test(registry_refused, choice_that_cannot_be_recorded_is_not_made)
{
    struct id a = added(1), b = added(2);

    activated(a);
    refuse_rows("settings");
    check_not_activated("not recorded", b, ST_IO, "database");
}

Test(registry_refused, unknown_models_are_not_found)
{
    static const char *const UNKNOWN[] = { "00000000-0000-4000-8000-000000000000", "", "x",
                                           "../../etc/passwd", "0123456789abcdef0123456789abcdef01234567" };

    for (size_t i = 0; i < sizeof UNKNOWN / sizeof UNKNOWN[0]; i++) {
        struct model *m = NULL;
        struct error err = { 0 };
        size_t size;
        int fd;

        check_refusal(UNKNOWN[i], registry_activate(registry, UNKNOWN[i], NULL, &err), ST_NOTFOUND, &err,
                      "no model");
        check_refusal(UNKNOWN[i], registry_load(registry, UNKNOWN[i], &m, &err), ST_NOTFOUND, &err,
                      "no model");
        check_refusal(UNKNOWN[i], registry_file(registry, UNKNOWN[i], &fd, &size, &err), ST_NOTFOUND, &err,
                      "model");
    }
}
