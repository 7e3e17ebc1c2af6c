/* tests/unit/test_feedback.c - kept scores, readers' feedback on them, and the figures that come of it. */
#include "cxrd/feedback.h"
#include "cxrd/feedback_paired.h"
#include "cxrd/metrics.h"
#include "sentence.h"
#include "store_case.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(feedback, .init = store_case_begin, .fini = store_case_end);

static const struct labels TWO = { 2, { "Mass", "Effusion" } };

/* A prediction of two findings whose id ends in `i`; both are called where its bits say so. */
static struct kept_scores row(int i, uint64_t positive, float mass)
{
    struct kept_scores r = { .model = "aaaaaaaa", .operating = "youden", .at = 1000 + i, .known = 3, .n = 2 };

    snprintf(r.id, sizeof r.id, "00000000-%04d", i);
    r.positive = positive;
    r.probability[0] = mass;
    r.probability[1] = 0.5F;
    return r;
}

static void kept(struct kept_scores r, int64_t until)
{
    const struct labels *labels = &TWO;
    struct error err = { 0 };

    cr_assert_eq(store_scores_write(store, &r, &labels, 1, until, &err), ST_OK, "%s", err.text);
}

static enum status say(int i, const char *reader, const char *finding, enum reading_says what, int64_t now,
                       uint64_t *ret_replaced, struct error *err)
{
    char id[ID_SIZE];
    struct feedback f = { .id = id, .reader = reader, .n = 1, .findings = { finding }, .says = { what } };
    size_t readers;

    snprintf(id, sizeof id, "00000000-%04d", i);
    return store_feedback_write(store, &f, now, ret_replaced, &readers, err);
}

static void said(int i, const char *reader, const char *finding, enum reading_says what)
{
    uint64_t replaced;
    struct error err = { 0 };

    cr_assert_eq(say(i, reader, finding, what, 10, &replaced, &err), ST_OK, "%s", err.text);
}

static struct feedback_groups collected(const char *candidate)
{
    struct feedback_groups g;
    struct error err = { 0 };

    cr_assert_eq(feedback_collect(store, NULL, candidate, 0, &g, &err), ST_OK, "%s", err.text);
    return g;
}

Test(feedback, on_what_is_not_kept_or_over_is_refused)
{
    uint64_t replaced;
    struct error err = { 0 };
    char model[ID_SIZE];

    check_refusal("none", say(1, "r", "Mass", SAYS_PRESENT, 10, &replaced, &err), ST_NOTFOUND, &err, "0001");
    kept(row(1, 0, 0), 100);
    cr_assert_eq(say(1, "r", "Mass", SAYS_PRESENT, 99, &replaced, &err), ST_OK);
    check_refusal("over", say(1, "r", "Mass", SAYS_PRESENT, 100, &replaced, &err), ST_NOTFOUND, &err, "0001");
    check_refusal("its model", store_scores_model(store, "00000000-0001", 100, model, &err), ST_NOTFOUND,
                  &err, "its time is over");
}

Test(feedback, of_the_same_reader_is_replaced)
{
    uint64_t replaced;
    struct error err = { 0 };

    kept(row(1, 0, 0), 100);
    cr_assert_eq(say(1, "r", "Mass", SAYS_PRESENT, 10, &replaced, &err), ST_OK);
    cr_assert_eq(replaced, 0);
    cr_assert_eq(say(1, "r", "Mass", SAYS_ABSENT, 11, &replaced, &err), ST_OK);
    cr_assert_eq(replaced, 1);
    cr_assert_eq(say(1, "s", "Mass", SAYS_ABSENT, 11, &replaced, &err), ST_OK);
    cr_assert_eq(replaced, 0);
    cr_assert_str_eq(
        asked("SELECT count(*) || ' ' || min(reader || says) || ' ' || max(reader || says) FROM feedback"),
        "2 r0 s0");
}

Test(feedback, goes_with_the_scores_when_their_time_is_over)
{
    struct error err = { 0 };
    struct scores_kept count;
    struct labels labels;
    size_t gone;

    for (int i = 0; i < 5; i++)
        kept(row(i, 0, 0), 100 + i);
    said(0, "r", "Mass", SAYS_PRESENT);
    said(4, "r", "Mass", SAYS_PRESENT);
    cr_assert_eq(store_scores_sweep(store, 102, 2, &gone, &err), ST_OK, "%s", err.text);
    cr_assert_eq(gone, 2);
    cr_assert_eq(store_scores_sweep(store, 102, 2, &gone, &err), ST_OK, "%s", err.text);
    cr_assert_eq(gone, 1);
    cr_assert_eq(store_scores_count(store, &count, &err), ST_OK);
    cr_assert(count.predictions == 2 && count.readings == 1 && count.oldest == 1003);
    cr_assert_eq(store_scores_labels(store, "aaaaaaaa", &labels, &err), ST_OK);
    cr_assert(labels_equal(&labels, &TWO));
    cr_assert_eq(store_scores_sweep(store, 1000, 10, &gone, &err), ST_OK, "%s", err.text);
    check_refusal("labels", store_scores_labels(store, "aaaaaaaa", &labels, &err), ST_NOTFOUND, &err,
                  "aaaaaaaa");
}

Test(feedback, is_settled_by_most_readers_and_left_out_where_they_are_even)
{
    struct feedback_figures f[MAX_LABELS];
    struct feedback_groups g;

    for (int i = 0; i < 4; i++)
        kept(row(i, i % 2 == 0, 0.1F * (float)i), 100);
    said(0, "a", "Mass", SAYS_PRESENT); /* called, and there by two of three */
    said(0, "b", "Mass", SAYS_PRESENT);
    said(0, "c", "Mass", SAYS_ABSENT);
    said(1, "a", "Mass", SAYS_PRESENT); /* not called, and there */
    said(1, "b", "Mass", SAYS_UNSURE);
    said(2, "a", "Mass", SAYS_PRESENT); /* called, and nobody knows */
    said(2, "b", "Mass", SAYS_ABSENT);
    said(3, "a", "Mass", SAYS_ABSENT); /* not called, and not there */
    g = collected(NULL);
    cr_assert(g.n == 1 && g.groups[0].n == 4 && g.groups[0].readings == 8 && g.groups[0].readers_most == 3);
    cr_assert_eq(feedback_figures(&g.groups[0], f), ST_OK);
    cr_assert(f[0].present == 2 && f[0].absent == 1 && f[0].unsettled == 1);
    cr_assert_float_eq(f[0].sensitivity.value, 0.5, 1e-12);
    cr_assert_float_eq(f[0].specificity.value, 1, 1e-12);
    cr_assert(f[1].present == 0 && f[1].unsettled == 0 && isnan(f[1].sensitivity.value));
    cr_assert_float_eq(f[0].auroc.value, 0, 1e-12); /* the one that lacks it has the highest score */
    feedback_groups_release(&g);
}

Test(feedback, intervals_are_by_patient)
{
    struct feedback_figures alone[MAX_LABELS], together[MAX_LABELS];
    struct feedback_groups g;

    for (int i = 0; i < 40; i++) {
        kept(row(i, i % 4 < 3, 0.5F), 100);
        said(i, "a", "Mass", SAYS_PRESENT);
    }
    g = collected(NULL);
    cr_assert_eq(feedback_figures(&g.groups[0], alone), ST_OK);
    for (size_t i = 0; i < 40; i++) /* every patient has four pictures that are called alike */
        g.groups[0].patients[i] = 1 + (g.groups[0].call[2 * i] == 1 ? i / 4 : 100 + i / 4);
    cr_assert_eq(feedback_figures(&g.groups[0], together), ST_OK);
    cr_assert_float_eq(alone[0].sensitivity.value, 0.75, 1e-12);
    cr_assert_float_eq(together[0].sensitivity.value, 0.75, 1e-12);
    cr_assert_gt(together[0].sensitivity.high - together[0].sensitivity.low,
                 1.2 * (alone[0].sensitivity.high - alone[0].sensitivity.low));
    feedback_groups_release(&g);
}

Test(feedback, of_a_shadow_is_joined_where_both_were_kept)
{
    struct kept_scores other = row(1, 0, 0.9F);
    struct feedback_groups g;

    kept(row(1, 1, 0.25F), 100);
    kept(row(2, 1, 0.25F), 100);
    snprintf(other.model, sizeof other.model, "bbbbbbbb");
    other.shadow = true;
    kept(other, 100);
    snprintf(other.id, sizeof other.id, "00000000-0077"); /* of a prediction that was not kept */
    kept(other, 100);
    said(1, "a", "Mass", SAYS_PRESENT);
    said(2, "a", "Mass", SAYS_PRESENT);
    g = collected("bbbbbbbb");
    cr_assert(g.n == 1 && g.groups[0].n == 1);
    cr_assert_float_eq(g.groups[0].other_prob[0], 0.9F, 0);
    cr_assert(g.groups[0].call[0] == 1 && g.groups[0].other_call[0] == 0);
    feedback_groups_release(&g);
    cr_assert_str_eq(asked("SELECT count(*) FROM shadow_scores"), "1");
}

Test(feedback, survives_a_restart)
{
    struct feedback_groups g;

    kept(row(1, 1, 0.25F), 100);
    said(1, "a", "Mass", SAYS_PRESENT);
    store_reopen();
    g = collected(NULL);
    cr_assert(g.n == 1 && g.groups[0].n == 1 && g.groups[0].truth[0] == 1 &&
              g.groups[0].truth[1] == TRUTH_UNKNOWN);
    feedback_groups_release(&g);
}

Test(feedback, of_a_shadow_is_of_the_pictures_since_it_began)
{
    struct feedback_groups g;
    struct error err = { 0 };

    for (int i = 0; i < 4; i++) {
        struct kept_scores other = row(i, 0, 0.9F);

        kept(row(i, 0, 0.5F), 5000);
        snprintf(other.model, sizeof other.model, "bbbbbbbb");
        other.shadow = true;
        kept(other, 5000);
        said(i, "a", "Mass", SAYS_PRESENT);
    }
    cr_assert_eq(feedback_collect(store, NULL, "bbbbbbbb", 1002, &g, &err), ST_OK, "%s", err.text);
    cr_assert(g.n == 1 && g.groups[0].n == 2 && g.groups[0].readings == 2);
    feedback_groups_release(&g);
}

/* ---- a candidate in the shadow ---- */

/* Two pictures of each of ten patients: the candidate is right on both of three patients more. */
Test(feedback, tests_rates_by_patient_where_pictures_share_one)
{
    struct feedback_paired *alone = malloc(sizeof *alone), *together = malloc(sizeof *together);
    struct feedback_rows rows = { .labels = TWO };

    for (size_t i = 0; i < 20; i++) {
        cr_assert_eq(feedback_rows_add(&rows), ST_OK);
        rows.patients[i] = i;
        rows.truth[2 * i] = 1;
        rows.call[2 * i] = i < 4;
        rows.other_call[2 * i] = i < 10;
    }
    cr_assert_eq(feedback_pair(&rows, alone), ST_OK);
    for (size_t i = 0; i < 20; i++)
        rows.patients[i] = i / 2;
    cr_assert_eq(feedback_pair(&rows, together), ST_OK);
    cr_assert(alone->sensitivity[0].only_candidate == 6 && alone->sensitivity[0].only_active == 0);
    cr_assert_float_eq(alone->sensitivity[0].p, 2 / 64.0, 1e-9); /* two-sided, of six tosses */
    cr_assert_float_eq(together->sensitivity[0].gain.value, 0.3, 1e-12);
    cr_assert_gt(together->sensitivity[0].p, 2 * alone->sensitivity[0].p);
    cr_assert(alone->specificity[0].pictures == 0 && isnan(alone->specificity[0].p));
    feedback_rows_release(&rows);
    free(alone);
    free(together);
}
