/* tests/unit/test_trainer_sums.c - what a training says of its model adds up: sums are worked out again from the scores
 * files, which say for every row what is true and what was predicted. */
#include "files.h"
#include "jobs/training/evaluate.h"
#include "tiny_dataset.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

/* ---- sums ---- */

/* With a calibration the scores are after it and the epoch's loss before: the model says which it carries. */
Test(train, kept_model_carries_a_calibration_where_it_helps)
{
    static const char *const MADE[] = { "none", "temperature", "platt" };
    struct scores_file validation;
    size_t helped = 0;

    tiny_dataset(datasets, 200, 0);
    for (int on = 0; on < 2; on++) {
        struct trial r =
            trained(on ? "{" JUMPY ",\"patience\":0}" : "{" JUMPY ",\"patience\":0,\"calibrate\":false}");
        const bool carried = json_object_get(model_notes(r.result.model), "calibration") != NULL;
        double loss;

        validation = scores_of(&r, SCORED_VALIDATION);
        loss = scores_file_loss(&validation, validation.n, NULL);
        cr_assert_eq(carried, r.result.calibration != CALIBRATION_NONE);
        cr_assert_str_eq(calibration_name(model_calibration(r.result.model)->method),
                         MADE[r.result.calibration]);
        cr_assert(on || !carried, "a calibration that nobody asked for");
        if (carried)
            cr_assert_lt(loss, r.result.validation_loss);
        else
            check_near("loss", loss, r.result.validation_loss, 1e-6);
        check_near("evaluated", r.result.evaluation[SCORED_VALIDATION].loss.value, loss, 1e-6);
        helped += carried;
        scores_file_release(&validation);
        run_release(&r);
    }
    cr_assert_gt(helped, 0, "no run was calibrated: nothing was shown");
}

Test(train, validation_loss_and_top5_are_those_of_the_scores_of_the_kept_model)
{
    struct trial r;
    struct scores_file validation;
    const struct evaluation *e;

    tiny_dataset(datasets, 60, 0);
    r = trained("{" JUMPY ",\"patience\":0,\"calibrate\":false}");
    validation = scores_of(&r, SCORED_VALIDATION);
    e = &r.result.evaluation[SCORED_VALIDATION];
    check_near("validation loss", r.result.validation_loss, scores_file_loss(&validation, validation.n, NULL),
               1e-6);
    check_near("top 5", r.result.top5_accuracy, scores_file_top5(&validation, validation.n, NULL), 1e-12);
    check_near("evaluated loss", e->loss.value, r.result.validation_loss, 1e-12);
    check_near("evaluated top 5", e->top5_accuracy, r.result.top5_accuracy, 1e-12);
    scores_file_release(&validation);
    run_release(&r);
}

Test(train, baseline_is_what_the_training_base_rates_score_on_the_validation_rows)
{
    struct trial r;
    struct scores_file validation;
    double rates[N_NIH_LABELS];
    size_t n;

    tiny_dataset(datasets, 60, 0);
    r = trained("{\"steps_per_epoch\":1}");
    validation = scores_of(&r, SCORED_VALIDATION);
    n = training_rates(&r, 60, rates);
    cr_assert_eq(n, r.result.dataset.train);
    check_near("loss", r.result.baseline.loss, scores_file_loss(&validation, validation.n, rates), 1e-6);
    check_near("top 5", r.result.baseline.top5_accuracy, scores_file_top5(&validation, validation.n, rates),
               1e-12);
    cr_assert_eq(r.seen.baseline.loss, r.result.baseline.loss); /* while it ran, too */
    cr_assert_eq(r.seen.baseline.top5_accuracy, r.result.baseline.top5_accuracy);
    scores_file_release(&validation);
    run_release(&r);
}

/* Rows of the tiny data set, but those with the findings of row 2 only where they are wanted. */
static void list_becomes(const char *name, size_t from, size_t to, bool wanted)
{
    struct buf text = BUF_INIT(1 << 16);

    for (size_t i = from; i < to; i++)
        if (wanted || i % TINY_CYCLE != 2)
            buf_printf(&text, "%s\n", tiny_image(i));
    write_bytes(path_in(datasets, "tiny/%s", name), text.data, text.len);
    buf_release(&text);
}

/* Weights do not move, so the model is the base rates. That a finding which trained no row costs it less than a rate of 0 would
 * is not to count: a few such rows, each of another patient, would prove that anything was learned. */
Test(train, nothing_is_learned_where_test_rows_have_a_finding_that_trained_no_row)
{
    struct trial r;
    int set;

    tiny_dataset(datasets, 80, 0);
    list_becomes("train_val_list.txt", 0, 40, false);
    list_becomes("test_list.txt", 40, 80, true);
    r = trained("{\"split_by\":\"list\",\"learning_rate\":1e-9,\"steps_per_epoch\":1,\"calibrate\":false}");
    cr_assert_gt(r.result.evaluation[SCORED_TEST].patients, 10);
    cr_assert_neq(learning_of(&r.result, &set), LEARNING_LEARNED, "the loss is lower by %g, at least %g",
                  r.result.evaluation[SCORED_TEST].loss_gain.value,
                  r.result.evaluation[SCORED_TEST].loss_gain.low);
    cr_assert_lt(fabs(r.result.evaluation[SCORED_TEST].loss_gain.value), 0.005);
    run_release(&r);
}

static void check_scores(const struct trial *r, int set, size_t expected)
{
    struct scores_file f = scores_of(r, set);

    cr_assert_eq(f.n, expected, "%s: %zu rows", SCORED_NAMES[set], f.n);
    cr_assert_eq(r->result.evaluation[set].rows, expected);
    for (size_t i = 0; i < f.n; i++) {
        const size_t patient = strtoul(f.lines[i].image, NULL, 10),
                     row = (patient - 1) * 2 + (f.lines[i].image[11] == '1');

        cr_assert_str_eq(f.lines[i].image, tiny_image(row));
        cr_assert(i == 0 || strcmp(f.lines[i].image, f.lines[i - 1].image) > 0, "not in table order");
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            cr_assert_eq(f.lines[i].truth[k], set != SCORED_NO_FINDING && (tiny_labels(row) >> k & 1));
    }
    scores_file_release(&f);
}

Test(train, scores_have_every_row_of_their_set_in_table_order_with_its_truth)
{
    struct trial r;

    tiny_dataset(datasets, 60, 10);
    r = trained("{\"steps_per_epoch\":1,\"validation_steps\":1}");
    check_scores(&r, SCORED_VALIDATION, r.result.dataset.validation);
    check_scores(&r, SCORED_TEST, r.result.dataset.test);
    check_scores(&r, SCORED_NO_FINDING, 10);
    run_release(&r);
}

/* Tables, curves and the file of scores are of the same rows. */
Test(train, notebook_evaluates_every_test_row_that_it_scores)
{
    struct trial r;
    struct scores_file test;

    tiny_dataset(datasets, 1200, 0);
    r = trained("{\"recipe\":\"notebook\",\"test_fraction\":0.88,\"steps_per_epoch\":1}");
    test = scores_of(&r, SCORED_TEST);
    cr_assert(r.result.dataset.test == 1056 && test.n == 1056);
    cr_assert_eq(r.result.evaluation[SCORED_TEST].rows, 1056);
    check_near("loss of them all", r.result.evaluation[SCORED_TEST].loss.value,
               scores_file_loss(&test, 1056, NULL), 1e-6);
    scores_file_release(&test);
    run_release(&r);
}
