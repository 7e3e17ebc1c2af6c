/* tests/unit/test_store_models.c - models, and which of them is active. */
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

TestSuite(models, .init = store_case_begin, .fini = store_case_end);

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
    check_refusal("deep", store_model_add(store, "aaaaaaaa", card, NULL, NULL, &err), ST_FORMAT, &err,
                  "card");
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
    check_refusal("activate", store_activate(store, "cccccccc", NULL, NULL, &err), ST_NOTFOUND, &err,
                  "cccccccc");
    check_active("aaaaaaaa");
}

Test(models, cannot_be_added_twice_under_one_id)
{
    json_t *card = json_pack("{s:s}", "id", "other");
    struct error err = { 0 };

    model_added("aaaaaaaa");
    check_refusal("again", store_model_add(store, "aaaaaaaa", card, NULL, NULL, &err), ST_IO, &err,
                  "cannot write");
    json_decref(card);
    cr_assert_eq(store_model_get(store, "aaaaaaaa", &card, &err), ST_OK);
    cr_assert_str_eq(json_string_value(json_object_get(card, "id")), "aaaaaaaa");
    json_decref(card);
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

/* Two servers judge one trial, by counts that differ by a picture. */
Test(models, whose_trial_one_server_refused_are_not_activated_by_another)
{
    const struct activation after_trial = { .active = "before", .in_shadow = true };
    json_t *refused = json_pack("{s:s}", "state", "refused");
    struct error err = { 0 };

    model_added("before");
    model_added("tried");
    activated("before");
    changed("INSERT INTO settings(name, value, model) VALUES('shadow', '{}', 'tried')");
    cr_assert_eq(store_shadow_end(store, "no-job", "tried", refused, false, &err), ST_OK, "%s", err.text);
    check_refusal("activate", store_activate(store, "tried", &after_trial, NULL, &err), ST_CONFLICT, &err,
                  "no longer in the shadow");
    check_active("before");
    json_decref(refused);
}

Test(models, whose_trial_one_server_allowed_are_not_refused_by_another)
{
    const struct activation after_trial = { .active = "before", .in_shadow = true };
    json_t *refused = json_pack("{s:s}", "state", "refused"),
           *passed = json_pack("{s:s}", "state", "activated");
    struct error err = { 0 };

    model_added("before");
    model_added("tried");
    activated("before");
    changed("INSERT INTO settings(name, value, model) VALUES('shadow', '{}', 'tried')");
    cr_assert_eq(store_activate(store, "tried", &after_trial, NULL, &err), ST_OK, "%s", err.text);
    check_refusal("refuse", store_shadow_end(store, "no-job", "tried", refused, false, &err), ST_BUSY, &err,
                  "activated meanwhile");
    cr_assert_eq(store_activate(store, "tried", &after_trial, NULL, &err), ST_OK, "%s", err.text);
    cr_assert_eq(store_shadow_end(store, "no-job", "tried", passed, true, &err), ST_OK, "%s", err.text);
    json_decref(refused);
    json_decref(passed);
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
