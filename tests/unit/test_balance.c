/* tests/unit/test_balance.c - rare findings: how often rows are drawn, what weighs in the loss, and that neither leaves a
 * trace in what the model believes to be the rates. */
#include "jobs/training/balance.h"

#include "cxrd/trainer.h"
#include "files.h"
#include "jobs/training/batches.h"
#include "leaks.h"
#include "support.h"
#include "tiny_dataset.h"
#include "tiny_model.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(balance, .fini = check_no_leaks);

/* 100 rows: finding 0 in 50, finding 1 in 4 (with and without 0), finding 2 in 1, the others in none. */
enum { ROWS = 100 };

static struct balance balanced(enum balancing how, struct table_row rows[ROWS], uint32_t index[ROWS])
{
    struct table t = { .labels = NIH_LABELS };
    const struct rows train = { ROWS, index };
    struct balance b;

    memset(rows, 0, ROWS * sizeof *rows);
    for (uint32_t i = 0; i < ROWS; i++) {
        index[i] = i;
        rows[i].labels = (uint16_t)((i < 50) | (i >= 48 && i < 52) << 1 | (i == 99) << 2);
    }
    t.rows = rows;
    t.n_rows = ROWS;
    cr_assert_eq(balance_init(&b, how, &t, &train), ST_OK);
    return b;
}

Test(balance, none_is_as_it_is)
{
    struct table_row rows[ROWS];
    uint32_t index[ROWS];
    struct balance b = balanced(BALANCE_NONE, rows, index);

    cr_assert_null(b.row_weights);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        cr_assert(b.positive[k] == 1 && b.negative[k] == 1 && b.shift[k] == 0);
        cr_assert_eq(b.log_odds[k], log_odds((double[]){ 50, 4, 1 }[k < 3 ? k : 0] * (k < 3), ROWS));
    }
    cr_assert_float_eq(b.log_odds[0], 0, 1e-12);
    cr_assert_float_eq(b.log_odds[1], log(4.5 / 96.5), 1e-12);
    balance_release(&b);
}

Test(balance, weights_give_both_sides_of_a_finding_the_same_say)
{
    struct table_row rows[ROWS];
    uint32_t index[ROWS];
    struct balance b = balanced(BALANCE_WEIGHT, rows, index);
    const double positives[] = { 50, 4, 1 };

    for (size_t k = 0; k < 3; k++) {
        const double p = positives[k] * (double)b.positive[k],
                     q = (ROWS - positives[k]) * (double)b.negative[k];

        cr_assert_float_eq(p + q, ROWS, 1e-3, "finding %zu weighs %g altogether", k, p + q);
        cr_assert(b.positive[k] <= 10.001f * b.negative[k]);
        if (k == 0)
            cr_assert_float_eq(p, q, 1e-3);
    }
    cr_assert_float_eq((double)(b.positive[1] / b.negative[1]), 10, 1e-4); /* 21 without the bound */
    cr_assert_float_eq(b.shift[1], log(10), 1e-5);
    cr_assert_float_eq(b.shift[0], 0, 1e-5);
    balance_release(&b);
}

/* Nobody has finding 3: nothing pulls its logit up, so nothing is to be taken off it. */
Test(balance, a_finding_that_nobody_has_is_not_weighed)
{
    struct table_row rows[ROWS];
    uint32_t index[ROWS];
    struct balance b = balanced(BALANCE_WEIGHT, rows, index);

    cr_assert_eq(b.shift[3], 0);
    cr_assert(b.positive[3] == 1 && b.negative[3] == 1);
    cr_assert_float_eq(b.log_odds[3], log_odds(0, ROWS), 1e-12);
    balance_release(&b);
}

/* The mean over draws of the base rates' loss is that of the rows as they are, however they are balanced. */
static double mean_base_loss(const struct balance *b, struct table_row *rows)
{
    double sum = 0, draws = 0;

    for (size_t i = 0; i < ROWS; i++) {
        const double often = b->row_weights ? (double)b->row_weights[i] : 1;
        float logits[N_NIH_LABELS];
        uint8_t truth[N_NIH_LABELS];

        row_truth(&(struct table){ .labels = NIH_LABELS, .rows = rows }, i, truth);
        for (size_t k = 0; k < N_NIH_LABELS; k++)
            logits[k] = (float)b->log_odds[k];
        sum += often * balance_unweighted_loss(b, logits, truth);
        draws += often;
    }
    return sum / draws;
}

Test(balance, the_loss_that_is_told_is_of_the_rates_as_they_are)
{
    double loss[3];

    for (int how = BALANCE_NONE; how <= BALANCE_WEIGHT; how++) {
        struct table_row rows[ROWS];
        uint32_t index[ROWS];
        struct balance b = balanced((enum balancing)how, rows, index);

        loss[how] = mean_base_loss(&b, rows);
        balance_release(&b);
    }
    cr_assert_float_eq(loss[BALANCE_RESAMPLE], loss[BALANCE_NONE], 1e-6);
    cr_assert_float_eq(loss[BALANCE_WEIGHT], loss[BALANCE_NONE], 1e-6);
}

Test(balance, resampling_draws_rows_of_rare_findings_more_often)
{
    struct table_row rows[ROWS];
    uint32_t index[ROWS], counts[ROWS] = { 0 };
    struct balance b = balanced(BALANCE_RESAMPLE, rows, index);
    const struct rows source = { ROWS, index };
    struct order o;
    struct rng rng;
    const uint32_t *drawn;

    cr_assert_eq(b.row_weights[0], 1, "a common finding");
    cr_assert_eq(b.row_weights[60], 1, "no finding");
    cr_assert_float_eq((double)b.row_weights[99], sqrt(55.0 / 14), 1e-5);
    cr_assert_float_eq((double)b.row_weights[48], 1, 1e-5, "4 of 100 is above the mean rate");
    cr_assert_gt(b.shift[2], 0);
    rng_seed(&rng, 3, 0);
    cr_assert_eq(order_init(&o, &source, b.row_weights, &rng), ST_OK);
    for (int epoch = 0; epoch < 200; epoch++) {
        cr_assert_eq(order_next(&o, ROWS, &drawn), ROWS);
        for (size_t i = 0; i < ROWS; i++)
            counts[drawn[i]]++;
        order_restart(&o);
    }
    cr_assert_float_eq(counts[99] / 200.0, ROWS * sqrt(55.0 / 14) / (99 + sqrt(55.0 / 14)), 0.1);
    cr_assert_float_eq(counts[60] / 200.0, ROWS / (99 + sqrt(55.0 / 14)), 0.1);
    order_release(&o);
    balance_release(&b);
}

Test(balance, an_order_by_equal_weights_takes_every_row_once)
{
    uint32_t index[ROWS], counts[ROWS] = { 0 };
    float weights[ROWS];
    const struct rows source = { ROWS, index };
    struct order o;
    const uint32_t *drawn;

    for (uint32_t i = 0; i < ROWS; i++) {
        index[i] = i;
        weights[i] = 0.3f;
    }
    cr_assert_eq(order_init(&o, &source, weights, NULL), ST_OK);
    cr_assert_eq(order_next(&o, ROWS, &drawn), ROWS);
    for (size_t i = 0; i < ROWS; i++)
        cr_assert_eq(++counts[drawn[i]], 1);
    order_release(&o);
}

/* ---- in a training ---- */

static struct train_result trained(const char *datasets, const char *changes, const struct model *init)
{
    const struct train_config config = tiny_config(changes);
    const struct train_request request = {
        .config = &config, .datasets = datasets, .init = init, .threads = 2
    };
    const struct train_observer nobody = { 0 };
    struct train_result result;
    struct error err = { 0 };

    cr_assert_eq(train_run(&request, &nobody, &result, &err), ST_OK, "%s: %s", changes, err.text);
    return result;
}

/* Weights that do not move come out as they went in, whatever was added to the bias in between. */
Test(balance, leaves_a_model_that_does_not_learn_as_it_was)
{
    char *datasets = scratch_folder(), changes[160];
    struct model *m = tiny_model(4, 1, NULL);
    double loss = 0;

    tiny_dataset(datasets, 60, 0);
    for (size_t i = 0; i < 3; i++) {
        static const char *const HOW[] = { "none", "resample", "weight" };
        struct train_result result;

        snprintf(changes, sizeof changes, "{\"balance\":\"%s\",\"learning_rate\":1e-9,\"steps_per_epoch\":1}",
                 HOW[i]);
        result = trained(datasets, changes, m);
        cr_assert(i == 0 || fabs(result.validation_loss - loss) < 1e-5 * loss, "%s: %g, not %g", HOW[i],
                  result.validation_loss, loss);
        loss = result.validation_loss;
        train_result_release(&result);
    }
    model_unref(m);
    scratch_remove(datasets);
}

/* The first model knows the base rates, balanced or not: its head is 0. */
Test(balance, begins_at_the_rates_as_they_are)
{
    char *datasets = scratch_folder(), changes[240];

    tiny_dataset(datasets, 100, 0);
    for (size_t i = 0; i < 3; i++) {
        static const char *const HOW[] = { "none", "resample", "weight" };
        struct train_result result;

        snprintf(changes, sizeof changes,
                 "{\"balance\":\"%s\",\"learning_rate\":1e-9,\"steps_per_epoch\":1,\"head_scale\":0}",
                 HOW[i]);
        result = trained(datasets, changes, NULL);
        cr_assert(fabs(result.validation_loss - result.baseline.loss) < 0.02 * result.baseline.loss,
                  "%s: %g, base rates %g", HOW[i], result.validation_loss, result.baseline.loss);
        train_result_release(&result);
    }
    scratch_remove(datasets);
}
