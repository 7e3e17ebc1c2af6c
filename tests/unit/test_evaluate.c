/* tests/unit/test_evaluate.c - an evaluation's figures, errors by patient and answers, and the names in a scores file. */
#include "cxrd/csv_text.h"
#include "jobs/training/evaluate.h"
#include "leaks.h"
#include "train_run.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

TestSuite(evaluate, .fini = check_no_leaks);

Test(evaluate, sums_are_those_of_the_metrics_by_hand)
{
    /* two rows: the first has finding 0, the second none; all else is predicted at one half */
    uint8_t truth[2 * N_NIH_LABELS] = { 1 };
    float prob[2 * N_NIH_LABELS];
    struct scores s = { .n = 2, .labels = &NIH_LABELS, .truth = truth, .prob = prob };
    struct operating_points points = OPERATING_NONE;
    double rates[N_NIH_LABELS] = { 0.25 };
    struct evaluation e;

    for (size_t i = 0; i < 2 * N_NIH_LABELS; i++)
        prob[i] = 0.5f;
    prob[0] = 0.75f;
    points.threshold[OPERATE_YOUDEN][0] = 0.75f;
    points.threshold[OPERATE_YOUDEN][1] = 0.5f;
    cr_assert_eq(evaluate(&s, &points, rates, &e), ST_OK);
    cr_assert(e.rows == 2 && e.findings[0].positives == 1 && e.findings[1].positives == 0);
    check_near("prevalence", e.findings[0].prevalence, 0.5, 1e-12);
    check_near("predicted mean", e.findings[0].predicted_mean, 0.625, 1e-12);
    check_near("auroc", e.findings[0].auroc.value, 1, 1e-12);
    cr_assert(isnan(e.findings[1].auroc.value) && isnan(e.findings[1].average_precision));
    check_near("macro auroc, over the one that is defined", e.macro.auroc, 1, 1e-12);
    check_near("micro auroc", e.micro.auroc, 1, 1e-12);
    check_near("brier", e.findings[0].brier.value, (0.0625 + 0.25) / 2, 1e-12);
    check_near("brier of the base rate", e.findings[0].baseline_brier, (0.5625 + 0.0625) / 2, 1e-12);
    check_near("brier of the base rates", e.baseline.macro_brier, (0.5625 + 0.0625) / 2 / 14, 1e-12);
    check_near("loss of the base rates", e.baseline.loss, (-log(0.25) - log(0.75) - 26 * log1p(-1e-7)) / 28,
               1e-7);
    check_near("macro ece", e.macro.ece, ((0.25 + 0.5) / 2 + 13 * 0.5) / 14, 1e-12);
    check_near("sensitivity", e.findings[0].operating[OPERATE_YOUDEN].sensitivity.value, 1, 1e-12);
    check_near("specificity", e.findings[0].operating[OPERATE_YOUDEN].specificity.value, 1, 1e-12);
    check_near("rows above", e.findings[0].operating[OPERATE_YOUDEN].positive_rate.value, 0.5, 1e-12);
    check_near("rows above", e.findings[1].operating[OPERATE_YOUDEN].positive_rate.value, 1, 1e-12);
    cr_assert(isnan(e.findings[1].operating[OPERATE_YOUDEN].specificity.value), "without a positive");
    cr_assert(isnan(e.findings[2].operating[OPERATE_YOUDEN].positive_rate.value), "without a threshold");
    check_near("top 5, over the one row that counts", e.top5_accuracy, 1, 1e-12);
    check_near("loss", e.loss.value, (27 * log(2) - log(0.75)) / 28, 1e-12);
}

/* Rows of one patient count as one: what 60 rows of 60 patients prove, 60 rows of 3 do not. */
static struct evaluation evaluated_by(const uint64_t *patients)
{
    enum { ROWS = 60 };
    static uint8_t truth[ROWS * N_NIH_LABELS];
    static float prob[ROWS * N_NIH_LABELS];
    struct scores s = {
        .n = ROWS, .labels = &NIH_LABELS, .patients = (uint64_t *)patients, .truth = truth, .prob = prob
    };
    double rates[N_NIH_LABELS];
    struct evaluation e;

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        rates[k] = 0.5;
    for (size_t i = 0; i < ROWS * N_NIH_LABELS; i++) {
        const size_t row = i / N_NIH_LABELS;

        truth[i] = row % 2;
        prob[i] = (row * 7 % 10 < 8) == (row % 2) ? 0.6f : 0.4f;
    }
    cr_assert_eq(evaluate(&s, &OPERATING_NONE, rates, &e), ST_OK);
    return e;
}

Test(evaluate, errors_are_by_patient)
{
    uint64_t few[60];
    struct evaluation by_row, by_patient;

    for (size_t i = 0; i < 60; i++)
        few[i] = i % 10 / 4;
    by_row = evaluated_by(NULL);
    by_patient = evaluated_by(few);
    cr_assert(by_row.patients == 60 && by_patient.patients == 3);
    cr_assert(by_row.findings[0].positive_patients == 30 && by_patient.findings[0].positive_patients == 3);
    cr_assert_float_eq(by_row.loss.value, by_patient.loss.value, 1e-12);
    cr_assert_gt(by_patient.loss.error, 1.5 * by_row.loss.error);
    cr_assert_gt(by_patient.loss_gain.error, 1.5 * by_row.loss_gain.error);
    cr_assert_gt(by_patient.macro_brier.error, 1.5 * by_row.macro_brier.error);
    cr_assert_gt(by_patient.macro_auroc.error, 1.5 * by_row.macro_auroc.error);
    cr_assert(by_patient.loss.low >= 0 && by_patient.macro_brier.low >= 0 &&
                  by_patient.macro_brier.high <= 1 && by_patient.macro_auroc.low >= 0 &&
                  by_patient.macro_auroc.high <= 1,
              "three patients are few, but nothing lies outside its bounds");
    cr_assert_float_eq(by_row.macro_auroc.value, by_row.macro.auroc, 1e-12);
    cr_assert_float_eq(by_row.macro_brier.value, by_row.macro.brier, 1e-12);
    cr_assert_float_eq(by_row.loss_gain.value, by_row.baseline.loss - by_row.loss.value, 1e-12);
}

Test(evaluate, learning_has_three_answers_and_goes_by_test_rows)
{
    struct train_result r = {
        .labels = NIH_LABELS,
        .evaluation[SCORED_TEST] = { .rows = 40, .loss_gain = { 0.02, 0.01, 0.001, 0.04 } },
        .evaluation[SCORED_VALIDATION] = { .rows = 60, .loss_gain = { -0.1, 0.01, -0.12, -0.08 } }
    };
    int set;

    cr_assert(learning_of(&r, &set) == LEARNING_LEARNED && set == SCORED_TEST);
    r.evaluation[SCORED_TEST].loss_gain.low = -0.001;
    cr_assert(learning_of(&r, &set) == LEARNING_NOT_KNOWN, "the interval holds 0");
    r.evaluation[SCORED_TEST].loss_gain = (struct estimate){ 0.5, NAN, NAN, NAN };
    cr_assert(learning_of(&r, &set) == LEARNING_NOT_KNOWN, "one patient");
    r.evaluation[SCORED_TEST].rows = 0;
    cr_assert(learning_of(&r, &set) == LEARNING_WORSE && set == SCORED_VALIDATION);
}

/* Forty rows of which each says what the first one says: their gain has no spread, and proves nothing. */
Test(evaluate, rows_that_are_all_alike_do_not_prove_that_anything_was_learned)
{
    static uint8_t truth[40 * N_NIH_LABELS];
    static float prob[40 * N_NIH_LABELS];
    const struct scores s = { .n = 40, .labels = &NIH_LABELS, .truth = truth, .prob = prob };
    struct train_result r = { .labels = NIH_LABELS, .n_epochs = 1 };
    double rates[N_NIH_LABELS];
    int set;

    for (size_t i = 0; i < 40 * N_NIH_LABELS; i++) {
        rates[i % N_NIH_LABELS] = 0.3;
        truth[i] = i % N_NIH_LABELS == 4;
        prob[i] = truth[i] ? 0.8f : 0.1f;
    }
    cr_assert_eq(evaluate(&s, &OPERATING_NONE, rates, &r.evaluation[SCORED_TEST]), ST_OK);
    cr_assert_gt(r.evaluation[SCORED_TEST].loss_gain.value, 0.1);
    cr_assert(isnan(r.evaluation[SCORED_TEST].loss_gain.low));
    cr_assert_eq(learning_of(&r, &set), LEARNING_NOT_KNOWN);
}

Test(evaluate, no_rows_have_no_measures)
{
    static const double rates[N_NIH_LABELS] = { 0 };
    struct scores none = { .labels = &NIH_LABELS,
                           .truth = (uint8_t[N_NIH_LABELS]){ 0 },
                           .prob = (float[N_NIH_LABELS]){ 0 } };
    struct evaluation e;

    cr_assert_eq(evaluate(&none, &OPERATING_NONE, rates, &e), ST_OK);
    cr_assert(e.rows == 0 && isnan(e.loss.value) && isnan(e.top5_accuracy) && isnan(e.macro.auroc) &&
              isnan(e.micro.auroc));
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        cr_assert(isnan(e.findings[k].prevalence) && isnan(e.findings[k].brier.value));
}

Test(evaluate, no_name_in_a_scores_file_is_a_formula)
{
    static const struct {
        const char *name, *field;
    } NAMES[] = { { "=1+1", "'=1+1" },         { "+1", "'+1" },     { "-1", "'-1" },
                  { "@SUM(A1)", "'@SUM(A1)" }, { "\t=1", "'\t=1" }, { "=\"a\"", "\"'=\"\"a\"\"\"" },
                  { "\r=1,2", "\"'\r=1,2\"" }, { "a=1", "a=1" },    { "", "" } };

    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        struct buf out = BUF_INIT(100);

        csv_text(NAMES[i].name, &out);
        cr_assert_str_eq(out.data, NAMES[i].field);
        buf_release(&out);
    }
}

Test(evaluate, names_in_a_scores_file_are_quoted_where_they_must_be)
{
    static const char TABLE[] = "Image Index,Finding Labels,Patient ID,Patient Age\n"
                                "\"a,\"\"b\"\".png\",Mass,1,30\nplain.png,Mass,1,30\n";
    struct table t = TABLE_INIT;
    struct error err = { 0 };
    uint8_t truth[2 * N_NIH_LABELS] = { 0 };
    float prob[2 * N_NIH_LABELS] = { 0 };
    struct scores s = {
        .n = 2, .labels = &NIH_LABELS, .rows = (uint32_t[]){ 0, 1 }, .truth = truth, .prob = prob
    };
    struct buf out = BUF_INIT(1 << 16), small = BUF_INIT(100);

    cr_assert_eq(table_read(TABLE, sizeof TABLE - 1, "t", &NIH_LABELS, &t, &err), ST_OK, "%s", err.text);
    cr_assert_eq(scores_csv(&s, &t, &out), ST_OK);
    cr_assert_not_null(strstr(out.data, "\n\"a,\"\"b\"\".png\",0,0,"));
    cr_assert_not_null(strstr(out.data, "\nplain.png,0,0,"));
    cr_assert_eq(scores_csv(&s, &t, &small), ST_LIMIT);
    buf_release(&small);
    buf_release(&out);
    table_release(&t);
}
