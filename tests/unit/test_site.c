/* tests/unit/test_site.c - profiles of sites: limits whose answer is known, fits to rows that were drawn with known faults, the
 * rate that verdicts promise kept over many draws, and documents that are not to be believed. */
#include "cxrd/buf.h"
#include "cxrd/json.h"
#include "cxrd/metrics.h"
#include "cxrd/rng.h"
#include "cxrd/site_profile.h"
#include "files.h"
#include "jobs/site/conformal.h"
#include "leaks.h"
#include "support.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(site, .fini = check_no_leaks);

/* ---- limits and rates by patient ---- */

enum { MAX_ROWS = 400 };

struct films {
    size_t n;
    uint64_t patients[MAX_ROWS];
    uint8_t truth[MAX_ROWS];
    float score[MAX_ROWS];
    double hit[MAX_ROWS];
};

static void add(struct films *f, uint64_t patient, uint8_t truth, float score, double hit)
{
    f->patients[f->n] = patient;
    f->truth[f->n] = truth;
    f->score[f->n] = score;
    f->hit[f->n++] = hit;
}

static float limit(const struct films *f, uint8_t value, double rate)
{
    struct patients p;
    float ret = NAN;

    cr_assert_eq(patients_group(f->n, f->patients, &p), ST_OK);
    cr_assert_eq(conformal_limit(&p, f->truth, f->score, 1, value, rate, &ret), ST_OK);
    patients_release(&p);
    return ret;
}

Test(site, limits_leave_out_as_many_patients_as_the_rate_allows)
{
    struct films f = { 0 };

    for (int i = 1; i <= 9; i++) {
        add(&f, (uint64_t)i, 1, (float)i / 10, 0);
        add(&f, (uint64_t)i, 0, (float)i / 100, 0); /* the same patients, without it at another time */
    }
    cr_assert_eq(limit(&f, 1, 0.1), 0.1f, "of ten with the next one, nine: all that there are");
    cr_assert_eq(limit(&f, 1, 0.2), 0.2f);
    cr_assert_eq(limit(&f, 1, 0.5), 0.5f);
    cr_assert_eq(limit(&f, 1, 0.09), 0, "nine cannot vouch for it");
    cr_assert_eq(limit(&f, 0, 0.1), 0.09f);
    cr_assert_eq(limit(&f, 0, 0.2), 0.08f);
    cr_assert_eq(limit(&f, 0, 0.05), 1);
    cr_assert_eq(limit(&(struct films){ 0 }, 1, 0.5), 0, "nobody");
}

Test(site, many_films_of_one_patient_are_one_vote)
{
    struct films f = { 0 };

    for (int i = 1; i <= 9; i++)
        add(&f, (uint64_t)i, 1, (float)i / 10, 0);
    for (int i = 0; i < 100; i++)
        add(&f, 10, 1, 0.95f, 0);
    /* votes: one at 0.95, nine below; of eleven, 0.8 is 8.8 */
    cr_assert_eq(limit(&f, 1, 0.2), 0.2f, "0.95, and 0.9 down to 0.2, are nine");
    cr_assert_eq(limit(&f, 1, 0.1), 0.1f);
    f.truth[3] = TRUTH_UNKNOWN; /* the one of 0.4: now nine votes; of ten, eight */
    cr_assert_eq(limit(&f, 1, 0.2), 0.2f);
    cr_assert_eq(limit(&f, 1, 0.3), 0.3f);
}

Test(site, rates_count_patients_not_films)
{
    struct films f = { 0 };
    struct patients p;
    struct estimate e;
    size_t n = 0;

    for (int i = 0; i < 3; i++)
        add(&f, 7, 1, 0, i == 0);
    add(&f, 9, 1, 0, 0);
    add(&f, 9, 0, 0, 1);
    add(&f, 11, TRUTH_UNKNOWN, 0, 1);
    cr_assert_eq(patients_group(f.n, f.patients, &p), ST_OK);
    cr_assert_eq(patient_rate(&p, f.hit, f.truth, 1, 1, &e, &n), ST_OK);
    cr_assert_eq(n, 2);
    cr_assert_float_eq(e.value, 1.0 / 6, 1e-12, "a third of one, none of the other");
    cr_assert(e.low >= 0 && e.low < e.value && e.high > e.value);
    cr_assert_eq(patient_rate(&p, f.hit, f.truth, 1, TRUTH_KNOWN, &e, &n), ST_OK);
    cr_assert_float_eq(e.value, (1.0 / 3 + 0.5) / 2, 1e-12);
    patients_release(&p);
    cr_assert_eq(patients_group(0, NULL, &p), ST_OK);
    cr_assert_eq(patient_rate(&p, f.hit, f.truth, 1, 1, &e, &n), ST_OK);
    cr_assert(isnan(e.value) && n == 0);
    patients_release(&p);
}

Test(site, a_verdict_is_what_the_limits_leave)
{
    static const struct {
        float from, to, p;
        enum site_verdict expected;
    } CASES[] = {
        { 0.2f, 0.6f, 0.1f, SITE_ABSENT }, { 0.2f, 0.6f, 0.2f, SITE_UNSURE },
        { 0.2f, 0.6f, 0.6f, SITE_UNSURE }, { 0.2f, 0.6f, 0.7f, SITE_PRESENT },
        { 0.6f, 0.2f, 0.4f, SITE_UNSURE }, /* unlike either */
        { 0.6f, 0.2f, 0.2f, SITE_ABSENT }, { 0.6f, 0.2f, 0.6f, SITE_PRESENT },
        { 0, 1, 0.99f, SITE_UNSURE },      { NAN, NAN, 0.5f, SITE_NOTHING },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        cr_assert_eq(
            site_verdict_of(&(struct site_finding){ .present_from = CASES[i].from, .absent_to = CASES[i].to },
                            CASES[i].p),
            CASES[i].expected, "case %zu", i);
}

/* ---- fits ---- */

/* Findings: one that is frequent, one that 12 patients have. */
static const struct labels TWO = { 2, { "Effusion", "Hernia" } };

static double normal(struct rng *rng)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    return sum;
}

/* Patients of one to three films, that share most of their score. The model's probability has its logit moved by `shift`
 * and stretched by `stretch` from that which the rows were drawn by. */
static void site_write(const char *path, size_t patients, double shift, double stretch, uint64_t seed)
{
    struct buf text = BUF_INIT(1 << 24);
    struct rng rng;

    rng_seed(&rng, seed, 7);
    buf_puts(&text, "image,patient,age,sex,view,split,true_Effusion,true_Hernia,prob_Effusion,prob_Hernia\n");
    for (size_t g = 0; g < patients; g++) {
        const double shared = normal(&rng);
        const size_t films = 1 + (size_t)(rng_unit(&rng) * 3);

        for (size_t i = 0; i < films; i++) {
            const double logit = -1.5 + 1.5 * (shared + 0.4 * normal(&rng));
            const bool has = rng_unit(&rng) < 1 / (1 + exp(-logit));
            const double said = 1 / (1 + exp(-(logit * stretch + shift)));

            buf_printf(&text, "%zu_%zu.png,%zx,,,,test,%d,%d,%.9g,%.9g\n", g, i, g + 1, has, g < 12, said,
                       g < 12 ? 0.8 : 0.1);
        }
    }
    write_bytes(path, text.data, text.len);
    buf_release(&text);
}

static struct operating_points own_points(void)
{
    struct operating_points own = OPERATING_NONE;

    for (int kind = 0; kind < N_OPERATING; kind++)
        own.threshold[kind][1] = 0.25f;
    return own;
}

static struct site_profile fitted_by(const char *path, struct site_point point, double error_rate,
                                     const struct site_point *points)
{
    const struct operating_points own = own_points();
    const struct site_wish wish = { point, error_rate, &own, points };
    struct site_profile p;
    size_t rows, patients;
    struct error err;

    cr_assert_eq(site_profile_fit(path, "test", &TWO, &wish, &p, &rows, &patients, &err), ST_OK, "%s",
                 err.text);
    cr_assert(rows > patients && patients > 0);
    snprintf(p.model_sha256, sizeof p.model_sha256, "%064d", 1);
    snprintf(p.created_at, sizeof p.created_at, "2026-01-01T00:00:00.000Z");
    snprintf(p.expires_at, sizeof p.expires_at, "2035-01-01T00:00:00.000Z");
    return p;
}

static struct site_profile fitted(const char *path, struct site_point point, double error_rate)
{
    return fitted_by(path, point, error_rate, NULL);
}

Test(site, a_calibration_undoes_the_fault_that_the_rows_show)
{
    char *folder = scratch_folder();
    struct site_profile p;

    site_write(path_in(folder, "s.csv"), 1200, 1, 1, 1);
    p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_YOUDEN, 0 }, NAN);
    cr_assert(p.findings[0].here);
    cr_assert_float_eq(p.findings[0].shift, -1, 0.25, "%f", (double)p.findings[0].shift);
    cr_assert_float_eq(p.findings[0].scale, 1, 0.2, "%f", (double)p.findings[0].scale);
    cr_assert_float_eq(site_probability(&p.findings[0], 0.5f), 1 / (1 + exp(1)), 0.06);
    cr_assert(isnan(p.findings[0].present_from));
    site_write(path_in(folder, "t.csv"), 1200, 0, 2, 2);
    p = fitted(path_in(folder, "t.csv"), (struct site_point){ OPERATE_YOUDEN, 0 }, NAN);
    cr_assert_float_eq(p.findings[0].scale, 0.5, 0.1, "%f", (double)p.findings[0].scale);
    scratch_remove(folder);
}

Test(site, a_threshold_has_the_part_that_was_asked_for_and_rates_of_rows_that_did_not_choose_it)
{
    char *folder = scratch_folder();
    struct site_profile p;
    const struct site_finding *f = &p.findings[0];

    site_write(path_in(folder, "s.csv"), 1200, 1, 1, 3);
    p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_SENSITIVITY_90, 0.95 }, NAN);
    cr_assert_float_eq(f->rates.sensitivity, 0.95, 0.03, "%f", f->rates.sensitivity);
    cr_assert(f->rates.sensitivity_low < 0.95 && f->rates.sensitivity_high > 0.95);
    p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_SPECIFICITY_90, 0.8 }, NAN);
    cr_assert_float_eq(f->rates.specificity, 0.8, 0.03, "%f", f->rates.specificity);
    scratch_remove(folder);
}

/* Scores that know nothing: what looks like skill was found by looking for it. */
static void noise_write(const char *path, uint64_t seed)
{
    struct buf text = BUF_INIT(1 << 20);
    struct rng rng;

    rng_seed(&rng, seed, 9);
    buf_puts(&text, "image,patient,split,true_Effusion,true_Hernia,prob_Effusion,prob_Hernia\n");
    for (size_t g = 0; g < 80; g++)
        buf_printf(&text, "%zu.png,%zx,test,%d,0,%.9g,0\n", g, g + 1, g % 2 == 0, rng_unit(&rng));
    buf_printf(&text, "80.png,1,test,1,0,0.5,0\n");
    write_bytes(path, text.data, text.len);
    buf_release(&text);
}

Test(site, rates_do_not_count_what_a_threshold_owes_to_the_rows_that_chose_it)
{
    enum { DRAWS = 20 };
    char *folder = scratch_folder();
    double skill = 0;

    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        struct site_profile p;

        noise_write(path_in(folder, "s.csv"), draw);
        p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_YOUDEN, 0 }, NAN);
        cr_assert(p.findings[0].here);
        skill += (p.findings[0].rates.sensitivity + p.findings[0].rates.specificity - 1) / DRAWS;
    }
    /* on their own rows 0.2 on average; the standard error of such a mean is 0.025 */
    cr_assert_lt(skill, 0.05, "%f", skill);
    cr_assert_gt(skill, -0.15, "%f", skill);
    scratch_remove(folder);
}

Test(site, a_finding_of_few_patients_keeps_the_models_own)
{
    char *folder = scratch_folder();
    struct site_profile p;
    const struct site_finding *f = &p.findings[1];

    site_write(path_in(folder, "s.csv"), 300, 1, 1, 4);
    p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_YOUDEN, 0 }, 0.1);
    cr_assert_not(f->here);
    cr_assert_eq(f->positive_patients, 12);
    cr_assert_eq(f->threshold, 0.25f);
    cr_assert(f->scale == 1 && f->shift == 0);
    cr_assert_eq(site_probability(f, 0.123456f), 0.123456f);
    cr_assert(isnan(f->present_from) && isnan(f->absent_to));
    cr_assert_eq(f->rates.sensitivity, 1, "0.8 for all who have it, 0.1 for the others");
    cr_assert(f->rates.sensitivity_low < 0.8);
    cr_assert_eq(f->rates.specificity, 1);
    cr_assert(p.findings[0].here && p.findings[0].present_from > 0 && p.findings[0].absent_to < 1);
    scratch_remove(folder);
}

Test(site, verdicts_keep_the_stated_rate_on_other_patients)
{
    enum { DRAWS = 20, PATIENTS = 250, OTHERS = 500 };
    const double rate = 0.1;
    char *folder = scratch_folder();
    double missed = 0, alarmed = 0, spread = 0;

    for (uint64_t draw = 0; draw < DRAWS; draw++) {
        struct site_kept kept[MAX_LABELS];
        struct site_profile p;
        struct error err;

        site_write(path_in(folder, "s.csv"), PATIENTS, 1, 1.5, 100 + draw);
        site_write(path_in(folder, "t.csv"), OTHERS, 1, 1.5, 200 + draw);
        p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_YOUDEN, 0 }, rate);
        cr_assert_eq(site_profile_kept(&p, path_in(folder, "t.csv"), "test", kept, &err), ST_OK);
        missed += kept[0].missed.value / DRAWS;
        alarmed += kept[0].alarmed.value / DRAWS;
        spread += rate * (1 - rate) *
                  (1 / (double)p.findings[0].positive_patients + 1 / (double)kept[0].positive_patients) /
                  (DRAWS * DRAWS);
        cr_assert(kept[0].unsure.value > 0 && kept[0].unsure.value < 1);
        cr_assert(kept[0].brier_here.value < kept[0].brier_model.value);
        cr_assert(isnan(kept[1].missed.value), "of a finding without verdicts");
    }
    /* sampling error of the mean of as many draws, of those who have it; others are more */
    cr_assert_leq(missed, rate + 2 * sqrt(spread), "missed %f", missed);
    cr_assert_geq(missed, rate - 4 * sqrt(spread), "missed %f: a limit that is far too careful", missed);
    cr_assert_leq(alarmed, rate + 2 * sqrt(spread), "alarmed %f", alarmed);
    cr_assert_geq(alarmed, rate - 4 * sqrt(spread), "alarmed %f", alarmed);
    scratch_remove(folder);
}

/* ---- documents ---- */

static const struct site_notes NOTES = { "adults, emergency room", "0123abcd", "site", "ab", 900, 400 };

static json_t *document(const struct site_profile *p)
{
    json_t *d = site_profile_json(p, &NOTES);

    cr_assert_not_null(d);
    return d;
}

static json_t *canonical(const json_t *d, char **ret_text)
{
    json_t *again = NULL;

    *ret_text = site_profile_canonical(d);
    cr_assert_not_null(*ret_text);
    cr_assert_eq(json_read(*ret_text, strlen(*ret_text), 0, &again, NULL), ST_OK);
    return again;
}

Test(site, a_finding_may_have_a_point_of_its_own)
{
    const struct site_point youden = { OPERATE_YOUDEN, 0.9 }, most = { OPERATE_SENSITIVITY_90, 0.97 };
    const struct site_point points[] = { most, youden };
    char *folder = scratch_folder(), sha256[DIGEST_TEXT_SIZE];
    struct site_profile of_all, of_most, mixed, read;
    json_t *d;
    struct error err;

    site_write(path_in(folder, "s.csv"), 300, 1, 1, 5);
    of_all = fitted(path_in(folder, "s.csv"), youden, NAN);
    of_most = fitted(path_in(folder, "s.csv"), most, NAN);
    mixed = fitted_by(path_in(folder, "s.csv"), youden, NAN, points);
    cr_assert_neq(of_all.findings[0].threshold, of_most.findings[0].threshold);
    cr_assert_eq(mixed.findings[0].threshold, of_most.findings[0].threshold);
    cr_assert_eq(mixed.findings[0].rates.sensitivity, of_most.findings[0].rates.sensitivity);
    cr_assert_eq(mixed.findings[1].threshold, of_all.findings[1].threshold);
    d = document(&mixed);
    cr_assert_not_null(json_object_get(json_array_get(json_object_get(d, "findings"), 0), "operating_point"));
    cr_assert_null(json_object_get(json_array_get(json_object_get(d, "findings"), 1), "operating_point"));
    snprintf(sha256, sizeof sha256, "%064d", 1);
    cr_assert_eq(site_profile_parse(d, &TWO, sha256, &read, &err), ST_OK, "%s", err.text);
    cr_assert(site_point_equal(&read.point, &youden));
    cr_assert(site_point_equal(&read.findings[0].point, &most));
    cr_assert(site_point_equal(&read.findings[1].point, &youden));
    json_object_set_new(json_object_get(json_array_get(json_object_get(d, "findings"), 0), "operating_point"),
                        "at", json_real(1.5));
    cr_assert_eq(site_profile_parse(d, &TWO, sha256, &read, &err), ST_INVALID);
    json_decref(d);
    scratch_remove(folder);
}

Test(site, a_document_reads_back_and_its_canonical_bytes_stay)
{
    char *folder = scratch_folder(), sha256[DIGEST_TEXT_SIZE], *text, *again;
    struct site_profile p, q;
    json_t *d, *e, *g;
    struct error err;

    site_write(path_in(folder, "s.csv"), 300, 1, 1, 5);
    p = fitted(path_in(folder, "s.csv"), (struct site_point){ OPERATE_SENSITIVITY_90, 0.93 }, 0.1);
    d = document(&p);
    e = canonical(d, &text);
    g = canonical(e, &again);
    cr_assert_str_eq(text, again);
    cr_assert_null(strchr(text, '\n'));
    snprintf(sha256, sizeof sha256, "%064d", 1);
    cr_assert_eq(site_profile_parse(e, &TWO, sha256, &q, &err), ST_OK, "%s", err.text);
    cr_assert_eq(q.point.kind, OPERATE_SENSITIVITY_90);
    cr_assert_eq(q.point.at, 0.93);
    cr_assert_eq(q.error_rate, 0.1);
    for (size_t k = 0; k < TWO.n; k++) {
        const struct site_finding *a = &p.findings[k], *b = &q.findings[k];

        cr_assert(a->here == b->here && a->scale == b->scale && a->shift == b->shift);
        cr_assert_eq(a->threshold, b->threshold, "to the last bit");
        cr_assert(a->positives == b->positives && a->negative_patients == b->negative_patients);
        cr_assert_float_eq(a->rates.sensitivity_low, b->rates.sensitivity_low, 1e-8);
    }
    cr_assert_eq(p.findings[0].present_from, q.findings[0].present_from);
    sha256[0] = '1';
    cr_assert_eq(site_profile_parse(e, &TWO, sha256, &q, &err), ST_CONFLICT);
    json_decref(g);
    json_decref(e);
    json_decref(d);
    free(again);
    free(text);
    scratch_remove(folder);
}

/* Each breaks one thing of a document that is right. */
static void break_it(json_t *d, int way)
{
    json_t *finding = json_array_get(json_object_get(d, "findings"), 0);

    switch (way) {
    case 0: json_object_set_new(d, "more", json_true()); break;
    case 1: json_object_del(d, "population"); break;
    case 2: json_object_set_new(d, "error_rate", json_real(0.9)); break;
    case 3: json_object_set_new(d, "expires_at", json_string("tomorrow")); break;
    case 4: json_object_set_new(finding, "threshold", json_real(1.5)); break;
    case 5: json_object_set_new(finding, "scale", json_real(0)); break;
    case 6: json_object_set_new(finding, "scale", json_null()); break;
    case 7: json_object_set_new(finding, "positives", json_integer(-1)); break;
    case 8: json_object_set_new(finding, "label", json_string("Mass")); break;
    case 9: json_array_remove(json_object_get(d, "findings"), 1); break;
    case 10: json_object_set_new(json_object_get(d, "operating_point"), "kind", json_string("best")); break;
    case 11:
        json_object_set_new(d, "population",
                            json_string("a\xe2\x80\xae"
                                        "b"));
        break;
    case 12: json_object_set_new(d, "format", json_string("cxrd-profile/2")); break;
    case 13: json_object_set_new(finding, "here", json_integer(1)); break;
    case 14: json_object_set_new(finding, "note", json_integer(1)); break;
    case 15: json_object_set_new(json_object_get(d, "validation"), "rows", json_string("9")); break;
    case 16: json_object_set_new(d, "expires_at", json_string("2025-12-31T23:59:59.999Z")); break;
    case 17: json_object_set_new(json_object_get(d, "operating_point"), "at", json_real(0.9)); break;
    case 18: json_object_set_new(finding, "sensitivity", json_real(0.5)); break;
    case 19: json_object_set_new(finding, "specificity_low", json_real(0.5)); break;
    default: cr_assert_fail("no such way");
    }
}

Test(site, what_a_document_says_is_not_believed)
{
    struct site_profile p = { .labels = TWO,
                              .error_rate = NAN,
                              .created_at = "2026-01-01T00:00:00.000Z",
                              .expires_at = "2035-01-01T00:00:00.000Z" },
                        q;
    struct error err;

    snprintf(p.model_sha256, sizeof p.model_sha256, "%064d", 1);
    for (size_t k = 0; k < 2; k++)
        p.findings[k] =
            (struct site_finding){ .scale = 1, .threshold = 0.5f, .present_from = NAN, .absent_to = NAN };
    for (int way = -1; way < 20; way++) {
        json_t *d = document(&p);

        if (way >= 0)
            break_it(d, way);
        cr_assert_eq(site_profile_parse(d, &TWO, p.model_sha256, &q, &err) == ST_OK, way < 0, "way %d: %s",
                     way, err.text);
        json_decref(d);
    }
    cr_assert_eq(site_profile_parse(NULL, &TWO, p.model_sha256, &q, &err), ST_INVALID);
    cr_assert_not(site_profile_expired(&p), "in the year 9999");
    snprintf(p.expires_at, sizeof p.expires_at, "2026-01-01T00:00:00.001Z");
    cr_assert(site_profile_expired(&p));
}
