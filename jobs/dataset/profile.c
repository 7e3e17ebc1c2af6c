/* jobs/dataset/profile.c - a table as pandas' info(), describe() and head() show it, see cxrd/table_profile.h. A pass of its
 * own over the file: table.c reads what cxrd trains with and no more. */
#include "cxrd/table_profile.h"

#include "cxrd/dataset.h"
#include "cxrd/plain_text.h"
#include "cxrd/utf8.h"
#include "cxrd/words.h"

#include <csv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const COLUMN_TYPE_NAMES[] = { "int64", "float64", "object" };

enum { MAX_NUMBER = 63, FIELD_BLOCK = 1 << 16 };

#define PATIENT_COLUMN "Patient ID"
#define AGE_COLUMN     "Patient Age"

/* Those of ChestX-ray14's releases. */
static const char *const SHOWN[] = { "Image Index",
                                     "Finding Labels",
                                     "Follow-up #",
                                     PATIENT_COLUMN,
                                     AGE_COLUMN,
                                     "Patient Gender",
                                     "Patient Sex",
                                     "View Position",
                                     "OriginalImage[Width",
                                     "Height]",
                                     "OriginalImagePixelSpacing[x",
                                     "y]",
                                     "OriginalImageWidth",
                                     "OriginalImageHeight",
                                     "OriginalImagePixelSpacing_x",
                                     "OriginalImagePixelSpacing_y" };

/* A column while it is read. */
struct gathering {
    bool shown, patient, age;
    bool number, whole; /* all that is there so far is */
    double *values;     /* [n], owned: of a column that will be described */
    size_t n, capacity;
};

struct pass {
    struct table_profile *p;
    struct gathering column[PROFILE_COLUMNS];
    char patients[PROFILE_FIRST][PROFILE_TEXT + 4]; /* of the first rows, as the table has them */
    size_t field, line;
    bool failed; /* no memory */
};

/* Whole characters; '?' stands for bytes that are not UTF-8. */
static void text_keep(char ret[PROFILE_TEXT + 4], const char *text, size_t n)
{
    char character[5] = "";
    size_t used = 0;

    for (size_t i = 0, size; i < n; i += size) {
        const size_t left = n - i < 4 ? n - i : 4;

        memcpy(character, text + i, left);
        character[left] = '\0';
        size = utf8_character(character);
        if (used + (size ? size : 1) > PROFILE_TEXT) {
            memcpy(ret + used, "\xe2\x80\xa6", 3);
            used += 3;
            break;
        }
        if (size)
            memcpy(ret + used, character, size);
        else
            ret[used] = '?';
        used += size ? size : 1;
        size = size ? size : 1;
    }
    ret[used] = '\0';
}

/* ---- cells ---- */

/* The words that pandas.read_csv() takes for a missing value. */
static bool is_null(const char *text, size_t n)
{
    static const char *const NULLS[] = { "",         "#N/A", "#N/A N/A", "#NA",    "-1.#IND",
                                         "-1.#QNAN", "-NaN", "-nan",     "1.#IND", "<NA>",
                                         "1.#QNAN",  "N/A",  "NA",       "NULL",   "NaN",
                                         "None",     "n/a",  "nan",      "null" };

    for (size_t i = 0; i < sizeof NULLS / sizeof NULLS[0]; i++)
        if (strlen(NULLS[i]) == n && memcmp(text, NULLS[i], n) == 0)
            return true;
    return false;
}

/* Decimal digits, a sign, a point, an exponent. */
static bool number_of(const char *text, size_t n, double *ret, bool *ret_whole)
{
    char copy[MAX_NUMBER + 1], *end;

    if (n == 0 || n > MAX_NUMBER)
        return false;
    memcpy(copy, text, n);
    copy[n] = '\0';
    if (strspn(copy, "0123456789+-.eE") < n)
        return false;
    *ret = strtod(copy, &end);
    *ret_whole = strcspn(copy, ".eE") == n && fabs(*ret) < 0x1p63;
    return *end == '\0';
}

static bool value_keep(struct gathering *g, double value)
{
    if (g->n == g->capacity) {
        const size_t wanted = g->capacity ? 2 * g->capacity : 1024;
        double *grown = realloc(g->values, wanted * sizeof *grown);

        if (!grown)
            return false;
        g->values = grown;
        g->capacity = wanted;
    }
    g->values[g->n++] = value;
    return true;
}

static void patient_show(struct pass *s, char ret[PROFILE_TEXT + 4], const char *text, size_t n)
{
    const size_t row = s->line - 1;
    size_t number = 1;

    text_keep(s->patients[row], text, n);
    for (size_t i = 0; i < row; i++) {
        bool before = false;

        if (strcmp(s->patients[i], s->patients[row]) == 0)
            break;
        for (size_t j = 0; j < i && !before; j++)
            before = strcmp(s->patients[i], s->patients[j]) == 0;
        number += !before;
    }
    snprintf(ret, PROFILE_TEXT + 4, "patient %zu", number);
}

static void cell(struct pass *s, const char *text, size_t n)
{
    struct gathering *g = &s->column[s->field];
    struct column_profile *c = &s->p->column[s->field];
    const size_t row = s->line - 1;
    bool whole = true, nothing = is_null(text, n), number;
    double value = NAN;

    if (row < PROFILE_FIRST && g->shown && g->patient)
        patient_show(s, s->p->first[row][s->field], text, n);
    else if (row < PROFILE_FIRST && g->shown)
        text_keep(s->p->first[row][s->field], text, n);
    if (nothing)
        return;
    c->non_null++;
    number = number_of(text, n, &value, &whole);
    g->number = g->number && number;
    g->whole = g->whole && whole;
    if (!number && g->age && !input_read(INPUT_AGE, text, n, &value))
        value = NAN;
    if (g->shown && !g->patient && (g->number || g->age) && !isnan(value) && !value_keep(g, value))
        s->failed = true;
}

static void header_cell(struct pass *s, const char *text, size_t n)
{
    struct gathering *g = &s->column[s->field];
    struct column_profile *c = &s->p->column[s->field];

    text_keep(c->name, text, n);
    if (n == 0)
        snprintf(c->name, sizeof c->name, "Unnamed: %zu", s->field);
    *g = (struct gathering){ .number = true, .whole = true };
    for (size_t i = 0; i < sizeof SHOWN / sizeof SHOWN[0]; i++)
        g->shown = g->shown || word_is(text, n, SHOWN[i]);
    g->patient = word_is(text, n, PATIENT_COLUMN);
    g->age = word_is(text, n, AGE_COLUMN);
    c->shown = g->shown;
}

static void on_field(void *text, size_t n, void *arg)
{
    struct pass *s = arg;

    if (s->field < PROFILE_COLUMNS && !s->failed) {
        if (s->line == 0)
            header_cell(s, text, n);
        else if (s->field < s->p->n)
            cell(s, text, n);
    }
    s->field++;
}

static void on_row(int terminator, void *arg)
{
    struct pass *s = arg;

    (void)terminator;
    if (s->line == 0) {
        s->p->columns = s->field;
        s->p->n = s->field < PROFILE_COLUMNS ? s->field : PROFILE_COLUMNS;
    } else {
        s->p->rows++;
        s->p->n_first = s->p->rows < PROFILE_FIRST ? s->p->rows : PROFILE_FIRST;
    }
    s->line++;
    s->field = 0;
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Between the two values that it falls between, in proportion: NumPy's "linear". */
static double quantile(const double *sorted, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static void describe(const struct gathering *g, struct column_profile *c)
{
    double sum = 0, squares = 0;

    c->described = true;
    c->count = g->n;
    c->mean = c->std = c->min = c->max = c->quartile[0] = c->quartile[1] = c->quartile[2] = NAN;
    if (g->n == 0)
        return;
    qsort(g->values, g->n, sizeof *g->values, by_value);
    for (size_t i = 0; i < g->n; i++)
        sum += g->values[i];
    c->mean = sum / (double)g->n;
    for (size_t i = 0; i < g->n; i++)
        squares += (g->values[i] - c->mean) * (g->values[i] - c->mean);
    if (g->n > 1)
        c->std = sqrt(squares / (double)(g->n - 1));
    c->min = g->values[0];
    c->max = g->values[g->n - 1];
    for (int i = 0; i < 3; i++)
        c->quartile[i] = quantile(g->values, g->n, (i + 1) / 4.0);
}

/* A whole column without a gap is int64, one with a gap float64, as is one that says nothing. */
static void column_end(const struct pass *s, size_t i)
{
    const struct gathering *g = &s->column[i];
    struct column_profile *c = &s->p->column[i];

    c->type = !g->number                                            ? COLUMN_OBJECT
              : g->whole && s->p->rows && c->non_null == s->p->rows ? COLUMN_INT64
                                                                    : COLUMN_FLOAT64;
    if (g->shown && !g->patient && (g->number || g->age))
        describe(g, c);
}

/* Into its place among the oldest. */
static void old_keep(struct table_profile *p, double age, const char *image)
{
    size_t i = p->n_old < PROFILE_OLD ? p->n_old : PROFILE_OLD - 1;

    p->old_rows++;
    if (p->n_old == PROFILE_OLD && p->old[i].age >= age)
        return;
    for (; i > 0 && p->old[i - 1].age < age; i--)
        p->old[i] = p->old[i - 1];
    p->old[i].age = age;
    text_keep(p->old[i].image, image, strlen(image));
    p->n_old += p->n_old < PROFILE_OLD;
}

enum status table_profile(const void *bytes, size_t n_bytes, const struct table *t, double age_limit,
                          struct table_profile *ret)
{
    const struct plain_text text = plain_text_of(bytes, n_bytes);
    struct pass s = { .p = ret };
    struct csv_parser csv;

    memset(ret, 0, sizeof *ret);
    ret->age_limit = age_limit;
    if (csv_init(&csv, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return ST_NOMEM;
    csv_set_blk_size(&csv, FIELD_BLOCK);
    if (csv_parse(&csv, text.at, text.n, on_field, on_row, &s) != text.n ||
        csv_fini(&csv, on_field, on_row, &s) != 0) /* it was read before, so what is lacking is memory */
        s.failed = true;
    csv_free(&csv);
    for (size_t i = 0; i < ret->n && !s.failed; i++)
        column_end(&s, i);
    for (size_t i = 0; i < PROFILE_COLUMNS; i++)
        free(s.column[i].values);
    for (size_t i = 0; i < t->n_rows; i++)
        if ((double)t->rows[i].age > age_limit)
            old_keep(ret, (double)t->rows[i].age, table_image(t, i));
    return s.failed ? ST_NOMEM : ST_OK;
}
