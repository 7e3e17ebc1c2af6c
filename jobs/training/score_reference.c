/* jobs/training/score_reference.c - see score_reference.h. */
#include "score_reference.h"

#include "cxrd/decimal.h"
#include "cxrd/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DECILES = 9 };

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The smallest score that at least a tenth, two tenths, … of the rows do not exceed. */
static json_t *deciles_of(const struct scores *s, size_t finding, float *sorted)
{
    json_t *row = json_array();

    for (size_t i = 0; i < s->n; i++)
        sorted[i] = s->prob[i * s->labels->n + finding];
    qsort(sorted, s->n, sizeof *sorted, compare);
    for (size_t d = 1; d <= DECILES; d++)
        json_array_append_new(row, decimal_json(sorted[(s->n * d + DECILES) / (DECILES + 1) - 1]));
    return row;
}

char *score_reference_text(const struct scores *s)
{
    float *sorted = malloc(s->n * sizeof *sorted);
    json_t *rows;
    char *text;

    json_watch();
    rows = json_array();
    for (size_t k = 0; k < s->labels->n && sorted; k++)
        json_array_append_new(rows, deciles_of(s, k, sorted));
    text = json_array_size(rows) == s->labels->n ? json_built(rows, JSON_COMPACT | JSON_REAL_PRECISION(9))
                                                 : NULL;
    json_decref(rows);
    free(sorted);
    return text;
}

/* ---- by view, sex and age ---- */

struct cells {
    size_t n_columns, rows[STRATA_CELLS];
    uint32_t *counts; /* [cell][n_columns][bin], owned */
};

static size_t cell_of(const struct table_row *row)
{
    const double view = row->view == 'P' ? 0 : row->view == 'A' ? 1 : NAN;
    const double sex = row->sex == 'F' ? 0 : row->sex == 'M' ? 1 : NAN;
    const size_t of[N_STRATA_BY] = { strata_of(STRATA_VIEW, view), strata_of(STRATA_SEX, sex),
                                     strata_of(STRATA_AGE, (double)row->age) };

    return strata_cell(of);
}

static uint32_t *counts_of(const struct cells *c, size_t cell, size_t column)
{
    return c->counts + (cell * c->n_columns + column) * STRATA_BINS;
}

static void edges_of(const double *sorted, size_t n, double ret[STRATA_BINS - 1])
{
    for (size_t d = 1; d <= DECILES; d++)
        ret[d - 1] = sorted[(n * d + DECILES) / (DECILES + 1) - 1];
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void column_count(struct cells *c, size_t column, const struct table *t, const uint32_t *rows,
                         const double *values, size_t n, const double edges[STRATA_BINS - 1])
{
    for (size_t i = 0; i < n; i++)
        counts_of(c, cell_of(&t->rows[rows[i]]), column)[strata_bin(edges, values[i])]++;
}

static json_t *bins_json(const uint32_t *counts)
{
    json_t *bins = json_array();

    for (size_t i = 0; i < STRATA_BINS; i++)
        json_array_append_new(bins, json_integer((json_int_t)counts[i]));
    return bins;
}

static json_t *cell_json(const struct cells *c, size_t cell, size_t n_labels)
{
    size_t of[N_STRATA_BY];
    json_t *scores = json_array(), *entry = json_object();

    strata_split(cell, of);
    for (int by = 0; by < N_STRATA_BY; by++) {
        const char *name = strata_name((enum strata_by)by, of[by]);

        json_object_set_new(entry, STRATA_BY_NAMES[by], name ? json_string(name) : json_null());
    }
    json_object_set_new(entry, "rows", json_integer((json_int_t)c->rows[cell]));
    for (size_t k = 0; k < n_labels; k++)
        json_array_append_new(scores, bins_json(counts_of(c, cell, k)));
    json_object_set_new(entry, "scores", scores);
    if (c->n_columns > n_labels)
        json_object_set_new(entry, "input", bins_json(counts_of(c, cell, n_labels)));
    return entry;
}

static int compare_keys(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* How many patients: those of several rows count once. */
static size_t patients_of(const struct scores *s, const struct table *t, uint64_t *room)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        room[i] = t->rows[s->rows[i]].patient;
    qsort(room, s->n, sizeof *room, compare_keys);
    for (size_t i = 0; i < s->n; i++)
        n += i == 0 || room[i] != room[i - 1];
    return n;
}

static json_t *deciles_json(const double edges[STRATA_BINS - 1])
{
    json_t *list = json_array();

    for (size_t i = 0; i < STRATA_BINS - 1; i++)
        json_array_append_new(list, json_real(edges[i]));
    return list;
}

static json_t *strata_json(struct cells *c, const struct scores *s, const struct table *t,
                           const struct tried *tried, size_t patients, double *values, double *sorted)
{
    const size_t n_labels = s->labels->n;
    double edges[STRATA_BINS - 1];
    json_t *cells = json_array(),
           *note = json_pack("{s:I,s:o}", "patients", (json_int_t)patients, "cells", cells);

    for (size_t i = 0; i < s->n; i++)
        c->rows[cell_of(&t->rows[s->rows[i]])]++;
    for (size_t k = 0; k < n_labels; k++) {
        for (size_t i = 0; i < s->n; i++)
            values[i] = sorted[i] = (double)s->prob[i * n_labels + k];
        qsort(sorted, s->n, sizeof *sorted, compare_doubles);
        edges_of(sorted, s->n, edges);
        column_count(c, k, t, s->rows, values, s->n, edges);
    }
    if (c->n_columns > n_labels) {
        memcpy(sorted, tried->distance, tried->n * sizeof *sorted);
        qsort(sorted, tried->n, sizeof *sorted, compare_doubles);
        edges_of(sorted, tried->n, edges);
        column_count(c, n_labels, t, tried->row, tried->distance, tried->n, edges);
        json_object_set_new(note, "input_deciles", deciles_json(edges));
    }
    for (size_t cell = 0; cell < STRATA_CELLS; cell++)
        if (c->rows[cell] > 0)
            json_array_append_new(cells, cell_json(c, cell, n_labels));
    return note;
}

char *strata_text(const struct scores *s, const struct table *t, const struct tried *tried)
{
    const size_t most = s->n > tried->n ? s->n : tried->n;
    struct cells c = { .n_columns = s->labels->n + (tried->n >= SCORE_REFERENCE_LEAST) };
    double *values = malloc((most + 1) * sizeof *values), *sorted = malloc((most + 1) * sizeof *sorted);
    uint64_t *keys = malloc((s->n + 1) * sizeof *keys);
    json_t *note = NULL;
    char *text = NULL;

    c.counts = calloc((size_t)STRATA_CELLS * c.n_columns * STRATA_BINS, sizeof *c.counts);
    json_watch();
    if (values && sorted && keys && c.counts)
        note = strata_json(&c, s, t, tried, patients_of(s, t, keys), values, sorted);
    if (note)
        text = json_built(note, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(note);
    free(values);
    free(sorted);
    free(keys);
    free(c.counts);
    return text;
}
