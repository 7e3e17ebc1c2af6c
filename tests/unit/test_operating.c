/* tests/unit/test_operating.c - operating points: the ones that their rules name, found here by trying every threshold
 * there is, and what they do on rows that they were not chosen by. */
#include "cxrd/buf.h"
#include "cxrd/rng.h"
#include "jobs/training/operating.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(operating, .fini = check_no_leaks);

enum { MAX_ROWS = 64 };

struct sample {
    size_t n;
    uint8_t truth[MAX_ROWS];
    float score[MAX_ROWS];
};

static void choose(const struct sample *s, float threshold[N_OPERATING])
{
    cr_assert_eq(operating_choose(s->n, s->truth, s->score, 1, threshold), ST_OK);
}

Test(operating, thresholds_are_those_of_the_rules_by_hand)
{
    /* ten positives and ten negatives; falling score: + + + + + - + + + - + | - - - - - + - - - */
    static const char ORDER[] = "+++++-+++-+-----+---";
    struct sample s = { .n = 20 };
    float threshold[N_OPERATING];

    for (size_t i = 0; i < 20; i++) {
        s.truth[i] = ORDER[i] == '+';
        s.score[i] = 1 - (float)i / 32;
    }
    choose(&s, threshold);
    cr_assert_eq(threshold[OPERATE_YOUDEN], s.score[8], "8 and 9, or 9 and 8 of 10: the higher");
    cr_assert_eq(threshold[OPERATE_SENSITIVITY_90], s.score[10], "the same: 9 of 10 is 0.9");
    cr_assert_eq(threshold[OPERATE_SPECIFICITY_90], s.score[8], "8 of 10 positives, 1 of 10 negatives");
}

Test(operating, scores_that_are_no_numbers_have_no_thresholds)
{
    const struct sample s = { 4, { 0, 1, 0, 1 }, { .1f, .2f, .3f, NAN } };
    float threshold[N_OPERATING] = { 0 };

    choose(&s, threshold);
    for (int kind = 0; kind < N_OPERATING; kind++)
        cr_assert(isnan(threshold[kind]));
}

Test(operating, rates_are_counted_from_the_threshold_on_upwards)
{
    static const uint8_t TRUTH[] = { 1, 1, 0, 0, 0 };
    static const float SCORE[] = { 0.5f, 0.25f, 0.5f, 0.25f, 0.125f };
    struct operating_rates r = operating_rates(5, TRUTH, SCORE, 1, 0.5f);

    cr_assert_float_eq(r.sensitivity, 1.0 / 2, 1e-12, "a score that equals the threshold is positive");
    cr_assert_float_eq(r.specificity, 2.0 / 3, 1e-12);
    r = operating_rates(5, TRUTH, SCORE, 1, NAN);
    cr_assert(isnan(r.sensitivity) && isnan(r.specificity), "there is no threshold");
    r = operating_rates(2, TRUTH, SCORE, 1, 0.5f);
    cr_assert(r.sensitivity == 0.5 && isnan(r.specificity), "there is no negative");
    r = operating_rates(2, TRUTH + 2, SCORE + 2, 1, 0.5f);
    cr_assert(isnan(r.sensitivity) && r.specificity == 0.5, "there is no positive");
}

Test(operating, there_are_none_without_both_kinds_of_rows)
{
    static const uint8_t ONES[] = { 1, 1 }, ZEROS[] = { 0, 0 };
    static const float SCORE[] = { 0.25f, 0.5f };
    const struct {
        size_t n;
        const uint8_t *truth;
    } cases[] = { { 2, ONES }, { 2, ZEROS }, { 0, ONES } };

    for (size_t i = 0; i < 3; i++) {
        float threshold[N_OPERATING] = { 0 };

        cr_assert_eq(operating_choose(cases[i].n, cases[i].truth, SCORE, 1, threshold), ST_OK);
        for (int kind = 0; kind < N_OPERATING; kind++)
            cr_assert(isnan(threshold[kind]), "case %zu has a '%s'", i, OPERATING_NAMES[kind]);
    }
}

Test(operating, there_is_none_where_no_score_is_high_enough)
{
    struct sample s = { 4, { 1, 0, 1, 0 }, { 0.5f, 0.5f, 0.5f, 0.5f } };
    float threshold[N_OPERATING];

    choose(&s, threshold);
    cr_assert(isnan(threshold[OPERATE_SPECIFICITY_90]), "all scores are equal: all or nobody");
    cr_assert_eq(threshold[OPERATE_SENSITIVITY_90], 0.5f);
}

/* ---- against every threshold there is ---- */

/* How good a threshold is by its kind's rule; below 0 where it is not allowed. */
static double merit(enum operating_kind kind, struct operating_rates r)
{
    const double slack = 1e-9;

    switch (kind) {
    case OPERATE_SENSITIVITY_90: return r.sensitivity > 0.9 - slack ? 10 * r.specificity + r.sensitivity : -1;
    case OPERATE_SPECIFICITY_90: return r.specificity > 0.9 - slack ? 10 * r.sensitivity + r.specificity : -1;
    case OPERATE_YOUDEN: return r.sensitivity + r.specificity;
    case N_OPERATING: break;
    }
    return -1;
}

static void check_best(const struct sample *s, enum operating_kind kind, float threshold)
{
    double best = -1;

    for (size_t i = 0; i < s->n; i++)
        best = fmax(best, merit(kind, operating_rates(s->n, s->truth, s->score, 1, s->score[i])));
    if (best < 0)
        cr_assert(isnan(threshold), "%s: none is allowed, and it is %g", OPERATING_NAMES[kind],
                  (double)threshold);
    else
        cr_assert_float_eq(merit(kind, operating_rates(s->n, s->truth, s->score, 1, threshold)), best, 1e-9,
                           "%s: a better threshold than %g exists", OPERATING_NAMES[kind], (double)threshold);
}

Test(operating, no_other_threshold_is_better)
{
    struct sample s;
    struct rng rng;
    size_t checked = 0;

    rng_seed(&rng, 4, 1);
    for (int round = 0; round < 400; round++) {
        const uint64_t levels = 2 + rng_below(&rng, 40);
        float threshold[N_OPERATING];
        size_t positives = 0;

        s.n = 2 + (size_t)rng_below(&rng, MAX_ROWS - 2);
        for (size_t i = 0; i < s.n; i++) {
            s.truth[i] = rng_below(&rng, 3) == 0;
            s.score[i] = (float)(rng_below(&rng, levels) + s.truth[i] * levels / 3) / (float)(2 * levels);
            positives += s.truth[i];
        }
        choose(&s, threshold);
        for (enum operating_kind kind = 0; kind < N_OPERATING && positives && positives < s.n;
             kind++, checked++)
            check_best(&s, kind, threshold[kind]);
    }
    cr_assert_gt(checked, 900);
}

Test(operating, columns_of_a_table_are_taken_by_their_stride)
{
    static const uint8_t TRUTH[] = { 1, 9, 0, 9, 1, 9, 0, 9 };
    static const float SCORE[] = { 0.75f, 1, 0.25f, 1, 0.5f, 1, 0.125f, 1 };
    float threshold[N_OPERATING];

    cr_assert_eq(operating_choose(4, TRUTH, SCORE, 2, threshold), ST_OK);
    cr_assert_eq(threshold[OPERATE_YOUDEN], 0.5f);
    cr_assert_eq(operating_rates(4, TRUTH, SCORE, 2, 0.5f).specificity, 1);
}

/* ---- as text ---- */

static struct operating_points some_points(void)
{
    struct operating_points p = OPERATING_NONE;

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        for (int kind = 0; kind < N_OPERATING; kind++)
            p.threshold[kind][k] = 1.0f / (float)(3 + k * N_OPERATING + (size_t)kind);
    p.threshold[OPERATE_SPECIFICITY_90][3] = NAN;
    p.rates[OPERATE_SENSITIVITY_90][5] = (struct operating_quality){ 0.9375, 0.75, 1, 0.5, 0.25, 0.625 };
    p.rates[OPERATE_YOUDEN][6].specificity = 0.125;
    p.auroc[5] = 0.7;
    p.auroc_low[5] = 0.5;
    p.auroc_high[5] = 0.9;
    p.positives[5] = 12;
    p.negatives[5] = 10;
    p.positives[6] = 9;
    p.negatives[6] = 560;
    p.positives[7] = 560;
    p.negatives[7] = 9;
    p.positives[8] = 10;
    return p;
}

static void check_same(double a, double b) { cr_assert(a == b || (isnan(a) && isnan(b))); }

static void check_same_quality(const struct operating_quality *a, const struct operating_quality *b)
{
    check_same(a->sensitivity, b->sensitivity);
    check_same(a->sensitivity_low, b->sensitivity_low);
    check_same(a->sensitivity_high, b->sensitivity_high);
    check_same(a->specificity, b->specificity);
    check_same(a->specificity_low, b->specificity_low);
    check_same(a->specificity_high, b->specificity_high);
}

Test(operating, points_come_back_from_their_text_as_they_were)
{
    const struct operating_points p = some_points();
    struct operating_points q;
    struct error err = { 0 };
    char *text = operating_points_text(&p, &NIH_LABELS);

    cr_assert_eq(operating_points_parse(text, &NIH_LABELS, &q, &err), ST_OK, "%s", err.text);
    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        for (int kind = 0; kind < N_OPERATING; kind++) {
            check_same((double)p.threshold[kind][k], (double)q.threshold[kind][k]);
            check_same_quality(&p.rates[kind][k], &q.rates[kind][k]);
        }
        cr_assert(isnan(p.auroc[k]) == isnan(q.auroc[k]) && !(fabs(p.auroc[k] - q.auroc[k]) > 1e-9));
        check_same(p.auroc_low[k], q.auroc_low[k]);
        check_same(p.auroc_high[k], q.auroc_high[k]);
        cr_assert_eq(p.positives[k], q.positives[k]);
        cr_assert_eq(p.negatives[k], q.negatives[k]);
    }
    free(text);
}

Test(operating, points_of_older_versions_say_less)
{
    struct operating_points q;
    struct error err = { 0 };
    char *text = operating_points_text(&OPERATING_NONE, &NIH_LABELS);
    json_t *all = json_loads(text, 0, NULL);

    for (size_t k = 0; k < N_NIH_LABELS; k++) {
        json_object_del(json_object_get(all, NIH_LABELS.names[k]), "auroc_low");
        json_object_del(json_object_get(all, NIH_LABELS.names[k]), "auroc_high");
        json_object_del(json_object_get(all, NIH_LABELS.names[k]), "rates");
    }
    free(text);
    text = json_dumps(all, 0);
    json_decref(all);
    cr_assert_eq(operating_points_parse(text, &NIH_LABELS, &q, &err), ST_OK, "%s", err.text);
    cr_assert(isnan(q.auroc_low[3]) && q.positives[3] == KIND_UNSAID);
    cr_assert(isnan(q.rates[OPERATE_YOUDEN][3].sensitivity));
    free(text);
}

/* The longest names, all numbers as long as they come. */
Test(operating, points_of_as_many_findings_as_there_can_be_are_read_again)
{
    struct labels l = { .n = 0 };
    struct operating_points p = OPERATING_NONE, q;
    struct error err = { 0 };
    char *text;

    for (size_t k = 0; k < MAX_LABELS; k++) {
        l.n++;
        snprintf(l.names[k], LABEL_SIZE, "%02zu%061d", k, 0);
        p.auroc[k] = p.auroc_low[k] = p.auroc_high[k] = 0.00123456789;
        p.positives[k] = p.negatives[k] = 1000000;
        for (int kind = 0; kind < N_OPERATING; kind++) {
            const double v = 0.00123456789;

            p.threshold[kind][k] = (float)v;
            p.rates[kind][k] = (struct operating_quality){ v, v, v, v, v, v };
        }
    }
    text = operating_points_text(&p, &l);
    cr_assert_eq(operating_points_parse(text, &l, &q, &err), ST_OK, "%s", err.text);
    cr_assert(operating_has(&q, &l, OPERATE_SPECIFICITY_90));
    cr_assert_not(operating_has(&OPERATING_NONE, &l, OPERATE_YOUDEN));
    free(text);
}

Test(operating, a_finding_that_fewer_than_ten_test_rows_have_or_lack_is_not_known)
{
    const struct operating_points p = some_points();

    cr_assert(operating_known(&p, 5));
    cr_assert_not(operating_known(&p, 6));
    cr_assert_not(operating_known(&p, 7), "nine rows lack it");
    cr_assert(operating_known(&p, 8), "an older file does not say how many lack it");
    cr_assert(operating_known(&p, 0), "an older file does not say");
}

/* Change one member of Mass, or (name NULL) drop Mass altogether. */
static char *spoiled(const char *name, json_t *value)
{
    const struct operating_points p = some_points();
    char *text = operating_points_text(&p, &NIH_LABELS), *out;
    json_t *all = json_loads(text, 0, NULL);

    if (name)
        json_object_set_new(json_object_get(all, "Mass"), name, value);
    else
        json_object_del(all, "Mass");
    out = json_dumps(all, 0);
    json_decref(all);
    free(text);
    return out;
}

Test(operating, rates_that_are_not_whole_are_refused)
{
    static const struct {
        const char *rates, *says;
    } ROWS[] = {
        { "{}", "do not have the 'rates' of Mass" },
        { "5", "do not have the 'rates' of Mass" },
        { "{\"youden\":{},\"sensitivity_90\":{},\"specificity_90\":{}}", "do not have the 'rates' of Mass" },
    };

    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        struct operating_points q;
        struct error err = { 0 };
        char *text = spoiled("rates", json_loads(ROWS[i].rates, JSON_DECODE_ANY, NULL));

        cr_assert_eq(operating_points_parse(text, &NIH_LABELS, &q, &err), ST_FORMAT);
        cr_assert_not_null(strstr(err.text, ROWS[i].says), "%s", err.text);
        free(text);
    }
}

Test(operating, points_that_are_not_whole_are_refused)
{
    char *const TEXTS[] = { spoiled(NULL, NULL),
                            spoiled("youden", json_real(1.0000001)),
                            spoiled("youden", json_real(-1e-9)),
                            spoiled("sensitivity_90", json_string("0.5")),
                            spoiled("auroc", json_true()),
                            spoiled("more", json_real(0.5)),
                            spoiled("auroc_high", json_real(1.5)),
                            spoiled("positives", json_integer(-1)),
                            spoiled("positives", json_real(3)),
                            spoiled("negatives", json_integer(-1)),
                            strdup("[]"),
                            strdup(""),
                            strdup("{") };
    struct operating_points q = some_points();

    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        struct error err = { 0 };

        cr_assert_eq(operating_points_parse(TEXTS[i], &NIH_LABELS, &q, &err), ST_FORMAT, "%s", TEXTS[i]);
        cr_assert_not_null(strstr(err.text, "'operating_points'"), "%s", err.text);
        cr_assert_eq(q.auroc[5], 0.7, "what was asked for has changed");
        free(TEXTS[i]);
    }
}

Test(operating, metrics_of_a_card_are_an_object_neither_long_nor_deep)
{
    struct error err = { 0 };
    struct buf nested = BUF_INIT(4096);
    const char *deep;

    cr_assert_eq(card_note_check("metrics", "{}", &err), ST_OK);
    cr_assert_eq(card_note_check("metrics", "{\"a\":[1,{\"b\":null}]}", &err), ST_OK);
    cr_assert_eq(card_note_check("metrics", "[1]", &err), ST_FORMAT);
    cr_assert_eq(card_note_check("metrics", "{\"a\":1,\"a\":2}", &err), ST_FORMAT);
    for (size_t i = 0; i < 100; i++)
        buf_puts(&nested, i ? "[" : "{\"a\":");
    for (size_t i = 0; i < 100; i++)
        buf_puts(&nested, i < 99 ? "]" : "}");
    buf_put(&nested, "", 1);
    deep = nested.data;
    cr_assert_eq(card_note_check("metrics", deep, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "nested"), "%s", err.text);
    cr_assert_eq(card_note_check("data", deep, &err), ST_FORMAT);
    cr_assert_not_null(strstr(err.text, "'data'"), "%s", err.text);
    buf_release(&nested);
}
