/* model/image/gate_fit.c - the distance from the training pictures: made, measured, written and read.
 *
 * A Gaussian around the training pictures' statistics is a crude picture of them, and is meant to be: 24 means and
 * 300 covariances can be looked at, cost no time, and what a chest model must not be trusted with (noise, a
 * photograph, a crop, a film that lies on its side) is far outside of it. An autoencoder would ask a second network. */
#include "cxrd/input_gate.h"

#include "cxrd/json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* No statistic is believed to vary by less than half a grey level: the mean of the parts is the mean, and so the
 * covariance alone could not be inverted. */
static const double LEAST_VARIANCE = 0.25;

/* Of new pictures of the same kind, those that the threshold lets pass. The k-th of n distances lets k of n + 1 pass
 * on average. */
static const double PASSING = 0.99;

static const size_t N = GATE_STATS;

/* The lower factor L of a symmetric positive definite matrix, L Lᵀ = a. False: it is not. */
static bool cholesky(double a[GATE_STATS][GATE_STATS], double l[GATE_STATS][GATE_STATS])
{
    memset(l, 0, sizeof(double[GATE_STATS][GATE_STATS]));
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = a[i][j];

            for (size_t k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            if (i == j && !(sum > 0))
                return false;
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    return true;
}

/* The squared distance: |L⁻¹ (stats - mean)|². */
static double squared(const struct input_gate *g, const double *stats)
{
    double solved[GATE_STATS], sum = 0;

    for (size_t i = 0; i < N; i++) {
        double v = stats[i] - g->mean[i];

        for (size_t k = 0; k < i; k++)
            v -= g->factor[i][k] * solved[k];
        solved[i] = v / g->factor[i][i];
        sum += solved[i] * solved[i];
    }
    return sum;
}

double gate_distance(const struct input_gate *g, const double stats[GATE_STATS])
{
    return sqrt(squared(g, stats));
}

static void moments(const double *stats, size_t n, double mean[GATE_STATS],
                    double covariance[GATE_STATS][GATE_STATS])
{
    memset(mean, 0, N * sizeof *mean);
    memset(covariance, 0, N * N * sizeof(double));
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < N; i++)
            mean[i] += stats[r * N + i] / (double)n;
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j <= i; j++)
                covariance[i][j] +=
                    (stats[r * N + i] - mean[i]) * (stats[r * N + j] - mean[j]) / (double)(n - 1);
    for (size_t i = 0; i < N; i++)
        covariance[i][i] += LEAST_VARIANCE;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The squared distance that a picture had if mean and covariance were of the others only: it shifts the mean by
 * 1/n of itself and widens the covariance in its own direction (Sherman & Morrison 1950). */
static double without_itself(double squared_distance, double n)
{
    const double h = squared_distance / (n - 1), scale = n / (n - 1);
    const double left = 1 - scale * h;

    return left > 1e-9 ? scale * scale * (n - 2) * h / left : HUGE_VAL;
}

enum status gate_fit(const double *stats, size_t n, struct input_gate *ret)
{
    double covariance[GATE_STATS][GATE_STATS], *distances;
    struct input_gate g = { .rows = n };
    bool definite;
    size_t k;

    assert(n >= GATE_MIN_ROWS);
    distances = malloc(n * sizeof *distances);
    if (!distances)
        return ST_NOMEM;
    moments(stats, n, g.mean, covariance);
    definite = cholesky(covariance, g.factor);
    assert(definite); /* a covariance, and something on its diagonal */
    for (size_t r = 0; r < n; r++)
        distances[r] = sqrt(without_itself(squared(&g, stats + r * N), (double)n));
    qsort(distances, n, sizeof *distances, ascending);
    k = (size_t)ceil(PASSING * (double)(n + 1));
    g.threshold = distances[k < n ? k - 1 : n - 1];
    free(distances);
    *ret = g;
    return ST_OK;
}

/* ---- as text ---- */

static json_t *numbers_json(const double *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(values[i]));
    return list;
}

json_t *gate_text(const struct input_gate *g)
{
    json_t *factor, *all, *result = NULL;
    char *text;

    json_watch();
    factor = json_array();
    for (size_t i = 0; i < N; i++)
        json_array_append_new(factor, numbers_json(g->factor[i], i + 1));
    all = json_pack("{s:I,s:f,s:o,s:o}", "rows", (json_int_t)g->rows, "threshold", g->threshold, "mean",
                    numbers_json(g->mean, N), "factor", factor);
    text = json_built(all, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(all);
    if (text)
        result = json_string(text);
    free(text);
    return result;
}

static bool numbers_parse(const json_t *list, size_t n, double *ret)
{
    if (json_array_size(list) != n)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_array_get(list, i);

        if (!json_is_number(v) || !(fabs(json_number_value(v)) <= 1e6))
            return false;
        ret[i] = json_number_value(v);
    }
    return true;
}

/* A lower triangle with a positive diagonal. */
static bool factor_parse(const json_t *rows, double ret[GATE_STATS][GATE_STATS])
{
    if (json_array_size(rows) != N)
        return false;
    for (size_t i = 0; i < N; i++)
        if (!numbers_parse(json_array_get(rows, i), i + 1, ret[i]) || ret[i][i] < 1e-3)
            return false;
    return true;
}

enum status gate_parse(const char *text, struct input_gate *ret, struct error *err)
{
    json_t *all = NULL;
    const json_t *rows;
    struct input_gate g = { 0 };
    enum status st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &all, NULL);

    if (st == ST_NOMEM)
        return error_nomem(err);
    rows = json_object_get(all, "rows");
    if (!json_is_object(all))
        st = error_set(err, ST_FORMAT, "the metadata's '" GATE_KEY "' is not a JSON object");
    else if (!json_is_integer(rows) || json_integer_value(rows) < GATE_MIN_ROWS)
        st = error_set(err, ST_FORMAT, "the metadata's '" GATE_KEY "' has no 'rows' of at least %d",
                       GATE_MIN_ROWS);
    else if (!numbers_parse(json_object_get(all, "mean"), N, g.mean))
        st = error_set(err, ST_FORMAT, "the metadata's '" GATE_KEY "' has no 'mean' of %d numbers",
                       GATE_STATS);
    else if (!factor_parse(json_object_get(all, "factor"), g.factor))
        st = error_set(err, ST_FORMAT, "the metadata's '" GATE_KEY "' has no 'factor', a triangle of %d rows",
                       GATE_STATS);
    g.rows = (size_t)json_integer_value(rows);
    g.threshold = json_number_value(json_object_get(all, "threshold"));
    if (st == ST_OK && !(g.threshold > 0 && g.threshold <= 1e6))
        st = error_set(err, ST_FORMAT, "the metadata's '" GATE_KEY "' has no 'threshold' above 0");
    if (st == ST_OK)
        *ret = g;
    json_decref(all);
    return st;
}
