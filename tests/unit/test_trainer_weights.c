/* tests/unit/test_trainer_weights.c - where weights begin and come from: seeds, fields of the recipe, a model to start from. */
#include "tiny_dataset.h"
#include "tiny_model.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of 40 rows by the seed 5, as cxrd split them when there was one seed for all. */
#define SPLIT_OF_5 "24b216c7099f9a538cfc6945f21743842492559f50ac59707b8a2fbc7b6ef489"

Test(train, same_seed_gives_the_same_weights_and_another_seed_others)
{
    struct trial a, b, other;

    tiny_dataset(datasets, 40, 0);
    a = trained("{\"epochs\":2,\"seed\":5}");
    b = trained("{\"epochs\":2,\"seed\":5}");
    other = trained("{\"epochs\":2,\"seed\":6}");
    cr_assert(same_weights(&a, &b), "the same seed gave other weights");
    cr_assert_str_eq(a.result.dataset.split_sha256, b.result.dataset.split_sha256);
    cr_assert_not(same_weights(&a, &other));
    run_release(&a);
    run_release(&b);
    run_release(&other);
}

Test(train, split_seed_settles_the_split_and_nothing_else)
{
    struct trial plain, same, other_weights, other_split;

    tiny_dataset(datasets, 40, 0);
    plain = trained("{\"seed\":5}");
    same = trained("{\"seed\":5,\"split_seed\":5}");
    other_weights = trained("{\"seed\":6,\"split_seed\":5}");
    other_split = trained("{\"seed\":5,\"split_seed\":6}");
    cr_assert_str_eq(plain.result.dataset.split_sha256, SPLIT_OF_5);
    cr_assert_str_eq(same.result.dataset.split_sha256, SPLIT_OF_5);
    cr_assert(same_weights(&plain, &same));
    cr_assert_str_eq(other_weights.result.dataset.split_sha256, SPLIT_OF_5);
    cr_assert_not(same_weights(&plain, &other_weights));
    cr_assert_str_neq(other_split.result.dataset.split_sha256, SPLIT_OF_5);
    run_release(&plain);
    run_release(&same);
    run_release(&other_weights);
    run_release(&other_split);
}

/* The greatest weight of the first convolution (fan in 27, fan out 288) when training has not moved it. */
static float greatest(const char *changes)
{
    struct trial r = trained(changes);
    const struct tensor *conv = network_tensor(model_network(r.result.model), "conv1.weight");
    float most = 0;

    for (size_t i = 0; i < conv->count; i++)
        most = fmaxf(most, fabsf(params_of(&r)[conv->offset + i]));
    run_release(&r);
    return most;
}

Test(train, initializer_is_the_recipes_or_what_is_asked_for)
{
    const float he = sqrtf(6.0f / 27), glorot = sqrtf(6.0f / (27 + 288));

    tiny_dataset(datasets, 40, 0);
    check_near("standard", (double)greatest("{" STILL "}"), (double)he, 0.05);
    check_near("notebook", (double)greatest("{" STILL ",\"recipe\":\"notebook\"}"), (double)glorot, 0.05);
    check_near("standard with Glorot", (double)greatest("{" STILL ",\"initializer\":\"glorot_uniform\"}"),
               (double)glorot, 0.05);
    check_near("notebook with He",
               (double)greatest("{" STILL ",\"recipe\":\"notebook\",\"initializer\":\"he_uniform\"}"),
               (double)he, 0.05);
}

Test(train, cosine_schedule_begins_at_the_full_rate_and_falls)
{
    struct trial one_constant, one_cosine, two_constant, two_cosine;

    tiny_dataset(datasets, 40, 0);
    one_constant = trained("{\"steps_per_epoch\":1,\"lr_schedule\":\"constant\"}");
    one_cosine = trained("{\"steps_per_epoch\":1,\"lr_schedule\":\"cosine\"}");
    two_constant = trained("{\"steps_per_epoch\":2,\"lr_schedule\":\"constant\"}");
    two_cosine = trained("{\"steps_per_epoch\":2,\"lr_schedule\":\"cosine\"}");
    cr_assert(same_weights(&one_constant, &one_cosine));
    cr_assert_not(same_weights(&two_constant, &two_cosine));
    run_release(&one_constant);
    run_release(&one_cosine);
    run_release(&two_constant);
    run_release(&two_cosine);
}

static double norm(const struct trial *r)
{
    double sum = 0;

    for (size_t i = 0; i < n_params(r); i++)
        sum += (double)params_of(r)[i] * (double)params_of(r)[i];
    return sqrt(sum);
}

Test(train, weight_decay_makes_weights_smaller)
{
    struct trial with, without;

    tiny_dataset(datasets, 40, 0);
    without = trained("{\"weight_decay\":0}");
    with = trained("{\"weight_decay\":10}");
    cr_assert_lt(norm(&with), norm(&without));
    run_release(&with);
    run_release(&without);
}

/* ---- how a step moves them ---- */

#define ONE_STEP "\"steps_per_epoch\":1,\"lr_schedule\":\"constant\",\"head_scale\":1"

static bool same_stretch(const struct trial *a, const struct trial *b, size_t begin, size_t end)
{
    return memcmp(params_of(a) + begin, params_of(b) + begin, (end - begin) * sizeof(float)) == 0;
}

/* Of the head's weights, which decay by a thousandth in this step; nothing else does. */
Test(train, weight_decay_of_the_head_leaves_all_else_alone)
{
    struct trial with, without;
    const struct network *net;

    tiny_dataset(datasets, 40, 0);
    without = trained("{" ONE_STEP ",\"learning_rate\":1e-4}");
    with =
        trained("{" ONE_STEP ",\"learning_rate\":1e-4,\"weight_decay\":10,\"weight_decay_scope\":\"head\"}");
    net = model_network(with.result.model);
    cr_assert(same_stretch(&with, &without, 0, net->head_weights), "the backbone decays");
    cr_assert(same_stretch(&with, &without, net->head_bias, net->n_params), "the head's bias decays");
    for (size_t i = net->head_weights; i < net->head_bias; i++) {
        const double less = (double)params_of(&without)[i] - (double)params_of(&with)[i];

        cr_assert_float_eq(less, 1e-3 * (double)params_of(&without)[i], 2e-7, "weight %zu decays by %g", i,
                           less);
    }
    run_release(&with);
    run_release(&without);
}

Test(train, backbone_moves_by_its_share_of_the_rate)
{
    struct trial whole, tenth, still;
    const struct network *net;
    double most = 0;

    tiny_dataset(datasets, 40, 0);
    still = trained("{" ONE_STEP ",\"learning_rate\":1e-9}");
    whole = trained("{" ONE_STEP ",\"learning_rate\":1e-2}");
    tenth = trained("{" ONE_STEP ",\"learning_rate\":1e-2,\"backbone_rate\":0.1}");
    net = model_network(whole.result.model);
    cr_assert(same_stretch(&whole, &tenth, net->head_weights, net->n_params), "the head moves otherwise");
    for (size_t i = 0; i < net->head_weights; i++) {
        const double way = (double)params_of(&whole)[i] - (double)params_of(&still)[i];
        const double tenth_way = (double)params_of(&tenth)[i] - (double)params_of(&still)[i];

        most = fmax(most, fabs(way));
        cr_assert_float_eq(tenth_way, way / 10, 1e-7, "parameter %zu moves by %g, not %g", i, tenth_way,
                           way / 10);
    }
    cr_assert_gt(most, 0.009);
    run_release(&still);
    run_release(&whole);
    run_release(&tenth);
}

/* Adam does not see how long a gradient is, unless it is so short that epsilon counts. */
Test(train, gradient_is_cut_to_its_limit)
{
    struct trial as_it_is, long_enough, cut, still;
    double most = 0;

    tiny_dataset(datasets, 40, 0);
    still = trained("{" ONE_STEP ",\"learning_rate\":1e-9}");
    as_it_is = trained("{" ONE_STEP ",\"learning_rate\":1e-2}");
    long_enough = trained("{" ONE_STEP ",\"learning_rate\":1e-2,\"clip_norm\":1e6}");
    cut = trained("{" ONE_STEP ",\"learning_rate\":1e-2,\"clip_norm\":1e-12}");
    cr_assert(same_weights(&as_it_is, &long_enough));
    for (size_t i = 0; i < n_params(&cut); i++)
        most = fmax(most, fabs((double)params_of(&cut)[i] - (double)params_of(&still)[i]));
    cr_assert(most < 1e-5, "a gradient of 1e-12 moves a weight by %g", most);
    run_release(&still);
    run_release(&as_it_is);
    run_release(&long_enough);
    run_release(&cut);
}

/* The weights after 1, 2 and 3 steps from a model's, and the average that the recipe keeps of them. */
Test(train, average_of_the_weights_is_what_is_kept)
{
    enum { STEPS = 3 };
    struct model *init = tiny_model(3, 1, NULL);
    struct trial average = { .init = init };
    float *expected;

    tiny_dataset(datasets, 40, 0);
    average.config = tiny_config("{\"steps_per_epoch\":3,\"lr_schedule\":\"constant\",\"ema\":0.3}");
    run_once(&average);
    cr_assert_eq(average.st, ST_OK, "%s", average.err.text);
    expected = malloc(n_params(&average) * sizeof *expected);
    memcpy(expected, model_params(init), n_params(&average) * sizeof *expected);
    for (int t = 1; t <= STEPS; t++) {
        struct trial r = { .init = init };
        char changes[96];

        snprintf(changes, sizeof changes, "{\"steps_per_epoch\":%d,\"lr_schedule\":\"constant\"}", t);
        r.config = tiny_config(changes);
        run_once(&r);
        cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
        for (size_t i = 0; i < n_params(&r); i++)
            expected[i] += (params_of(&r)[i] - expected[i]) * (float)(1 - fmin(0.3, (1.0 + t) / (10.0 + t)));
        cr_assert_not(same_weights(&average, &r));
        run_release(&r);
    }
    cr_assert_arr_eq(params_of(&average), expected, n_params(&average) * sizeof *expected);
    free(expected);
    run_release(&average);
    model_unref(init);
}

/* One epoch or two from a model on. */
static struct trial trained_from(const struct model *init, const char *changes)
{
    struct trial r = { .init = init, .config = tiny_config(changes) };

    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s: %s", changes, r.err.text);
    return r;
}

/* Takes over the model. */
static void check_frozen(struct model *init)
{
    const struct network *net = model_network(init);
    const size_t head = net->head_weights;
    struct trial r = trained_from(init, "{\"freeze\":\"backbone\",\"epochs\":2,\"weight_decay\":0.1,"
                                        "\"ema\":0.9,\"clip_norm\":1}");
    size_t moved = 0;

    cr_assert_arr_eq(params_of(&r), model_params(init), head * sizeof(float));
    cr_assert_arr_eq(params_of(&r) + net->n_params, model_params(init) + net->n_params,
                     net->n_state * sizeof(float), "running statistics have moved");
    for (size_t i = head; i < net->n_params; i++)
        moved += params_of(&r)[i] != model_params(init)[i];
    cr_assert_gt(moved, (net->n_params - head) / 2, "%zu of %zu weights of the head have moved", moved,
                 net->n_params - head);
    cr_assert_eq(r.seen.progress, 1);
    run_release(&r);
    model_unref(init);
}

Test(train, frozen_backbone_stays_bit_for_bit_and_the_head_learns)
{
    tiny_dataset(datasets, 40, 0);
    check_frozen(tiny_model(3, 1, NULL));
    check_frozen(tiny_model_with_norms(3));
}

/* One step: the statistics that it came to, and the average of these with those of before. */
Test(train, average_is_of_the_running_statistics_too)
{
    struct model *init = tiny_model_with_norms(3);
    const struct network *net = model_network(init);
    struct trial last, average;
    size_t moved = 0;

    tiny_dataset(datasets, 40, 0);
    last = trained_from(init, "{\"steps_per_epoch\":1}");
    average = trained_from(init, "{\"steps_per_epoch\":1,\"ema\":0.999}");
    for (size_t i = 0; i < net->n_params + net->n_state; i++) {
        const float before = model_params(init)[i], after = params_of(&last)[i];

        cr_assert_eq(params_of(&average)[i], before + (after - before) * (float)(1 - 2.0 / 11), "value %zu",
                     i);
        moved += i >= net->n_params && before != after;
    }
    cr_assert_gt(moved, net->n_state / 2);
    run_release(&last);
    run_release(&average);
    model_unref(init);
}

Test(train, head_bias_begins_at_the_log_odds_of_the_base_rates)
{
    struct trial r;
    double counts[N_NIH_LABELS];
    size_t n, bias;

    tiny_dataset(datasets, 60, 0);
    r = trained("{" STILL ",\"head_bias\":\"base_rates\"}");
    n = training_counts(&r, 60, counts);
    bias = network_tensor(model_network(r.result.model), "head.bias")->offset;
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        const double p = (counts[k] + 0.5) / ((double)n + 1); /* half a row more, so that none is 0 or 1 */

        check_near(NIH_LABELS.names[k], (double)params_of(&r)[bias + k], log(p / (1 - p)), 1e-5);
    }
    run_release(&r);
    r = trained("{" STILL ",\"head_bias\":\"zero\"}");
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert_lt(fabs((double)params_of(&r)[bias + k]), 1e-6);
    run_release(&r);
}

Test(train, starts_from_a_given_model_with_its_geometry)
{
    struct model *init = tiny_model(3, 1, NULL);
    struct trial r = { .init = init };
    double most = 0;

    tiny_dataset(datasets, 40, 0);
    r.config = tiny_config("{" STILL ",\"image_size\":128,\"resize\":\"nearest\",\"input_mean\":0}");
    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    cr_assert_eq(n_params(&r), model_network(init)->n_params);
    cr_assert(model_preprocess(r.result.model)->size == 64 &&
              model_preprocess(r.result.model)->resize == RESIZE_AREA &&
              model_preprocess(r.result.model)->mean == 128);
    for (size_t i = 0; i < n_params(&r); i++)
        most = fmax(most, fabs((double)params_of(&r)[i] - (double)model_params(init)[i]));
    cr_assert(most > 0 && most < 1e-6, "weights have moved by %g", most);
    run_release(&r);
    model_unref(init);
}

/* A training that begins from `init`: what is known of that one must be `expected`, in the result and in the weights. */
static struct trial continued(const struct model *init, const char *changes, enum lineage expected)
{
    struct trial r = { .init = init, .config = tiny_config(changes) };
    const struct trained_rows *rows;

    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    cr_assert_eq(r.result.dataset.init_split, expected, "%s: %d instead of %d", changes,
                 (int)r.result.dataset.init_split, (int)expected);
    rows = model_trained_rows(r.result.model);
    cr_assert_str_eq(rows->split_sha256, r.result.dataset.split_sha256);
    cr_assert_eq(rows->before, expected, "the weights say something else: %d", (int)rows->before);
    return r;
}

Test(train, tells_whether_the_model_it_began_from_and_those_before_had_its_split)
{
    static const char ONE[] = "{\"steps_per_epoch\":1}", TWO[] = "{\"steps_per_epoch\":1,\"seed\":2}";
    struct model *stranger = tiny_model(3, 1, NULL);
    struct trial first, same, again, other, back, unknown, since;

    tiny_dataset(datasets, 40, 0);
    first = continued(NULL, ONE, LINEAGE_NONE);
    same = continued(first.result.model, ONE, LINEAGE_SAME);
    again = continued(same.result.model, ONE, LINEAGE_SAME);
    other = continued(again.result.model, TWO, LINEAGE_OTHER);
    back = continued(other.result.model, TWO,
                     LINEAGE_OTHER); /* the same as that one, but not as all before it */
    unknown = continued(stranger, ONE, LINEAGE_UNKNOWN);
    since = continued(unknown.result.model, ONE, LINEAGE_UNKNOWN);
    cr_assert_str_neq(first.result.dataset.split_sha256, other.result.dataset.split_sha256);
    run_release(&first);
    run_release(&same);
    run_release(&again);
    run_release(&other);
    run_release(&back);
    run_release(&unknown);
    run_release(&since);
    model_unref(stranger);
}

Test(train, model_carries_the_notes_it_was_given_and_when_it_was_made)
{
    struct trial r = { .notes = json_pack("{s:s}", "job", "0123abcd") };
    const json_t *notes;

    tiny_dataset(datasets, 40, 0);
    r.config =
        tiny_config("{\"steps_per_epoch\":1,\"input_mean\":100,\"input_std\":50,\"resize\":\"nearest\"}");
    run_once(&r);
    cr_assert_eq(r.st, ST_OK, "%s", r.err.text);
    notes = model_notes(r.result.model);
    cr_assert_str_eq(json_string_value(json_object_get(notes, "job")), "0123abcd");
    cr_assert_eq(strlen(json_string_value(json_object_get(notes, "created_at"))), 24);
    cr_assert_eq(json_object_size(r.notes), 1, "the caller's notes were changed");
    cr_assert(model_preprocess(r.result.model)->mean == 100 && model_preprocess(r.result.model)->std == 50 &&
              model_preprocess(r.result.model)->resize == RESIZE_NEAREST);
    json_decref(r.notes);
    run_release(&r);
}

/* Rows that an incumbent would be scored on are no part of the way where it is not scored. */
Test(train, ends_at_1_though_there_was_no_rival_to_score)
{
    struct trial r;

    tiny_dataset(datasets, 40, 0);
    r = trained("{\"promote\":\"if_better\",\"epochs\":1}");
    cr_assert_eq(r.result.incumbent, INCUMBENT_NONE);
    cr_assert_eq(r.seen.progress, 1, "it ends at %g", r.seen.progress);
    run_release(&r);
}
