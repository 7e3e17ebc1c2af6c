/* tests/unit/test_trainer_epochs.c - which epoch is kept, and which rows an epoch trains and validates on. */
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- which epoch is kept ---- */

static size_t best_epoch(const struct train_result *result)
{
    size_t best = 0;

    for (size_t i = 1; i < result->n_epochs; i++)
        if (result->epochs[i].val_loss < result->epochs[best].val_loss)
            best = i;
    return best + 1;
}

static void check_kept(const struct trial *r, size_t expected)
{
    const struct epoch_report *kept = &r->result.epochs[r->result.kept_epoch - 1];

    cr_assert_eq(r->result.kept_epoch, expected);
    cr_assert_eq(r->result.validation_loss, kept->val_loss);
    cr_assert_eq(r->result.top5_accuracy, kept->val_top5_accuracy);
}

#define SCALED "\"input_mean\":128,\"input_std\":64,\"validation_steps\":0"

/* Each recipe's own way, and the other's. */
static const char *const KEEPS_BEST[] = { "\"recipe\":\"standard\"",
                                          "\"recipe\":\"notebook\",\"keep_best\":true" };
static const char *const KEEPS_LAST[] = { "\"recipe\":\"notebook\"",
                                          "\"recipe\":\"standard\",\"keep_best\":false" };

/* Check what must be true of a jumpy run; returns whether it shows what the test is about, which not every seed does. */
typedef bool shows_fn(const struct trial *r);

/* A few seeds are tried, by either recipe in turn, and more as long as none has shown it. */
static void check_jumpy(const char *const recipes[2], int patience, shows_fn *shows)
{
    int shown = 0;

    tiny_dataset(datasets, 40, 0);
    for (int seed = 1; seed <= 2 || (seed <= 12 && shown == 0); seed++) {
        char changes[512];
        struct trial r;

        snprintf(changes, sizeof changes, "{" JUMPY "," SCALED ",%s,\"patience\":%d,\"seed\":%d}",
                 recipes[seed % 2], patience, seed);
        r = trained(changes);
        shown += shows(&r);
        run_release(&r);
    }
    cr_assert_gt(shown, 0, "no seed showed it");
}

static bool best_is_kept(const struct trial *r)
{
    cr_assert_eq(r->result.n_epochs, 6);
    check_kept(r, best_epoch(&r->result));
    return r->result.kept_epoch != 6;
}

Test(train, best_is_the_epoch_with_the_lowest_validation_loss) { check_jumpy(KEEPS_BEST, 0, best_is_kept); }

static bool last_is_kept(const struct trial *r)
{
    cr_assert_eq(r->result.n_epochs, 6);
    check_kept(r, 6);
    return best_epoch(&r->result) != 6;
}

Test(train, last_epoch_is_kept_whatever_its_loss) { check_jumpy(KEEPS_LAST, 0, last_is_kept); }

/* Two epochs after the best one, or at the end of the job. */
static bool ended_by_patience(const struct trial *r)
{
    const size_t n = r->result.n_epochs, best = best_epoch(&r->result);

    cr_assert_leq(n - best, 2);
    cr_assert(n == 6 || n - best == 2, "%zu epochs, the best was %zu", n, best);
    return n < 6;
}

static bool best_is_kept_when_patience_ends(const struct trial *r)
{
    check_kept(r, best_epoch(&r->result));
    return ended_by_patience(r);
}

Test(train, ends_when_patience_does) { check_jumpy(KEEPS_BEST, 2, best_is_kept_when_patience_ends); }

static bool last_is_kept_when_patience_ends(const struct trial *r)
{
    check_kept(r, r->result.n_epochs);
    return ended_by_patience(r);
}

Test(train, ends_when_patience_does_though_the_last_epoch_is_kept)
{
    check_jumpy(KEEPS_LAST, 2, last_is_kept_when_patience_ends);
}

/* ---- validation steps: batches of 64 rows ---- */

#define STILL "\"learning_rate\":1e-9,\"steps_per_epoch\":1,\"split_by\":\"image\",\"patience\":0"

Test(train, validation_uses_as_many_rows_as_its_steps_say)
{
    struct trial r;
    struct scores_file validation;
    double rates[N_NIH_LABELS];

    tiny_dataset(datasets, 400, 0); /* 72 of them validate */
    r = trained("{" STILL ",\"validation_steps\":1,\"shuffle\":false,\"calibrate\":false}");
    validation = scores_of(&r, SCORED_VALIDATION);
    cr_assert_eq(validation.n, 72);
    check_near("loss of 64 rows", r.result.validation_loss, scores_file_loss(&validation, 64, NULL), 1e-6);
    cr_assert(fabs(r.result.validation_loss - scores_file_loss(&validation, 72, NULL)) > 1e-5,
              "nothing was shown");
    training_rates(&r, 400, rates);
    check_near("baseline of the same 64", r.result.baseline.loss, scores_file_loss(&validation, 64, rates),
               1e-6);
    scores_file_release(&validation);
    run_release(&r);
}

Test(train, validation_steps_count_batches_of_the_size_that_is_asked_for)
{
    struct trial r;
    struct scores_file validation;

    tiny_dataset(datasets, 400, 0);
    r = trained("{" STILL ",\"validation_steps\":2,\"validation_batch_size\":10,\"shuffle\":false,"
                "\"calibrate\":false}");
    validation = scores_of(&r, SCORED_VALIDATION);
    check_near("loss of 20 rows", r.result.validation_loss, scores_file_loss(&validation, 20, NULL), 1e-6);
    cr_assert(fabs(r.result.validation_loss - scores_file_loss(&validation, 64, NULL)) > 1e-5);
    scores_file_release(&validation);
    run_release(&r);
}

/* ---- test rows ---- */

/* The images of the test rows that were scored, in a sum that does not depend on their order. */
static struct scores_file tested(const char *changes, size_t n)
{
    struct trial r = trained(changes);
    struct scores_file test = scores_of(&r, SCORED_TEST);

    cr_assert_eq(test.n, n, "%s: %zu rows", changes, test.n);
    cr_assert_eq(r.result.evaluation[SCORED_TEST].rows, n, "%s: the figures are of other rows", changes);
    cr_assert_eq(r.seen.progress, 1, "%s: it ends at %g", changes, r.seen.progress);
    for (size_t i = 1; i < n; i++)
        cr_assert_lt(strcmp(test.lines[i - 1].image, test.lines[i].image), 0, "not as in the table");
    run_release(&r);
    return test;
}

static size_t shared(const struct scores_file *a, const struct scores_file *b)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++)
        n += scores_file_find(b, a->lines[i].image) != NULL;
    return n;
}

Test(train, test_rows_are_drawn_by_the_splits_seed)
{
    struct scores_file all, some, again;

    tiny_dataset(datasets, 400, 0);
    all = tested("{" STILL "}", 40);
    some = tested("{" STILL ",\"test_rows\":12}", 12);
    again = tested("{" STILL ",\"test_rows\":12,\"split_seed\":1,\"seed\":2}", 12);
    cr_assert_eq(shared(&some, &all), 12, "rows that do not test were scored");
    cr_assert_eq(shared(&some, &again), 12, "the seed of the weights draws other rows");
    cr_assert_neq(memcmp(some.lines[11].image, all.lines[11].image, sizeof all.lines[11].image), 0,
                  "they are the first in the table, not drawn");
    scores_file_release(&all);
    scores_file_release(&some);
    scores_file_release(&again);
    all = tested("{" STILL ",\"test_rows\":1000}", 40);
    scores_file_release(&all);
}

static double spread(const struct train_result *result)
{
    double least = INFINITY, most = -INFINITY;

    for (size_t i = 0; i < result->n_epochs; i++) {
        least = fmin(least, result->epochs[i].val_loss);
        most = fmax(most, result->epochs[i].val_loss);
    }
    return most - least;
}

/* The weights stay, so a difference between two epochs is one between the rows that they were validated on. */
Test(train, validation_rows_are_drawn_once_and_stop_at_the_end)
{
    struct trial drawn, whole, beyond, other;

    tiny_dataset(datasets, 400, 0);
    drawn = trained("{" STILL ",\"epochs\":4,\"validation_steps\":1}");
    other = trained("{" STILL ",\"epochs\":1,\"validation_steps\":1,\"shuffle\":false}");
    whole = trained("{" STILL ",\"epochs\":4,\"validation_steps\":0}");
    beyond = trained("{" STILL ",\"epochs\":4,\"validation_steps\":1000}");
    cr_assert_lt(spread(&drawn.result), 1e-6, "the best epoch would be that of the easiest rows");
    cr_assert_lt(spread(&whole.result), 1e-6, "the weights move: nothing was shown");
    cr_assert(fabs(drawn.result.validation_loss - other.result.validation_loss) > 1e-6,
              "they are the first in the table, not drawn");
    check_near("beyond the end", beyond.result.validation_loss, whole.result.validation_loss, 1e-9);
    run_release(&drawn);
    run_release(&other);
    run_release(&whole);
    run_release(&beyond);
}

/* ---- steps: the split again and again ---- */

/* The losses of six batches of 8, 8, 4, 8, 8, 4 rows, summed over their rows: two passes over 20 training rows. */
static void batch_sums(const char *shuffle, double sums[6])
{
    static const double IMAGES[] = { 0, 8, 16, 20, 28, 36, 40 };
    char changes[256];
    struct trial r;

    snprintf(changes, sizeof changes,
             "{\"recipe\":\"notebook\",\"input_mean\":128,\"input_std\":64,\"learning_rate\":1e-9,"
             "\"steps_per_epoch\":6,\"shuffle\":%s}",
             shuffle);
    r = trained(changes);
    cr_assert(r.result.dataset.train == 20 && r.seen.n_steps == 6);
    for (size_t i = 0; i < 6; i++)
        sums[i] = r.seen.steps[i].loss * IMAGES[i + 1] - (i ? r.seen.steps[i - 1].loss * IMAGES[i] : 0);
    run_release(&r);
}

Test(train, steps_beyond_the_split_go_on_with_a_fresh_permutation)
{
    double sums[6];

    tiny_dataset(datasets, 28, 0);
    batch_sums("true", sums);
    check_near("both passes see every row once", sums[3] + sums[4] + sums[5], sums[0] + sums[1] + sums[2],
               1e-5);
    cr_assert(fabs(sums[3] - sums[0]) > 1e-3 * sums[0] || fabs(sums[4] - sums[1]) > 1e-3 * sums[1],
              "the second pass goes in the same order");
}

Test(train, steps_beyond_the_split_go_on_in_table_order_without_shuffling)
{
    double sums[6];

    tiny_dataset(datasets, 28, 0);
    batch_sums("false", sums);
    for (size_t i = 0; i < 3; i++)
        check_near("the same batch again", sums[i + 3], sums[i], 1e-5);
}

Test(train, epochs_differ_in_their_permutation)
{
    struct trial r;

    tiny_dataset(datasets, 28, 0);
    r = trained("{\"recipe\":\"notebook\",\"input_mean\":128,\"input_std\":64,\"learning_rate\":1e-9,"
                "\"steps_per_epoch\":1,\"epochs\":4}");
    cr_assert(fabs(r.result.epochs[0].loss - r.result.epochs[1].loss) > 1e-4 * r.result.epochs[0].loss ||
                  fabs(r.result.epochs[0].loss - r.result.epochs[2].loss) > 1e-4 * r.result.epochs[0].loss,
              "every epoch begins with the same rows");
    run_release(&r);
}

Test(train, zero_steps_are_one_pass_over_the_split)
{
    struct trial r;

    tiny_dataset(datasets, 28, 0);
    r = trained("{\"split_by\":\"image\",\"steps_per_epoch\":0}");
    cr_assert_eq(r.seen.n_steps, 3); /* 20 rows in batches of 8 */
    run_release(&r);
}
