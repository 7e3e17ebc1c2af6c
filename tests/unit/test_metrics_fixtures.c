/* tests/unit/test_metrics_fixtures.c - every measure against what scikit-learn and Keras say of the same numbers; how the
 * fixture was made, and what was written down anew for it, is in tests/fixtures/metrics/make.py. */
#include "cxrd/metrics.h"
#include "jobs/training/figure.h"
#include "leaks.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(metrics_fixtures, .fini = check_no_leaks);

enum { MAX_ROWS = 60 };

struct sample {
    const char *name;
    size_t n;
    uint8_t truth[MAX_ROWS * N_NIH_LABELS];
    float score[MAX_ROWS * N_NIH_LABELS];
    uint64_t patients[MAX_ROWS];
    const json_t *expected;
};

static json_t *fixture_load(void)
{
    json_error_t why;
    json_t *cases = json_load_file(FIXTURES "/metrics/metrics.json", JSON_REJECT_DUPLICATES, &why);

    cr_assert_not_null(cases, "%s", why.text);
    cr_assert_geq(json_array_size(cases), 7, "cases are missing");
    return cases;
}

static void sample_read(const json_t *object, struct sample *s)
{
    const json_t *truth = json_object_get(object, "truth"), *score = json_object_get(object, "score");

    s->name = json_string_value(json_object_get(object, "name"));
    s->n = json_array_size(truth);
    s->expected = json_object_get(object, "expected");
    cr_assert(s->n <= MAX_ROWS && json_array_size(score) == s->n && json_is_object(s->expected));
    for (size_t i = 0; i < s->n; i++)
        s->patients[i] = (uint64_t)json_integer_value(json_array_get(json_object_get(object, "patients"), i));
    for (size_t i = 0; i < s->n * N_NIH_LABELS; i++) {
        const char *row = json_string_value(json_array_get(truth, i / N_NIH_LABELS));
        const json_t *value = json_array_get(json_array_get(score, i / N_NIH_LABELS), i % N_NIH_LABELS);

        cr_assert(json_is_number(value) && strlen(row) == N_NIH_LABELS);
        s->truth[i] = row[i % N_NIH_LABELS] == '1';
        s->score[i] = (float)json_number_value(value);
    }
}

/* A number to 1e-9, or null for one that is not defined. */
static void check_equal(const struct sample *s, const char *what, size_t column, double found,
                        const json_t *expected)
{
    if (json_is_null(expected))
        cr_assert(isnan(found), "'%s', %s of column %zu: %.17g, and it is not defined", s->name, what, column,
                  found);
    else
        cr_assert(json_is_number(expected) && fabs(found - json_number_value(expected)) <= 1e-9,
                  "'%s', %s of column %zu: %.17g instead of %.17g", s->name, what, column, found,
                  json_number_value(expected));
}

/* The expected figures of column k, or of the whole table as one (k = N_NIH_LABELS). */
static const json_t *expectation(const struct sample *s, const char *what, size_t k)
{
    return k == N_NIH_LABELS ? json_object_get(json_object_get(s->expected, "micro"), what)
                             : json_array_get(json_object_get(s->expected, what), k);
}

/* "auroc_low" of "auroc" and so on, with the patients that the rows are of. */
static void check_interval(const struct sample *s, const char *what, const uint64_t *ids, size_t k)
{
    struct patients patients;
    struct estimate e;
    char low[32], high[32];

    snprintf(low, sizeof low, "%s_low", what);
    snprintf(high, sizeof high, "%s_high", what);
    cr_assert_eq(patients_group(s->n, ids, &patients), ST_OK);
    cr_assert_eq(auroc_estimate(&patients, s->truth + k, s->score + k, N_NIH_LABELS, &e), ST_OK);
    check_equal(s, low, k, e.low, expectation(s, low, k));
    check_equal(s, high, k, e.high, expectation(s, high, k));
    patients_release(&patients);
}

static void check_column(const struct sample *s, size_t k)
{
    const size_t at = k % N_NIH_LABELS, stride = k == N_NIH_LABELS ? 1 : N_NIH_LABELS,
                 n = k == N_NIH_LABELS ? s->n * N_NIH_LABELS : s->n;
    const uint8_t *truth = s->truth + at;
    const float *score = s->score + at;
    double value;

    cr_assert_eq(metrics_auroc(n, truth, score, stride, &value), ST_OK);
    check_equal(s, "auroc", k, value, expectation(s, "auroc", k));
    cr_assert_eq(metrics_average_precision(n, truth, score, stride, &value), ST_OK);
    check_equal(s, "average precision", k, value, expectation(s, "average_precision", k));
    check_equal(s, "brier", k, metrics_brier(n, truth, score, stride), expectation(s, "brier", k));
    check_equal(s, "ece", k, metrics_ece(n, truth, score, stride), expectation(s, "ece", k));
    if (k == N_NIH_LABELS)
        return;
    check_interval(s, "auroc", NULL, k);
    check_interval(s, "clustered", s->patients, k);
}

Test(metrics_fixtures, equal_scikit_learns_to_a_billionth)
{
    json_t *cases = fixture_load(), *object;
    struct sample s;
    size_t i;

    json_array_foreach (cases, i, object) {
        sample_read(object, &s);
        for (size_t k = 0; k <= N_NIH_LABELS; k++)
            check_column(&s, k);
    }
    json_decref(cases);
}

Test(metrics_fixtures, top_five_counts_what_keras_counts)
{
    json_t *cases = fixture_load(), *object;
    struct sample s;
    size_t i;

    json_array_foreach (cases, i, object) {
        size_t hits, rows;
        const json_t *top5;

        sample_read(object, &s);
        top5 = json_object_get(s.expected, "top5");
        metrics_top5(s.n, N_NIH_LABELS, s.truth, s.score, &hits, &rows);
        cr_assert((json_int_t)hits == json_integer_value(json_object_get(top5, "hits")) &&
                      (json_int_t)rows == json_integer_value(json_object_get(top5, "rows")) && rows > 0,
                  "'%s': %zu of %zu", s.name, hits, rows);
    }
    json_decref(cases);
}

/* Means over the rows of what is called from 0.3 on, and of the order that the scores make. */
Test(metrics_fixtures, rows_as_a_whole_equal_scikit_learns_to_a_billionth)
{
    json_t *cases = fixture_load(), *object;
    float threshold[N_NIH_LABELS];
    struct sample s;
    size_t i;

    for (size_t k = 0; k < N_NIH_LABELS; k++)
        threshold[k] = 0.3f;
    json_array_foreach (cases, i, object) {
        double sum[N_SAMPLE_MEASURES] = { 0 }, row[N_SAMPLE_MEASURES];

        sample_read(object, &s);
        for (size_t r = 0; r < s.n; r++) {
            metrics_sample(N_NIH_LABELS, s.truth + r * N_NIH_LABELS, s.score + r * N_NIH_LABELS, threshold,
                           row);
            for (int m = 0; m < N_SAMPLE_MEASURES; m++)
                sum[m] += row[m];
        }
        for (int m = 0; m < N_SAMPLE_MEASURES; m++)
            check_equal(&s, SAMPLE_MEASURE_NAMES[m], 0, sum[m] / (double)s.n,
                        json_object_get(json_object_get(s.expected, "by_sample"), SAMPLE_MEASURE_NAMES[m]));
    }
    json_decref(cases);
}

/* The fixture's purpose: both classes missing, and ties, do occur in it. */
Test(metrics_fixtures, hold_columns_of_one_class_and_ties)
{
    json_t *cases = fixture_load(), *object;
    struct sample s;
    size_t i, single = 0, tied = 0;

    json_array_foreach (cases, i, object) {
        sample_read(object, &s);
        for (size_t k = 0; k < N_NIH_LABELS && s.n > 1; k++) {
            single += json_is_null(expectation(&s, "auroc", k));
            for (size_t j = 1; j < s.n; j++)
                tied += s.truth[j * N_NIH_LABELS + k] != s.truth[k] &&
                        s.score[j * N_NIH_LABELS + k] == s.score[k];
        }
    }
    cr_assert(single >= 4 && tied >= 50, "%zu columns of one class, %zu ties", single, tied);
    json_decref(cases);
}
