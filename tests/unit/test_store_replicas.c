/* tests/unit/test_store_replicas.c - epochs of the active model, and the servers that answer by them, on each engine. */
#include "cxrd/store_replicas.h"
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(replicas, .init = store_case_begin, .fini = store_case_end);

static int64_t chosen(const char *id, const struct activation *a)
{
    int64_t epoch = 0;
    struct error err = { 0 };

    cr_assert_eq(store_activate(store, id, a, &epoch, &err), ST_OK, "%s", err.text);
    return epoch;
}

static void check_epoch(int64_t number, const char *model)
{
    struct epoch e;
    struct error err = { 0 };

    cr_assert_eq(store_epoch(store, NULL, &e, &err), ST_OK, "%s", err.text);
    cr_assert_eq(e.number, number);
    cr_assert_str_eq(e.model, model);
}

static enum status renewed(int64_t epoch, bool *ret_leads, struct error *err)
{
    const struct replica me = { .host = "here", .epoch = epoch };
    struct epoch newest;

    return store_replica_renew(store, &me, &newest, ret_leads, err);
}

static void other_server(const char *id, int64_t epoch, const char *until)
{
    char sql[300];

    snprintf(
        sql, sizeof sql,
        "INSERT INTO replicas(id, host, begun_at, until, epoch) VALUES('%s', 'host of %s', '', %s, %lld)", id,
        id, until, (long long)epoch);
    changed(sql);
}

Test(replicas, each_change_of_the_active_model_is_an_epoch_more)
{
    check_epoch(0, "");
    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    cr_assert_eq(chosen("aaaaaaaa", NULL), 1);
    cr_assert_eq(chosen("aaaaaaaa", NULL), 1);
    cr_assert_eq(chosen("bbbbbbbb", NULL), 2);
    cr_assert_eq(chosen("aaaaaaaa", NULL), 3);
    check_epoch(3, "aaaaaaaa");
    store_reopen();
    check_epoch(3, "aaaaaaaa");
}

Test(replicas, an_activation_with_a_key_has_one_epoch_for_ever)
{
    const struct activation a = { .key = "k" }, b = { .key = "l" };
    struct epoch e;
    struct error err = { 0 };

    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    cr_assert_eq(chosen("aaaaaaaa", &a), 1);
    cr_assert_eq(chosen("aaaaaaaa", &b), 2); /* active already: the key has one of its own all the same */
    cr_assert_eq(chosen("bbbbbbbb", NULL), 3);
    cr_assert_eq(chosen("aaaaaaaa", &a), 1);
    check_epoch(3, "bbbbbbbb");
    cr_assert_eq(store_epoch(store, "l", &e, &err), ST_OK);
    cr_assert_eq(e.number, 2);
    cr_assert_eq(store_epoch(store, "m", &e, &err), ST_NOTFOUND);
}

Test(replicas, of_two_who_saw_the_same_model_active_one_changes_it)
{
    const struct activation a = { .active = "" }, b = { .previous = "" };
    struct error err = { 0 };

    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    cr_assert_eq(chosen("aaaaaaaa", &a), 1);
    check_refusal("active", store_activate(store, "bbbbbbbb", &a, NULL, &err), ST_CONFLICT, &err,
                  "another model");
    cr_assert_eq(chosen("bbbbbbbb", &b), 2);
    check_refusal("previous", store_activate(store, "aaaaaaaa", &b, NULL, &err), ST_CONFLICT, &err,
                  "meanwhile");
    check_epoch(2, "bbbbbbbb");
}

Test(replicas, a_key_that_was_used_for_a_model_activates_no_other)
{
    const struct activation a = { .key = "once" };
    int64_t epoch = 7;
    struct error err = { 0 };

    model_added("aaaaaaaa");
    model_added("bbbbbbbb");
    cr_assert_eq(chosen("aaaaaaaa", &a), 1);
    cr_assert_eq(chosen("aaaaaaaa", &a), 1);
    check_refusal("another", store_activate(store, "bbbbbbbb", &a, &epoch, &err), ST_INVALID, &err,
                  "another model");
    cr_assert_eq(epoch, 7);
    check_epoch(1, "aaaaaaaa");
}

Test(replicas, a_lease_is_renewed_by_the_newest_epoch_alone)
{
    bool leads;
    struct error err = { 0 };

    cr_assert_eq(renewed(0, &leads, &err), ST_OK, "%s", err.text);
    model_added("aaaaaaaa");
    cr_assert_eq(chosen("aaaaaaaa", NULL), 1);
    changed("UPDATE replicas SET until = 0");
    check_refusal("an old one", renewed(0, &leads, &err), ST_CONFLICT, &err, "newest");
    check_refusal("none that was", renewed(2, &leads, &err), ST_CONFLICT, &err, "newest");
    cr_assert_str_eq(asked("SELECT until FROM replicas"), "0");
    cr_assert_eq(renewed(1, &leads, &err), ST_OK, "%s", err.text);
    cr_assert(leads);
    cr_assert_str_neq(asked("SELECT until FROM replicas"), "0");
    cr_assert_eq(store_replica_leave(store, &err), ST_OK);
    cr_assert_str_eq(asked("SELECT count(*) FROM replicas"), "0");
}

Test(replicas, those_with_a_lease_that_are_behind_are_named)
{
    char behind[REPLICA_NAMES];
    bool leads;
    struct error err = { 0 };

    model_added("aaaaaaaa");
    cr_assert_eq(chosen("aaaaaaaa", NULL), 1);
    other_server("00", 0, "9000000000000");
    other_server("01", 0, "1"); /* its lease has ended */
    other_server("02", 1, "9000000000000");
    cr_assert_eq(renewed(1, &leads, &err), ST_OK, "%s", err.text);
    cr_assert(!leads);
    cr_assert_eq(store_replicas_behind(store, 1, behind, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(behind, "host of 00");
    cr_assert_eq(store_replicas_behind(store, 2, behind, &err), ST_OK, "%s", err.text);
    cr_assert_str_eq(behind, "host of 00, host of 02"); /* who asks knows about itself */
}

Test(replicas, are_listed_as_they_are)
{
    json_t *list = NULL, *me;
    bool leads;
    struct error err = { 0 };

    cr_assert_eq(renewed(0, &leads, &err), ST_OK, "%s", err.text);
    other_server("00", 3, "1");
    cr_assert_eq(store_replicas(store, &list, &err), ST_OK, "%s", err.text);
    cr_assert_eq(json_array_size(list), 2);
    cr_assert(json_is_false(json_object_get(json_array_get(list, 0), "ready")));
    cr_assert_eq(json_integer_value(json_object_get(json_array_get(list, 0), "epoch")), 3);
    me = json_array_get(list, 1);
    cr_assert(json_is_true(json_object_get(me, "ready")) && json_is_true(json_object_get(me, "self")));
    cr_assert_str_eq(json_string_value(json_object_get(me, "host")), "here");
    cr_assert_gt(json_real_value(json_object_get(me, "lease_s")), 1);
    json_decref(list);
}
