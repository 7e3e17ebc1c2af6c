/* tests/unit/test_promotion.c - a model is better by the margin and loses no finding by more than the drop, or it is
 * not, and the sentence says why. */
#include "cxrd/promotion.h"

#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { ROWS = 100 };

/* Every finding with the same AUROC, as scored on rows that have both kinds. */
static struct evaluation level(double auroc)
{
    struct evaluation e = { .rows = ROWS, .loss.value = 0.3, .macro.auroc = auroc };

    for (size_t k = 0; k < N_LABELS; k++)
        e.findings[k] = (struct finding_report){ .positives = 10, .auroc.value = auroc };
    return e;
}

static const struct train_config RULE = { .promote = PROMOTE_IF_BETTER,
                                          .promote_margin = 0.0625, /* exact in binary, as all here */
                                          .promote_max_drop = 0.125 };

static bool decided(const struct evaluation *candidate, const struct evaluation *active, const char *word)
{
    char reason[REASON_TEXT] = "";
    const bool promoted = promotion_decide(&RULE, candidate, active, reason);

    cr_assert(strstr(reason, word), "'%s' says nothing of '%s'", reason, word);
    return promoted;
}

Test(promotion, takes_a_gain_of_the_margin_and_not_less)
{
    const struct evaluation active = level(0.5), just = level(0.5625), less = level(nextafter(0.5625, 0)),
                            worse = level(0.25);

    cr_assert(decided(&just, &active, "0.5625 against 0.5000"));
    cr_assert_not(decided(&less, &active, "0.0625 are asked for"));
    cr_assert_not(decided(&active, &active, "a gain of 0.0000"));
    cr_assert_not(decided(&worse, &active, "a gain of -0.2500"));
}

Test(promotion, refuses_a_finding_that_falls_too_far_however_good_the_rest_is)
{
    const struct evaluation active = level(0.5);
    struct evaluation candidate = level(0.75);

    candidate.findings[7].auroc.value = 0.375;
    cr_assert(decided(&candidate, &active, "no finding falls"));
    candidate.findings[7].auroc.value = nextafter(0.375, 0);
    cr_assert_not(decided(&candidate, &active, "Hernia"));
    candidate.findings[13].auroc.value = 0.125; /* the worst is named */
    cr_assert_not(decided(&candidate, &active, "Pneumothorax falls by 0.3750"));
}

Test(promotion, leaves_findings_without_an_auroc_out)
{
    struct evaluation active = level(0.5), candidate = level(0.75);

    active.findings[0].positives = candidate.findings[0].positives = 0;
    active.findings[1].positives = candidate.findings[1].positives = ROWS;
    for (size_t k = 0; k < 2; k++)
        active.findings[k].auroc.value = candidate.findings[k].auroc.value = NAN;
    cr_assert(decided(&candidate, &active, "no finding falls"));
}

Test(promotion, refuses_what_is_no_number_on_either_side)
{
    const struct evaluation fine = level(0.5), better = level(0.75);
    struct evaluation e = better;

    e.findings[3].auroc.value = NAN;
    cr_assert_not(decided(&e, &fine, "Edema"));
    e = better;
    e.macro.auroc = NAN;
    cr_assert_not(decided(&e, &fine, "macro AUROC"));
    e = better;
    e.loss.value = INFINITY;
    cr_assert_not(decided(&e, &fine, "loss"));
    e = fine;
    e.findings[3].auroc.value = NAN;
    cr_assert_not(decided(&better, &e, "Edema"));
}

Test(promotion, is_recorded_with_its_figures)
{
    const struct train_result result = { .rival_evaluation = level(0.5),
                                         .rival_split = LINEAGE_SAME,
                                         .evaluation[SCORED_VALIDATION] = level(0.75) };
    json_t *record = promotion_json(&RULE, true, "why", "0123-4567", &result), *comparison;
    json_t *finding;

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
    cr_assert_eq(json_array_size(json_object_get(comparison, "findings")), N_LABELS);
    finding = json_array_get(json_object_get(comparison, "findings"), 13);
    cr_assert_str_eq(json_string_value(json_object_get(finding, "label")), "Pneumothorax");
    cr_assert_eq(json_real_value(json_object_get(finding, "gain")), 0.25);
    json_decref(record);
    record = promotion_json(&RULE, false, "why", NULL, &result);
    cr_assert(json_is_null(json_object_get(record, "comparison")));
    json_decref(record);
}

/* `word` is NULL where there is nothing to say. */
static void check_warned(enum lineage candidate, enum lineage active, const char *word)
{
    const struct train_result result = { .dataset.init_split = candidate, .rival_split = active };
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
