/* tests/unit/test_interim.c - planned analyses of feedback: what each may spend, what they find, and what is kept of them. */
#include "cxrd/interim.h"
#include "streams.h"

#include <criterion/criterion.h>
#include <math.h>

/* The feedback on so many pictures, with a gain of 0.02 whose p is this. */
static bool analyse(struct interim *t, size_t pictures, double p)
{
    static struct feedback_paired paired;

    paired.pictures = paired.patients = pictures;
    paired.auroc.macro.gain.value = 0.02;
    paired.auroc.macro.p = p;
    return interim_analyse(t, &paired);
}

Test(interim, analyses_are_made_when_they_are_planned_and_spend_four_per_cent)
{
    struct interim t = { .n = 0 };
    double sum = 0;

    for (size_t n = 1; n <= 3000; n++)
        analyse(&t, n, 0.9);
    cr_assert(t.n == 4 && t.made[0].pictures == 250 && t.made[1].pictures == 500 &&
              t.made[2].pictures == 1000 && t.made[3].pictures == 2000);
    for (size_t i = 0; i < t.n; i++)
        sum += t.made[i].level;
    cr_assert_float_eq(sum, 0.04, 1e-12);
    cr_assert_float_eq(t.made[0].level, 0.04 / 512, 1e-12);
    cr_assert(interim_next(&t) == 0 && interim_verdict(&t) == 0);
}

Test(interim, one_that_comes_late_spends_what_those_before_it_did_not)
{
    struct interim t = { .n = 0 };

    cr_assert(!analyse(&t, 249, 0.9));
    cr_assert(analyse(&t, 700, 0.9));
    cr_assert_float_eq(t.made[0].level, 0.04 * 0.35 * 0.35 * 0.35, 1e-12);
    cr_assert_eq(interim_next(&t), 1000);
    cr_assert(analyse(&t, 9000, 0.9));
    cr_assert_float_eq(t.made[0].level + t.made[1].level, 0.04, 1e-12);
    cr_assert_eq(interim_next(&t), 0);
}

Test(interim, the_first_below_its_level_decides)
{
    struct interim t = { .n = 0 };

    cr_assert(analyse(&t, 250, 0.001) && interim_verdict(&t) == 0);
    cr_assert(analyse(&t, 500, 0.0005) && interim_verdict(&t) == 1);
    cr_assert(interim_next(&t) == 0 && !analyse(&t, 2000, 0.9) && interim_verdict(&t) == 1);
    t.made[1].gain = -0.02;
    cr_assert_eq(interim_verdict(&t), -1);
}

Test(interim, waits_where_the_gain_has_no_error)
{
    struct interim t = { .n = 0 };

    cr_assert(!analyse(&t, 1500, NAN) && t.n == 0);
}

Test(interim, is_read_as_it_was_written)
{
    struct interim t = { .n = 0 }, again;
    json_t *list;

    analyse(&t, 251, 0.01);
    analyse(&t, 2001, 0.04);
    list = interim_json(&t);
    cr_assert(interim_read(list, &again) && again.n == 2 && again.made[1].pictures == 2001);
    cr_assert(again.made[1].level == t.made[1].level && again.made[0].p == 0.01);
    cr_assert_str_eq(again.made[1].at, t.made[1].at);
    json_object_del(json_array_get(list, 1), "p");
    cr_assert(!interim_read(list, &again) && !interim_read(NULL, &again));
    json_decref(list);
}

/* A row of another version may hold what this plan would not. */
Test(interim, that_has_no_room_for_another_analysis_asks_for_none)
{
    struct interim t;
    json_t *list = json_array();

    for (int i = 1; i <= INTERIM_MOST; i++)
        json_array_append_new(list, json_pack("{s:i,s:i,s:f,s:f,s:f,s:s}", "pictures", 100 * i, "patients",
                                              50, "gain", 0.1, "p", 0.5, "level", 0.01, "at", "then"));
    cr_assert(interim_read(list, &t));
    cr_assert_eq(interim_next(&t), 0);
    json_object_set_new(json_array_get(list, 2), "pictures", json_integer(150));
    cr_assert(!interim_read(list, &t), "analyses of fewer pictures than the one before");
    json_decref(list);
}

/* With one finding, which is harder than the mean of many. */
Test(interim, equal_models_are_told_apart_in_few_streams_and_a_better_one_is_found_in_most)
{
    enum { STREAMS = 200 };
    int equal = 0, better = 0, wrong = 0;

    for (uint64_t i = 0; i < STREAMS; i++) {
        struct stream s;
        int verdict;

        stream_begin(&s, i, 0, 1);
        equal += stream_watch(&s, 2000, 50, NULL) != 0;
        stream_end(&s);
        stream_begin(&s, i, 0.03, 1);
        verdict = stream_watch(&s, 2000, 50, NULL);
        better += verdict > 0;
        wrong += verdict < 0;
        stream_end(&s);
    }
    cr_assert_leq(equal, STREAMS / 20, "%d of %d equal ones were told apart", equal, STREAMS);
    cr_assert_geq(better, STREAMS * 8 / 10, "%d of %d better ones were found", better, STREAMS);
    cr_assert_eq(wrong, 0);
}
