/* tests/unit/test_trainer_map.c - the map of the test rows in a training's plots. */
#include "sentence.h"
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>

static const json_t *map_of(const struct trial *r) { return json_object_get(r->result.plots, "tsne"); }

/* One point for each test row, in the order of the scores, with its findings; the bands of the pictures are what is near. */
static void check_map(const struct trial *r)
{
    const json_t *points = json_object_get(map_of(r), "points");
    struct scores_file scores = scores_of(r, SCORED_TEST);
    size_t ahead = 0;
    json_t *finding;
    size_t i;

    cr_assert_eq(json_array_size(points), scores.n);
    cr_assert_eq((size_t)json_integer_value(json_object_get(map_of(r), "of")), scores.n);
    for (i = 0; i < scores.n; i++) {
        const json_int_t bits = json_integer_value(json_array_get(json_array_get(points, i), 2));

        for (size_t k = 0; k < N_NIH_LABELS; k++)
            cr_assert_eq(bits >> k & 1, scores.lines[i].truth[k], "row %zu, finding %zu", i, k);
    }
    json_array_foreach (json_object_get(map_of(r), "neighbours"), i, finding)
        ahead += json_number_value(json_object_get(finding, "near_low")) >
                 json_number_value(json_object_get(finding, "by_chance"));
    cr_assert_geq(ahead, 3, "%zu findings are near one another", ahead);
    scores_file_release(&scores);
}

#define HALF_TESTS "{\"test_fraction\":0.5,\"steps_per_epoch\":2}"

Test(train, test_rows_are_mapped_and_the_same_job_makes_the_same_map)
{
    struct trial once, again, without;

    tiny_dataset(datasets, 120, 0);
    once = trained(HALF_TESTS);
    again = trained(HALF_TESTS);
    check_map(&once);
    cr_assert(json_equal((json_t *)map_of(&once), (json_t *)map_of(&again)));
    without = trained("{\"test_fraction\":0.5,\"steps_per_epoch\":2,\"tsne\":false}");
    cr_assert_null(map_of(&without));
    cr_assert_str_eq(once.result.scores_csv[SCORED_TEST].data, without.result.scores_csv[SCORED_TEST].data);
    run_release(&once);
    run_release(&again);
    run_release(&without);
}

/* Whatever the network: its own features, and its own way to say where errors come from. */
Test(train, plots_are_of_the_architecture)
{
    static const char *const JOBS[] = {
        HALF_TESTS, "{\"test_fraction\":0.5,\"steps_per_epoch\":2,\"architecture\":\"mlp\"}"
    };
    static const char *const METHODS[] = { "contributions", "occlusion" };
    static const size_t SIDES[] = { 4, 8 };

    tiny_dataset(datasets, 120, 0);
    for (size_t i = 0; i < 2; i++) {
        struct trial r = trained(JOBS[i]);
        const json_t *worst = json_array_get(json_object_get(r.result.plots, "worst"), 0);

        check_map(&r);
        cr_assert_str_eq(json_string_value(json_object_get(worst, "map_method")), METHODS[i]);
        cr_assert_eq(json_array_size(json_object_get(worst, "map")), SIDES[i]);
        run_release(&r);
    }
}

Test(train, a_handful_of_test_rows_has_no_map)
{
    struct trial r;

    tiny_dataset(datasets, 40, 0);
    r = trained("{\"steps_per_epoch\":1}");
    cr_assert_eq(json_integer_value(json_object_get(map_of(&r), "rows")), 4);
    cr_assert_null(json_object_get(map_of(&r), "points"));
    run_release(&r);
}

/* Most of the questions are asked by the map, so one in the middle is. */
Test(train, can_be_cancelled_while_it_maps)
{
    struct trial whole, r = { .config = tiny_config(HALF_TESTS) };

    tiny_dataset(datasets, 60, 0);
    whole = trained(HALF_TESTS);
    cr_assert_geq(whole.seen.asked, 1000);
    r.seen.cancel_at = whole.seen.asked / 2;
    run_once(&r);
    check_refusal("cancelled", r.st, ST_CANCELLED, &r.err, "cancelled");
    cr_assert_eq(r.seen.asked, whole.seen.asked / 2, "it went on");
    cr_assert_null(map_of(&r));
    run_release(&whole);
    run_release(&r);
}
