/* tests/unit/test_shadow_decision.c - may a model leave the shadow for the active one's place? */
#include "cxrd/shadow_decision.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PICTURES = 1000 };

static struct shadow_counts counts;
static struct feedback_paired feedback;
static char reason[REASON_TEXT];

/* Two findings with a verdict of both; of the second the candidate alone calls the first `alone` pictures. */
static void begin_with(size_t alone)
{
    static const float SCORES[2] = { 0.5F, 0.5F };

    memset(&counts, 0, sizeof counts);
    counts.labels = NIH_LABELS;
    counts.labels.n = 2;
    for (size_t i = 0; i < PICTURES; i++)
        shadow_count(&counts, &(struct shadow_pair){ .probability = { SCORES, SCORES },
                                                     .known = { 3, 3 },
                                                     .positive = { 0, i < alone ? 2 : 0 } });
    memset(&feedback, 0, sizeof feedback);
    feedback.pictures = 50;
    feedback.auroc.macro.gain = (struct estimate){ 0.01, 0.01, -0.01, 0.03 };
}

static void begin(void) { begin_with(0); }

TestSuite(shadow_decision, .init = begin);

Test(shadow_decision, allows_what_agrees_and_nobody_objects_to)
{
    cr_assert(shadow_decide(&counts, 0.01, NULL, reason));
    cr_assert(strstr(reason, "spoke of none"), "%s", reason);
    cr_assert(shadow_decide(&counts, 0.01, &feedback, reason));
    cr_assert(strstr(reason, "of 50 pictures"), "%s", reason);
}

Test(shadow_decision, goes_by_the_upper_end_of_the_discordance)
{
    begin_with(200);
    cr_assert_lt(shadow_figures(&counts, 1).discordance.value, 0.21);
    cr_assert_gt(shadow_figures(&counts, 1).discordance.high, 0.21);
    cr_assert_not(shadow_decide(&counts, 0.21, NULL, reason));
    cr_assert(strstr(reason, counts.labels.names[1]), "%s", reason);
    cr_assert(shadow_decide(&counts, 0.25, NULL, reason), "%s", reason);
}

Test(shadow_decision, refuses_what_failed_or_cannot_be_compared)
{
    counts.failed = 1;
    cr_assert_not(shadow_decide(&counts, 1, NULL, reason));
    cr_assert(strstr(reason, "1 of 1001"), "%s", reason);
    memset(counts.findings, 0, sizeof counts.findings);
    counts.failed = 0;
    cr_assert_not(shadow_decide(&counts, 1, NULL, reason));
    cr_assert(strstr(reason, "no finding has a verdict"), "%s", reason);
}

Test(shadow_decision, heeds_readers_who_surely_say_that_it_is_worse)
{
    feedback.auroc.macro.gain = (struct estimate){ -0.02, 0.009, -0.038, -0.002 };
    cr_assert_not(shadow_decide(&counts, 1, &feedback, reason));
    cr_assert(strstr(reason, "macro AUROC is lower"), "%s", reason);
    feedback.auroc.macro.gain.high = 0.001;
    cr_assert(shadow_decide(&counts, 1, &feedback, reason), "%s", reason);
}

Test(shadow_decision, divides_the_level_among_the_rates)
{
    for (size_t k = 0; k < 2; k++)
        feedback.sensitivity[k] = feedback.specificity[k] = (struct mcnemar){ .pictures = 25, .p = 1 };
    feedback.specificity[1].gain.value = -0.2;
    feedback.specificity[1].p = 0.013; /* of four tests at 0.05 each has 0.0125 */
    cr_assert(shadow_decide(&counts, 1, &feedback, reason), "%s", reason);
    feedback.specificity[1].p = 0.012;
    cr_assert_not(shadow_decide(&counts, 1, &feedback, reason));
    cr_assert(strstr(reason, "specificity"), "%s", reason);
    feedback.specificity[1].gain.value = 0.2; /* it is higher */
    cr_assert(shadow_decide(&counts, 1, &feedback, reason), "%s", reason);
}
