/* tests/unit/test_figure.c - errors by patient: equal to closed cases, to a bootstrap over patients, and, for differences,
 * those of a paired test. */
#include "cxrd/rng.h"
#include "jobs/training/figure.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(figure, .fini = check_no_leaks);

enum { MAX_ROWS = 2400 };

/* Rows of one finding by patient, and the scores of two models. */
struct made {
    size_t n, n_patients;
    uint64_t ids[MAX_ROWS];
    uint8_t truth[MAX_ROWS];
    float ours[MAX_ROWS], theirs[MAX_ROWS];
};

static double normal(struct rng *rng)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += rng_unit(rng);
    return sum;
}

/* Patients of 1 to `most` rows. A patient's rows share most of the truth and of the score, as real ones do. */
static void make(struct made *m, size_t patients, size_t most, uint64_t seed)
{
    struct rng rng;

    memset(m, 0, sizeof *m);
    m->n_patients = patients;
    rng_seed(&rng, seed, 1);
    for (size_t g = 0; g < patients; g++) {
        const bool ill = rng_unit(&rng) < 0.3;
        const double of_patient = normal(&rng);
        const size_t rows = 1 + (size_t)(rng_unit(&rng) * (double)most);

        for (size_t i = 0; i < rows && m->n < MAX_ROWS; i++, m->n++) {
            const double shared = of_patient + 0.5 * normal(&rng);

            m->ids[m->n] = 1000 - g;
            m->truth[m->n] = rng_unit(&rng) < (ill ? 0.9 : 0.05);
            m->ours[m->n] = (float)(shared + 1.2 * m->truth[m->n] + 0.3 * normal(&rng));
            m->theirs[m->n] = (float)(shared + 0.9 * m->truth[m->n] + 0.3 * normal(&rng));
        }
    }
}

static struct estimate area(const struct made *m, bool by_patient)
{
    struct patients p;
    struct estimate e;

    cr_assert_eq(patients_group(m->n, by_patient ? m->ids : NULL, &p), ST_OK);
    cr_assert_eq(auroc_estimate(&p, m->truth, m->ours, 1, &e), ST_OK);
    patients_release(&p);
    return e;
}

/* Of our model over theirs where `paired`, or the area of ours alone. */
static struct estimate gain(const struct made *m, bool paired)
{
    struct patients p;
    struct figure f;
    struct estimate e;

    cr_assert_eq(patients_group(m->n, m->ids, &p), ST_OK);
    cr_assert_eq(figure_init(&f, &p), ST_OK);
    cr_assert_eq(figure_add_auroc(&f, 1, m->truth, m->ours, 1), ST_OK);
    if (paired)
        cr_assert_eq(figure_add_auroc(&f, -1, m->truth, m->theirs, 1), ST_OK);
    cr_assert_eq(figure_estimate(&f, &e), ST_OK);
    figure_release(&f);
    patients_release(&p);
    return e;
}

/* The standard deviation of a figure over patients drawn anew, with replacement. */
static double bootstrap(const struct made *m, double (*figure)(const struct made *drawn))
{
    enum { DRAWS = 300 };
    static struct made drawn;
    struct rng rng;
    double sum = 0, squares = 0;

    rng_seed(&rng, 9, 9);
    for (int draw = 0; draw < DRAWS; draw++) {
        double value;

        drawn.n = 0;
        for (size_t g = 0; g < m->n_patients; g++) {
            const uint64_t id = 1000 - (uint64_t)(rng_unit(&rng) * (double)m->n_patients);

            for (size_t i = 0; i < m->n; i++)
                if (m->ids[i] == id && drawn.n < MAX_ROWS) {
                    drawn.ids[drawn.n] = g;
                    drawn.truth[drawn.n] = m->truth[i];
                    drawn.ours[drawn.n] = m->ours[i];
                    drawn.theirs[drawn.n++] = m->theirs[i];
                }
        }
        value = figure(&drawn);
        sum += value;
        squares += value * value;
    }
    return sqrt((squares - sum * sum / DRAWS) / (DRAWS - 1));
}

static double value_of_area(const struct made *m) { return gain(m, false).value; }
static double value_of_gain(const struct made *m) { return gain(m, true).value; }

Test(figure, patients_are_told_apart_wherever_their_rows_are)
{
    static const uint64_t IDS[] = { 7, 3, 7, UINT64_MAX, 3, 7 };
    struct patients p;
    size_t n;

    cr_assert_eq(patients_group(6, IDS, &p), ST_OK);
    cr_assert_eq(p.n, 3);
    cr_assert(p.of[0] == p.of[2] && p.of[0] == p.of[5] && p.of[1] == p.of[4]);
    cr_assert(p.of[0] != p.of[1] && p.of[0] != p.of[3] && p.of[1] != p.of[3]);
    cr_assert_eq(patients_with(&p, (uint8_t[]){ 1, 0, 1, 0, 1, 0 }, 1, 1, &n), ST_OK);
    cr_assert_eq(n, 2);
    patients_release(&p);
    cr_assert_eq(patients_group(0, NULL, &p), ST_OK);
    cr_assert_eq(p.n, 0);
    patients_release(&p);
}

/* DeLong's variance is the sum of two sample variances over their counts; this one has one factor for both. */
Test(figure, where_each_patient_has_one_row_it_is_delongs)
{
    static struct made m;
    double of_kind[2] = { 0 }, squares[2] = { 0 }, delong, mean = 0;
    struct estimate e;

    make(&m, 300, 1, 3);
    for (size_t i = 0; i < m.n; i++)
        of_kind[m.truth[i]]++;
    e = area(&m, true);
    for (size_t i = 0; i < m.n; i++) {
        double place = 0;

        for (size_t j = 0; j < m.n; j++)
            if (m.truth[j] != m.truth[i])
                place += m.truth[i] ? (m.ours[i] > m.ours[j]) + 0.5 * (m.ours[i] == m.ours[j])
                                    : (m.ours[j] > m.ours[i]) + 0.5 * (m.ours[i] == m.ours[j]);
        place /= of_kind[!m.truth[i]];
        mean += m.truth[i] ? place / of_kind[1] : 0;
        squares[m.truth[i]] += (place - e.value) * (place - e.value);
    }
    cr_assert_float_eq(e.value, mean, 1e-12);
    delong = squares[0] / of_kind[0] / (of_kind[0] - 1) + squares[1] / of_kind[1] / (of_kind[1] - 1);
    cr_assert_float_eq(e.error, sqrt(delong), 0.01 * e.error);
    cr_assert_float_eq(e.high - e.low, 2 * 1.97 * e.error, 0.04 * e.error);
}

/* Every row four times: nothing new is known, and the error by patient stays what it was. */
Test(figure, rows_that_come_again_prove_nothing)
{
    static struct made once, four;
    struct estimate before, after;

    make(&once, 200, 1, 4);
    four = once;
    four.n *= 4;
    for (size_t i = 0; i < four.n; i++) {
        four.ids[i] = once.ids[i % once.n];
        four.truth[i] = once.truth[i % once.n];
        four.ours[i] = once.ours[i % once.n];
    }
    before = area(&once, true);
    after = area(&four, true);
    cr_assert_float_eq(after.value, before.value, 1e-12);
    cr_assert_float_eq(after.error, before.error, 1e-12);
    cr_assert_float_eq(area(&four, false).error, before.error / 2, 0.01 * before.error);
}

Test(figure, the_error_of_an_auroc_is_that_of_patients_drawn_anew)
{
    static struct made m;
    double by_patient, by_row, true_error;

    make(&m, 150, 12, 5);
    by_patient = area(&m, true).error;
    by_row = area(&m, false).error;
    true_error = bootstrap(&m, value_of_area);
    cr_assert_float_eq(by_patient, true_error, 0.2 * true_error, "%g, and it is %g", by_patient, true_error);
    cr_assert_lt(by_row, 0.7 * true_error, "the rows are not alike enough for this test");
}

Test(figure, a_difference_is_of_pairs)
{
    static struct made m;
    struct estimate e;
    double true_error;

    make(&m, 150, 12, 6);
    e = gain(&m, true);
    true_error = bootstrap(&m, value_of_gain);
    cr_assert_float_eq(e.error, true_error, 0.2 * true_error, "%g, and it is %g", e.error, true_error);
    cr_assert_lt(e.error, 0.5 * gain(&m, false).error, "what both models share must cancel");
    cr_assert_gt(e.low, 0, "ours is better");
    memcpy(m.theirs, m.ours, sizeof m.theirs);
    e = gain(&m, true);
    cr_assert(e.value == 0 && e.error == 0, "a model beside itself");
}

/* Two positives and two negatives, each of a patient: of one model a positive beats none and the other both, of the other model both beat
 * both. The difference is -1/2, and two degrees of freedom reach far beyond -1. */
Test(figure, no_difference_lies_beyond_what_there_is)
{
    static const uint8_t TRUTH[] = { 1, 1, 0, 0 };
    static const float OURS[] = { 0, 3, 1, 2 }, THEIRS[] = { 3, 3, 1, 2 };
    struct patients p;
    struct figure f;
    struct estimate whole, e;

    cr_assert_eq(patients_group(4, NULL, &p), ST_OK);
    cr_assert_eq(figure_init(&f, &p), ST_OK);
    cr_assert_eq(figure_add_auroc(&f, 1, TRUTH, OURS, 1), ST_OK);
    cr_assert_eq(figure_add_auroc(&f, -1, TRUTH, THEIRS, 1), ST_OK);
    cr_assert_eq(figure_estimate(&f, &whole), ST_OK);
    cr_assert_eq(difference_estimate(&f, &e), ST_OK);
    cr_assert(whole.value == -0.5 && whole.low < -1 && whole.high > 0, "%g to %g", whole.low, whole.high);
    cr_assert(e.low == -1 && e.high == fmin(whole.high, 1) && e.error == whole.error, "%g to %g", e.low,
              e.high);
    figure_release(&f);
    patients_release(&p);
}

Test(figure, a_mean_is_the_mean_of_its_rows_and_errs_by_patient)
{
    static const uint64_t IDS[] = { 1, 1, 2, 3 };
    static const double VALUES[] = { 1, 3, 2, 6 };
    struct patients p;
    struct figure f;
    struct estimate e;

    cr_assert_eq(patients_group(4, IDS, &p), ST_OK);
    cr_assert_eq(figure_init(&f, &p), ST_OK);
    cr_assert_eq(figure_add_mean(&f, 2, VALUES, NULL, 1, 0), ST_OK);
    cr_assert_eq(figure_estimate(&f, &e), ST_OK);
    cr_assert_eq(e.value, 6);
    /* deviations from 3 over 4 rows, twice: patient 1 has -2 and 0, 2 has -1, 3 has 3 */
    cr_assert_float_eq(e.error, 2 * sqrt(1.5 * (4 + 1 + 9) / 16), 1e-12);
    figure_release(&f);
    patients_release(&p);
}

/* Of 100 patients two carry nearly all of the weight: then the error itself is hardly known, and the interval wider. */
Test(figure, an_interval_is_wider_where_few_carry_the_weight)
{
    enum { PATIENTS = 100 };
    double values[PATIENTS], width[2];
    struct patients p;

    cr_assert_eq(patients_group(PATIENTS, NULL, &p), ST_OK);
    for (size_t few = 0; few < 2; few++) {
        struct figure f;
        struct estimate e;

        for (size_t i = 0; i < PATIENTS; i++)
            values[i] = (i % 2 ? 1 : -1) * (few && i < 2 ? 100 : 1);
        cr_assert_eq(figure_init(&f, &p), ST_OK);
        cr_assert_eq(figure_add_mean(&f, 1, values, NULL, 1, 0), ST_OK);
        cr_assert_eq(figure_estimate(&f, &e), ST_OK);
        width[few] = (e.high - e.low) / (2 * e.error);
        figure_release(&f);
    }
    cr_assert_float_eq(width[0], 1.984, 0.002, "Student's t of 99: %g", width[0]);
    cr_assert_float_eq(width[1], 2.7, 0.15, "of about 4: %g", width[1]);
    patients_release(&p);
}

Test(figure, one_patient_has_no_spread)
{
    static const uint64_t IDS[] = { 5, 5, 5, 6, 7, 8 };
    static const uint8_t TRUTH[] = { 1, 1, 1, 0, 0, 0 };
    static const float SCORE[] = { .9f, .8f, .3f, .1f, .4f, .2f };
    static const double HIT[] = { 1, 1, 0, 0, 1, 0 };
    struct patients p;
    struct estimate e;

    cr_assert_eq(patients_group(6, IDS, &p), ST_OK);
    cr_assert_eq(auroc_estimate(&p, TRUTH, SCORE, 1, &e), ST_OK);
    cr_assert(!isnan(e.value) && isnan(e.error) && isnan(e.low) && isnan(e.high));
    cr_assert_eq(rate_estimate(&p, HIT, TRUTH, 1, 1, &e), ST_OK);
    cr_assert(e.value > 0.6 && isnan(e.low));
    cr_assert_eq(rate_estimate(&p, HIT, TRUTH, 1, 0, &e), ST_OK);
    cr_assert(e.low > 0 && e.high < 1);
    patients_release(&p);
}

Test(figure, scores_without_a_fault_prove_no_more_than_their_patients)
{
    static const uint8_t TRUTH[] = { 1, 1, 1, 0, 0, 0, 0, 0 };
    static const float SCORE[] = { .9f, .8f, .7f, .1f, .4f, .2f, .3f, .1f };
    struct patients p;
    struct estimate e;

    cr_assert_eq(patients_group(8, NULL, &p), ST_OK);
    cr_assert_eq(auroc_estimate(&p, TRUTH, SCORE, 1, &e), ST_OK);
    cr_assert(e.value == 1 && e.high == 1);
    cr_assert_float_eq(e.low, 3 / (3 + 1.959963984540054 * 1.959963984540054), 1e-12, "Wilson's of 3 of 3");
    patients_release(&p);
}

/* Where rows are independent it is Wilson's of the rows; where a patient's rows all agree, that of the patients. */
Test(figure, a_rate_has_wilsons_interval_of_as_many_trials_as_it_is_worth)
{
    enum { PATIENTS = 40, ROWS = 5 };
    uint64_t ids[PATIENTS * ROWS];
    double hit[PATIENTS * ROWS];
    struct patients alone, together, each;
    struct estimate a, b, c;

    for (size_t i = 0; i < PATIENTS * ROWS; i++) {
        ids[i] = i / ROWS;
        hit[i] = i / ROWS % 4 == 0;
    }
    cr_assert_eq(patients_group(PATIENTS * ROWS, NULL, &alone), ST_OK);
    cr_assert_eq(patients_group(PATIENTS * ROWS, ids, &together), ST_OK);
    cr_assert_eq(patients_group(PATIENTS, NULL, &each), ST_OK);
    cr_assert_eq(rate_estimate(&alone, hit, NULL, 1, 0, &a), ST_OK);
    cr_assert_eq(rate_estimate(&together, hit, NULL, 1, 0, &b), ST_OK);
    for (size_t i = 0; i < PATIENTS; i++)
        hit[i] = i % 4 == 0;
    cr_assert_eq(rate_estimate(&each, hit, NULL, 1, 0, &c), ST_OK);
    cr_assert(a.value == 0.25 && b.value == 0.25 && c.value == 0.25);
    cr_assert_float_eq(b.low, c.low, 1e-12);
    cr_assert_float_eq(b.high, c.high, 1e-12);
    cr_assert_lt(a.high - a.low, 0.5 * (b.high - b.low));
    for (size_t i = 0; i < PATIENTS * ROWS; i++)
        hit[i] = 1;
    cr_assert_eq(rate_estimate(&together, hit, NULL, 1, 0, &b), ST_OK);
    cr_assert_float_eq(b.low, PATIENTS / (PATIENTS + 1.959963984540054 * 1.959963984540054), 1e-12);
    patients_release(&alone);
    patients_release(&together);
    patients_release(&each);
}

/* As a mean's, cut at the ends of what a value can be; where all rows are alike, Wilson's of the patients. */
Test(figure, a_mean_between_bounds_stays_there_and_is_never_sure_of_few)
{
    enum { ROWS = 9 };
    const double z2 = 1.959963984540054 * 1.959963984540054;
    uint64_t ids[ROWS];
    double value[ROWS];
    struct patients p;
    struct estimate e, plain;

    for (size_t i = 0; i < ROWS; i++) {
        ids[i] = i / 3;
        value[i] = i < 3 ? 14 : 13 - (double)i / 100;
    }
    cr_assert_eq(patients_group(ROWS, ids, &p), ST_OK);
    cr_assert_eq(mean_estimate(&p, value, NULL, 1, &plain), ST_OK);
    cr_assert_eq(bounded_estimate(&p, value, 14, NULL, 1, &e), ST_OK);
    cr_assert_float_eq(e.value, plain.value, 1e-12);
    cr_assert_float_eq(e.low, plain.low, 1e-12);
    cr_assert(plain.high > 14 && e.high == 14, "%g, %g", plain.high, e.high);
    for (size_t i = 0; i < ROWS; i++)
        value[i] = 1.0 / 14; /* whose mean is not the same to the last bit */
    cr_assert_eq(bounded_estimate(&p, value, 1, NULL, 1, &e), ST_OK);
    cr_assert(e.low > 0 && e.low < 0.02 && e.high > 0.5, "three patients: %g to %g", e.low, e.high);
    for (size_t i = 0; i < ROWS; i++)
        value[i] = 0;
    cr_assert_eq(bounded_estimate(&p, value, 14, NULL, 1, &e), ST_OK);
    cr_assert(e.value == 0 && e.low == 0);
    cr_assert_float_eq(e.high, 14 * z2 / (3 + z2), 1e-12, "Wilson's of none of 3");
    patients_release(&p);
    cr_assert_eq(patients_group(1, NULL, &p), ST_OK);
    cr_assert_eq(bounded_estimate(&p, value, 1, NULL, 1, &e), ST_OK);
    cr_assert(e.value == 0 && isnan(e.low) && isnan(e.high), "one patient");
    patients_release(&p);
}
