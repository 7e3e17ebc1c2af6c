/* tests/unit/test_promotion.c - a model is surely better by the margin and surely loses no finding by more than the drop, or
 * it is not taken, and the sentence says why. */
#include "cxrd/promotion.h"
#include "cxrd/rng.h"
#include "jobs/training/compare.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 100 };

static struct compared gained(double from, double value, double error)
{
    return (struct compared){ from + value, from, { value, error, value - 2 * error, value + 2 * error } };
}

/* Every finding gains as much, known as well as that. */
static struct comparison level(double gain, double error)
{
    struct comparison c = { .rows = ROWS, .patients = ROWS / 2, .macro = gained(0.5, gain, error) };

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        c.findings[k] = gained(0.5, gain, error);
    return c;
}

static struct train_config RULE = { .promote = PROMOTE_IF_BETTER,
                                    .promote_margin = 0.0625, /* exact in binary, as all here */
                                    .promote_max_drop = 0.125 };

static void rule_begin(void) { RULE.labels = NIH_LABELS; }

TestSuite(promotion, .init = rule_begin, .fini = check_no_leaks);

static bool decided(const struct comparison *on, const char *word)
{
    char reason[REASON_TEXT] = "";
    const bool promoted = promotion_decide(&RULE, on, reason);

    cr_assert(strstr(reason, word), "'%s' says nothing of '%s'", reason, word);
    return promoted;
}

Test(promotion, takes_what_is_surely_better_by_more_than_the_margin)
{
    const struct comparison sure = level(0.125, 0.03125 * 0.99), doubtful = level(0.125, 0.03125),
                            worse = level(-0.25, 0.001), same = level(0, 0), unknown = level(0.25, NAN);

    cr_assert(decided(&sure, "0.6250 against 0.5000"));
    cr_assert_not(decided(&doubtful, "(95 %: 0.0625 to 0.1875), which is not surely above 0.0625"));
    cr_assert_not(decided(&worse, "a gain of -0.2500"));
    cr_assert_not(decided(&same, "a gain of 0.0000"));
    cr_assert_not(decided(&unknown, "not surely"), "rows of one patient prove nothing");
}

Test(promotion, refuses_a_finding_that_surely_falls_too_far_however_good_the_rest_is)
{
    struct comparison on = level(0.25, 0.03125);

    on.findings[7].gain = (struct estimate){ -0.25, 0.0625, -0.375, -0.125 };
    cr_assert(decided(&on, "no finding surely falls by more than 0.1250"), "it may be the limit");
    on.findings[7].gain.high = nextafter(-0.125, -1);
    cr_assert_not(decided(&on, "Hernia falls by 0.2500"));
    on.findings[7].gain.high = NAN;
    cr_assert(decided(&on, "no finding"), "nobody knows");
    on.findings[13].gain = (struct estimate){ -0.375, 0.0625, -0.5, -0.25 }; /* the worst is named */
    on.findings[7].gain.high = -0.2;
    cr_assert_not(decided(&on, "Pneumothorax falls by 0.3750"));
}

Test(promotion, leaves_findings_without_an_auroc_out)
{
    struct comparison on = level(0.25, 0.03125);

    for (size_t k = 0; k < 2; k++)
        on.findings[k] = (struct compared){ NAN, NAN, { NAN, NAN, NAN, NAN } };
    cr_assert(decided(&on, "no finding"));
}

Test(promotion, refuses_what_is_no_number_on_either_side)
{
    struct comparison on = level(0.25, 0.03125);

    on.findings[3].candidate = NAN;
    cr_assert_not(decided(&on, "Edema"));
    on = level(0.25, 0.03125);
    on.findings[3].active = NAN;
    cr_assert_not(decided(&on, "Edema"));
    on = level(0.25, 0.03125);
    on.macro.candidate = NAN;
    cr_assert_not(decided(&on, "macro AUROC"));
}

Test(promotion, refuses_a_model_that_has_seen_fewer_kinds_of_people_unless_that_is_asked_for)
{
    struct train_config rule = RULE;
    struct comparison on = level(0.25, 0.03125);
    char reason[REASON_TEXT];

    on.narrower = true;
    cr_assert_not(promotion_decide(&rule, &on, reason));
    cr_assert(strstr(reason, "has seen normal chests") && strstr(reason, "'promote_narrower'"), "%s", reason);
    rule.promote_narrower = true;
    cr_assert(promotion_decide(&rule, &on, reason));
}

/* ---- the comparison itself ---- */

enum { COMPARED = 400 };

/* Scores of two models that share what is hard about a picture: `lift` is what ours sees more. */
static void two_models(double lift, struct scores *ours, struct scores *theirs)
{
    static uint8_t truth[COMPARED * N_NIH_LABELS];
    static float prob[2][COMPARED * N_NIH_LABELS];
    static uint64_t patients[COMPARED];
    struct rng rng;

    rng_seed(&rng, 21, 1);
    for (size_t i = 0; i < COMPARED; i++)
        patients[i] = i / 3;
    for (size_t i = 0; i < COMPARED * N_NIH_LABELS; i++) {
        const double hard = rng_unit(&rng) + rng_unit(&rng), noise = 0.1;

        truth[i] = rng_unit(&rng) < 0.3;
        prob[0][i] = (float)((hard + (0.3 + lift) * truth[i] + noise * rng_unit(&rng)) / 4);
        prob[1][i] = (float)((hard + 0.3 * truth[i] + noise * rng_unit(&rng)) / 4);
    }
    *ours = (struct scores){
        .n = COMPARED, .labels = &NIH_LABELS, .patients = patients, .truth = truth, .prob = prob[0]
    };
    *theirs = (struct scores){
        .n = COMPARED, .labels = &NIH_LABELS, .patients = patients, .truth = truth, .prob = prob[1]
    };
}

Test(promotion, comparison_is_of_pairs_and_by_patient)
{
    struct scores ours, theirs;
    struct comparison c;
    double each[N_NIH_LABELS], macro;

    two_models(0.2, &ours, &theirs);
    cr_assert_eq(compare(&ours, &theirs, 7, &c), ST_OK);
    cr_assert(c.rows == COMPARED && c.normal_rows == 7 && c.patients == COMPARED / 3 + 1);
    cr_assert_eq(macro_auroc(&ours, each, &macro), ST_OK);
    cr_assert_float_eq(c.macro.candidate, macro, 1e-12);
    cr_assert_float_eq(c.findings[5].candidate, each[5], 1e-12);
    cr_assert_float_eq(c.macro.gain.value, c.macro.candidate - c.macro.active, 1e-12);
    cr_assert_gt(c.macro.gain.low, 0);
    cr_assert_lt(c.macro.gain.error, 0.01);
    two_models(0, &ours, &theirs);
    cr_assert_eq(compare(&ours, &theirs, 0, &c), ST_OK);
    cr_assert(c.macro.gain.low < 0 && c.macro.gain.high > 0);
}

/* One patient has a hernia, and theirs finds it: that alone would drown what the other findings say. */
Test(promotion, comparison_leaves_findings_of_one_patient_out)
{
    struct scores ours, theirs;
    struct comparison c;
    double others = 0;

    two_models(0.2, &ours, &theirs);
    for (size_t i = 0; i < COMPARED; i++) {
        ours.truth[i * N_NIH_LABELS + 7] = i == 30;
        theirs.prob[i * N_NIH_LABELS + 7] = i == 30;
    }
    cr_assert_eq(compare(&ours, &theirs, 0, &c), ST_OK);
    cr_assert(!isnan(c.findings[7].gain.value) && isnan(c.findings[7].gain.low));
    for (size_t k = 0; k < N_NIH_LABELS; k++)
        others += k == 7 ? 0 : c.findings[k].candidate / (N_NIH_LABELS - 1);
    cr_assert_float_eq(c.macro.candidate, others, 1e-12);
    cr_assert_float_eq(c.macro.gain.value, c.macro.candidate - c.macro.active, 1e-12);
    cr_assert_lt(c.macro.gain.error, 0.01);
}

/* A few patients of whom ours tells the ill from the well without a fault and theirs not at all: no two rows differ in it, and
 * that proves what so few patients can. */
Test(promotion, comparison_without_a_spread_is_not_certain)
{
    struct scores ours, theirs;
    struct comparison few, many;
    char reason[REASON_TEXT];

    two_models(0, &ours, &theirs);
    for (size_t i = 0; i < COMPARED * N_NIH_LABELS; i++) {
        ours.truth[i] = i / N_NIH_LABELS < 9;
        ours.prob[i] = ours.truth[i] ? 0.75f : 0.25f;
        theirs.prob[i] = 0.5f;
    }
    cr_assert_eq(compare(&ours, &theirs, 0, &few), ST_OK);
    cr_assert_float_eq(few.macro.gain.value, 0.5, 1e-12);
    cr_assert(few.macro.gain.low < 0 && few.macro.gain.high < 1, "three ill patients: %g to %g",
              few.macro.gain.low, few.macro.gain.high);
    cr_assert(few.findings[3].gain.low < 0 && few.findings[3].gain.error > 0.1);
    cr_assert_not(promotion_decide(&RULE, &few, reason));
    cr_assert_eq(compare(&theirs, &ours, 0, &few), ST_OK);
    cr_assert(few.macro.gain.value < 0 && few.macro.gain.high > 0, "nor do they prove that it is worse");
    for (size_t i = 0; i < COMPARED * N_NIH_LABELS; i++) {
        ours.truth[i] = i / N_NIH_LABELS < 200;
        ours.prob[i] = ours.truth[i] ? 0.75f : 0.25f;
    }
    cr_assert_eq(compare(&ours, &theirs, 0, &many), ST_OK);
    cr_assert(many.macro.gain.low > 0.4 && many.macro.gain.low < 0.5, "67 ill ones do: %g",
              many.macro.gain.low);
    cr_assert(promotion_decide(&RULE, &many, reason));
}

Test(promotion, is_recorded_with_its_figures)
{
    struct train_result result = { .labels = NIH_LABELS,
                                   .comparison = level(0.25, 0.03125),
                                   .incumbent_split = LINEAGE_SAME };
    json_t *record, *comparison, *finding;

    result.comparison.normal_rows = 40;
    record = promotion_json(&RULE, true, "why", "0123-4567", &result);
    cr_assert_str_eq(json_string_value(json_object_get(record, "promote")), "if_better");
    cr_assert(json_is_true(json_object_get(record, "promoted")));
    cr_assert_str_eq(json_string_value(json_object_get(record, "reason")), "why");
    cr_assert(json_is_null(json_object_get(record, "warning")));
    cr_assert_eq(json_real_value(json_object_get(record, "margin")), 0.0625);
    cr_assert_eq(json_real_value(json_object_get(record, "max_drop")), 0.125);
    comparison = json_object_get(record, "comparison");
    cr_assert_str_eq(json_string_value(json_object_get(comparison, "active")), "0123-4567");
    cr_assert_str_eq(json_string_value(json_object_get(comparison, "active_split")), "same");
    cr_assert_eq(json_integer_value(json_object_get(comparison, "rows")), ROWS);
    cr_assert_eq(json_integer_value(json_object_get(comparison, "normal_rows")), 40);
    cr_assert_eq(json_integer_value(json_object_get(comparison, "patients")), ROWS / 2);
    cr_assert(json_is_false(json_object_get(comparison, "narrower")));
    cr_assert_eq(json_array_size(json_object_get(comparison, "findings")), N_NIH_LABELS);
    finding = json_array_get(json_object_get(comparison, "findings"), 13);
    cr_assert_str_eq(json_string_value(json_object_get(finding, "label")), "Pneumothorax");
    cr_assert_eq(json_real_value(json_object_get(finding, "gain")), 0.25);
    cr_assert_eq(json_real_value(json_object_get(finding, "gain_low")), 0.1875);
    cr_assert_eq(json_real_value(json_object_get(finding, "gain_high")), 0.3125);
    json_decref(record);
    record = promotion_json(&RULE, false, "why", NULL, &result);
    cr_assert(json_is_null(json_object_get(record, "comparison")));
    json_decref(record);
}

/* `word` is NULL where there is nothing to say. */
static void check_warned(enum lineage candidate, enum lineage active, const char *word)
{
    const struct train_result result = { .labels = NIH_LABELS,
                                         .dataset.init_split = candidate,
                                         .incumbent_split = active };
    json_t *compared = promotion_json(&RULE, true, "why", "0123-4567", &result),
           *alone = promotion_json(&RULE, true, "why", NULL, &result);
    const char *said = json_string_value(json_object_get(compared, "warning"));

    cr_assert(word ? said && strstr(said, word) : !said, "%d and %d: '%s'", (int)candidate, (int)active,
              said ? said : "nothing");
    cr_assert(json_is_null(json_object_get(alone, "warning")), "nothing was compared");
    json_decref(compared);
    json_decref(alone);
}

Test(promotion, says_which_of_the_two_may_have_learned_from_the_rows_that_decide)
{
    check_warned(LINEAGE_NONE, LINEAGE_SAME, NULL);
    check_warned(LINEAGE_SAME, LINEAGE_SAME, NULL);
    check_warned(LINEAGE_NONE, LINEAGE_OTHER, "the active model may");
    check_warned(LINEAGE_SAME, LINEAGE_UNKNOWN, "the active model may");
    check_warned(LINEAGE_OTHER, LINEAGE_SAME, "the job's model began");
    check_warned(LINEAGE_UNKNOWN, LINEAGE_SAME, "the job's model began");
    check_warned(LINEAGE_UNKNOWN, LINEAGE_OTHER, "either model");
}
