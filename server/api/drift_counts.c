/* server/api/drift_counts.c - see drift_counts.h. */
#include "drift_counts.h"

#include "cxrd/json.h"
#include "drift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- what the weights say ---- */

static json_t *note_read(const struct model *m, const char *name)
{
    const char *text = json_string_value(json_object_get(model_notes(m), name));
    json_t *value = NULL;

    return text && json_read(text, strlen(text), 0, &value, NULL) == ST_OK ? value : NULL;
}

static bool edges_read(const json_t *row, double ret[STRATA_BINS - 1])
{
    bool ok = json_array_size(row) == STRATA_BINS - 1;

    for (size_t i = 0; ok && i < STRATA_BINS - 1; i++) {
        ret[i] = json_number_value(json_array_get(row, i));
        ok = json_is_number(json_array_get(row, i)) && (i == 0 || ret[i] >= ret[i - 1]);
    }
    return ok;
}

static bool counts_read(const json_t *row, float ret[STRATA_BINS])
{
    bool ok = json_array_size(row) == STRATA_BINS;

    for (size_t i = 0; ok && i < STRATA_BINS; i++) {
        const json_int_t n = json_integer_value(json_array_get(row, i));

        ok = json_is_integer(json_array_get(row, i)) && n >= 0 && n < 1 << 24;
        ret[i] = (float)n;
    }
    return ok;
}

/* The number of a name of its kind, null for unknown; SIZE_MAX: there is none of that name. */
static size_t index_read(enum strata_by by, const json_t *name)
{
    const char *text = json_string_value(name);

    if (json_is_null(name))
        return strata_count(by) - 1;
    for (size_t i = 0; text && i + 1 < strata_count(by); i++)
        if (strcmp(text, strata_name(by, i)) == 0)
            return i;
    return SIZE_MAX;
}

static float *reference_of(const struct drift_counts *c, float *all, size_t cell, size_t column)
{
    return all + (cell * c->n_columns + column) * STRATA_BINS;
}

/* A cell of the note into `exact`, which has those of the rows themselves. */
static bool cell_read(struct drift_counts *c, const json_t *entry, float *exact)
{
    const json_t *scores = json_object_get(entry, "scores");
    const json_int_t rows = json_integer_value(json_object_get(entry, "rows"));
    size_t of[N_STRATA_BY], cell;
    bool ok = rows > 0 && rows < 1 << 24 && json_array_size(scores) == c->labels.n;

    for (int by = 0; by < N_STRATA_BY; by++) {
        of[by] = index_read((enum strata_by)by, json_object_get(entry, STRATA_BY_NAMES[by]));
        ok = ok && of[by] != SIZE_MAX;
    }
    if (!ok)
        return false;
    cell = strata_cell(of);
    c->rows[cell] = (double)rows;
    for (size_t k = 0; ok && k < c->labels.n; k++)
        ok = counts_read(json_array_get(scores, k), reference_of(c, exact, cell, k));
    return ok && (!c->input ||
                  counts_read(json_object_get(entry, "input"), reference_of(c, exact, cell, c->labels.n)));
}

/* Whether a row of one cell may belong to a picture of another, of which less may be known. */
static bool may_be(size_t row, size_t picture)
{
    size_t a[N_STRATA_BY], b[N_STRATA_BY];

    strata_split(row, a);
    strata_split(picture, b);
    for (int by = 0; by < N_STRATA_BY; by++)
        if (a[by] != b[by] && b[by] != strata_count((enum strata_by)by) - 1)
            return false;
    return true;
}

static void merge(struct drift_counts *c, float *exact)
{
    const size_t n = c->n_columns * STRATA_BINS;

    for (size_t picture = 0; picture < STRATA_CELLS; picture++)
        for (size_t row = 0; row < STRATA_CELLS; row++)
            for (size_t i = 0; c->rows[row] > 0 && may_be(row, picture) && i < n; i++)
                c->reference[picture * n + i] += exact[row * n + i];
}

static bool note_take(struct drift_counts *c, const json_t *note, const json_t *deciles)
{
    const json_t *cells = json_object_get(note, "cells"), *entry;
    float *exact = calloc((size_t)STRATA_CELLS * c->n_columns * STRATA_BINS, sizeof *exact);
    bool ok = exact && json_array_size(cells) > 0 && json_array_size(deciles) == c->labels.n;
    double rows = 0;
    size_t i;

    for (size_t k = 0; ok && k < c->labels.n; k++)
        ok = edges_read(json_array_get(deciles, k), c->edges[k]);
    if (ok && c->input)
        ok = edges_read(json_object_get(note, "input_deciles"), c->edges[c->labels.n]);
    json_array_foreach (cells, i, entry)
        ok = ok && cell_read(c, entry, exact);
    if (ok)
        merge(c, exact);
    for (i = 0; i < STRATA_CELLS; i++)
        rows += c->rows[i];
    c->patients_share = fmin(json_number_value(json_object_get(note, "patients")) / fmax(rows, 1), 1);
    free(exact);
    return ok && c->patients_share > 0;
}

bool drift_counts_begin(const struct loaded_model *by, struct drift_counts *ret)
{
    json_t *note = note_read(by->model, STRATA_NOTE), *deciles = note_read(by->model, DRIFT_NOTE);
    bool ok;

    *ret = (struct drift_counts){ .labels = *model_labels(by->model) };
    ret->input = json_is_array(json_object_get(note, "input_deciles"));
    ret->n_columns = ret->labels.n + ret->input;
    ret->reference = calloc((size_t)STRATA_CELLS * ret->n_columns * STRATA_BINS, sizeof *ret->reference);
    ret->latest =
        calloc((size_t)STRATA_CELLS * DRIFT_CALLERS * ret->n_columns * STRATA_BINS, sizeof *ret->latest);
    ok = ret->reference && ret->latest && note && deciles && note_take(ret, note, deciles);
    json_decref(note);
    json_decref(deciles);
    if (!ok)
        drift_counts_release(ret);
    return ok;
}

void drift_counts_release(struct drift_counts *c)
{
    free(c->reference);
    free(c->latest);
    *c = (struct drift_counts){ 0 };
}

/* ---- the latest pictures ---- */

static float *latest_of(const struct drift_counts *c, size_t cell, size_t caller, size_t column)
{
    return c->latest + ((cell * DRIFT_CALLERS + caller) * c->n_columns + column) * STRATA_BINS;
}

/* Names come from the operator's file of keys, and yet no more than so many become strata. */
static size_t caller_of(struct drift_counts *c, const char *who)
{
    size_t i = 0;

    while (i < c->n_callers && strncmp(c->callers[i], who, DRIFT_KEY_NAME - 1) != 0)
        i++;
    if (i == c->n_callers && i < DRIFT_KEYS)
        snprintf(c->callers[c->n_callers++], DRIFT_KEY_NAME, "%s", who);
    return i;
}

static void halve(struct drift_counts *c)
{
    const size_t n = (size_t)STRATA_CELLS * DRIFT_CALLERS * c->n_columns * STRATA_BINS;

    for (size_t i = 0; i < n; i++)
        c->latest[i] /= 2;
    for (size_t cell = 0; cell < STRATA_CELLS; cell++)
        for (size_t caller = 0; caller < DRIFT_CALLERS; caller++)
            c->pictures[cell][caller] /= 2;
    c->seen /= 2;
    c->squares /= 4;
}

void drift_counts_add(struct drift_counts *c, const struct drift_picture *p)
{
    const size_t caller = caller_of(c, p->who);
    size_t of[N_STRATA_BY], cell;

    for (int by = 0; by < N_STRATA_BY; by++)
        of[by] = strata_of((enum strata_by)by, p->of[by]);
    cell = strata_cell(of);
    for (size_t k = 0; k < c->labels.n; k++)
        latest_of(c, cell, caller, k)[strata_bin(c->edges[k], (double)p->probability[k])]++;
    if (c->input && !isnan(p->distance))
        latest_of(c, cell, caller, c->labels.n)[strata_bin(c->edges[c->labels.n], p->distance)]++;
    c->pictures[cell][caller]++;
    c->squares++;
    if (++c->seen >= DRIFT_MOST)
        halve(c);
}

double drift_weight(const struct drift_counts *c) { return c->squares > 0 ? c->seen / c->squares : 0; }

/* ---- strata ---- */

const char *drift_stratum_name(const struct drift_counts *c, struct drift_stratum s)
{
    if (s.by == N_DRIFT_BY)
        return "all";
    if (s.by == STRATA_KEY)
        return s.index < c->n_callers ? c->callers[s.index] : "other";
    return strata_name((enum strata_by)s.by, s.index);
}

size_t drift_strata_count(const struct drift_counts *c, size_t by)
{
    if (by == N_DRIFT_BY)
        return 1;
    return by == STRATA_KEY ? (c->n_callers < DRIFT_KEYS ? c->n_callers : DRIFT_CALLERS)
                            : strata_count((enum strata_by)by);
}

static bool is_of(struct drift_stratum s, size_t cell, size_t caller)
{
    size_t of[N_STRATA_BY];

    if (s.by == N_DRIFT_BY)
        return true;
    if (s.by == STRATA_KEY)
        return s.index == caller;
    strata_split(cell, of);
    return s.index == of[s.by];
}

static bool is_selected(const struct drift_selection *s, size_t cell, size_t caller)
{
    bool selected = is_of(s->only, cell, caller);

    for (size_t i = 0; i < s->n_without && selected; i++)
        selected = !is_of(s->without[i], cell, caller);
    return selected;
}

/* ---- the tests ---- */

/* The unknown facts of a picture, as bits. */
static unsigned pattern_of(size_t cell)
{
    size_t of[N_STRATA_BY];
    unsigned pattern = 0;

    strata_split(cell, of);
    for (int by = 0; by < N_STRATA_BY; by++)
        pattern |= (unsigned)(of[by] == strata_count((enum strata_by)by) - 1) << by;
    return pattern;
}

/* A validation row stands for pictures of which its view is known and for those of which it is not. So that it counts once in all,
 * each of these kinds has its share of it. */
static void shares_of(const struct drift_counts *c, double ret[1 << N_STRATA_BY])
{
    for (unsigned i = 0; i < 1u << N_STRATA_BY; i++)
        ret[i] = 0;
    for (size_t cell = 0; cell < STRATA_CELLS; cell++)
        for (size_t caller = 0; caller < DRIFT_CALLERS; caller++)
            ret[pattern_of(cell)] += c->pictures[cell][caller] / fmax(c->seen, 1);
}

/* The cells of a selection that have pictures: what its callers' are worth, and rows. */
struct chosen {
    size_t n, cell[STRATA_CELLS];
    bool caller[STRATA_CELLS][DRIFT_CALLERS];
    double share[STRATA_CELLS];
};

static void choose(const struct drift_counts *c, const struct drift_selection *s, struct chosen *ret)
{
    double shares[1 << N_STRATA_BY];

    shares_of(c, shares);
    ret->n = 0;
    for (size_t cell = 0; cell < STRATA_CELLS; cell++) {
        bool any = false;

        for (size_t caller = 0; caller < DRIFT_CALLERS; caller++) {
            ret->caller[ret->n][caller] = c->pictures[cell][caller] > 0 && is_selected(s, cell, caller);
            any |= ret->caller[ret->n][caller];
        }
        ret->share[ret->n] = shares[pattern_of(cell)];
        ret->cell[ret->n] = cell;
        ret->n += any;
    }
}

/* One column of them. */
static double column_test(const struct drift_counts *c, const struct chosen *s, size_t column,
                          double *ret_statistic, double *ret_rows, double *ret_pictures)
{
    const double weight = drift_weight(c);
    struct cmh cmh = { { 0 } };
    size_t freedom;

    *ret_rows = *ret_pictures = 0;
    for (size_t i = 0; i < s->n; i++) {
        const float *reference = reference_of(c, c->reference, s->cell[i], column);
        double then[STRATA_BINS], now[STRATA_BINS] = { 0 };

        for (size_t caller = 0; caller < DRIFT_CALLERS; caller++)
            for (size_t bin = 0; s->caller[i][caller] && bin < STRATA_BINS; bin++)
                now[bin] += weight * (double)latest_of(c, s->cell[i], caller, column)[bin];
        for (size_t bin = 0; bin < STRATA_BINS; bin++) {
            then[bin] = s->share[i] * (double)reference[bin];
            *ret_rows += then[bin];
            *ret_pictures += now[bin];
        }
        cmh_add(&cmh, then, now);
    }
    *ret_statistic = cmh_statistic(&cmh, &freedom) * c->patients_share;
    return chi_squared_above(*ret_statistic, freedom);
}

struct drift_result drift_test(const struct drift_counts *c, const struct drift_selection *s)
{
    struct drift_result r = { .p = 2 };
    struct chosen chosen;

    choose(c, s, &chosen);
    for (size_t k = 0; k < c->n_columns; k++) {
        double statistic, rows, pictures;
        const double p = column_test(c, &chosen, k, &statistic, &rows, &pictures);

        r.pictures = fmax(r.pictures, pictures);
        if (pictures < DRIFT_ENOUGH || rows < DRIFT_ENOUGH / 2.0)
            continue;
        r.enough = true;
        if (p < r.p || (p == r.p && statistic > r.statistic)) {
            r.p = p;
            r.statistic = statistic;
            r.column = k;
        }
    }
    r.p = fmin(r.p * (double)c->n_columns, 1);
    return r;
}

struct drift_mix drift_mix_test(const struct drift_counts *c, enum strata_by by)
{
    struct drift_mix m = { .n = strata_count(by) - 1 };
    double then[CMH_BINS] = { 0 }, now[CMH_BINS] = { 0 }, rows = 0, pictures = 0;
    struct cmh cmh = { { 0 } };
    size_t freedom;

    for (size_t cell = 0; cell < STRATA_CELLS; cell++) {
        size_t of[N_STRATA_BY];

        strata_split(cell, of);
        if (of[by] == m.n)
            continue;
        then[of[by]] += c->rows[cell];
        rows += c->rows[cell];
        for (size_t caller = 0; caller < DRIFT_CALLERS; caller++) {
            now[of[by]] += drift_weight(c) * c->pictures[cell][caller];
            pictures += drift_weight(c) * c->pictures[cell][caller];
        }
    }
    m.enough = pictures >= DRIFT_ENOUGH && rows >= DRIFT_ENOUGH / 2.0;
    cmh_add(&cmh, then, now);
    m.p = chi_squared_above(cmh_statistic(&cmh, &freedom) * c->patients_share, freedom);
    if (!m.enough)
        m.p = 1;
    for (size_t i = 0; i < m.n; i++) {
        m.then[i] = then[i] / fmax(rows, 1);
        m.now[i] = now[i] / fmax(pictures, 1);
    }
    return m;
}
