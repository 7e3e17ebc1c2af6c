/* model/net/inputs.c - see cxrd/inputs.h. */
#include "cxrd/inputs.h"

#include "cxrd/json.h"
#include "cxrd/words.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const INPUT_NAMES[N_INPUT_KINDS] = { "age", "sex", "view" };
const struct input_values INPUTS_UNKNOWN = { { NAN, NAN, NAN } };

enum { AGE_LIMIT = 10000 };

/* Digits, with or without a point and more of them. Returns the bytes that were read; 0: it is no such number. */
static size_t number_read(const char *text, size_t n, double *ret)
{
    double value = 0, unit = 1;
    size_t i = 0;

    for (; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        value = fmin(value * 10 + (text[i] - '0'), AGE_LIMIT);
    if (i == 0 || value >= AGE_LIMIT)
        return 0;
    if (i < n && text[i] == '.')
        for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++)
            value += (text[i] - '0') * (unit /= 10);
    *ret = value;
    return i;
}

static bool age_read(const char *text, size_t n, double *ret)
{
    static const struct {
        const char *name;
        double in_a_year;
    } UNITS[] = { { "", 1 },      { "Y", 1 },      { "yr", 1 },     { "yrs", 1 },     { "year", 1 },
                  { "years", 1 }, { "M", 12 },     { "month", 12 }, { "months", 12 }, { "W", 52 },
                  { "week", 52 }, { "weeks", 52 }, { "D", 365 },    { "day", 365 },   { "days", 365 } };
    size_t digits;
    double value;

    while (n > 0 && *text == ' ')
        text++, n--;
    digits = number_read(text, n, &value);
    for (size_t i = 0; digits && i < sizeof UNITS / sizeof UNITS[0]; i++)
        if (word_is(text + digits, n - digits, UNITS[i].name)) {
            *ret = UNITS[i].in_a_year > 1 ? floor(value / UNITS[i].in_a_year) : value;
            return true;
        }
    return false;
}

static bool one_of(const char *text, size_t n, const char *const zero[2], const char *const one[2],
                   double *ret)
{
    const bool is_one = word_is(text, n, one[0]) || word_is(text, n, one[1]);

    if (!is_one && !word_is(text, n, zero[0]) && !word_is(text, n, zero[1]))
        return false;
    *ret = is_one;
    return true;
}

bool input_read(enum input_kind kind, const char *text, size_t n, double *ret)
{
    static const char *const F[] = { "F", "female" }, *const M[] = { "M", "male" };
    static const char *const PA[] = { "PA", "posteroanterior" }, *const AP[] = { "AP", "anteroposterior" };

    switch (kind) {
    case INPUT_AGE: return age_read(text, n, ret);
    case INPUT_SEX: return one_of(text, n, F, M, ret);
    case INPUT_VIEW: return one_of(text, n, PA, AP, ret);
    case N_INPUT_KINDS: break;
    }
    return false;
}

enum status input_parse(enum input_kind kind, const char *text, double *ret, struct error *err)
{
    double value;

    if (input_read(kind, text, strlen(text), &value) && (kind != INPUT_AGE || value <= INPUT_OLDEST)) {
        *ret = value;
        return ST_OK;
    }
    switch (kind) {
    case INPUT_AGE: return error_set(err, ST_INVALID, "'age' must be years, 0 to %d", INPUT_OLDEST);
    case INPUT_SEX: return error_set(err, ST_INVALID, "'sex' must be M or F");
    case INPUT_VIEW: return error_set(err, ST_INVALID, "'view' must be AP or PA");
    case N_INPUT_KINDS: break;
    }
    return error_set(err, ST_INVALID, "there is no such input");
}

void inputs_standardise(const struct inputs *in, const struct input_values *values, float *ret)
{
    for (size_t i = 0; i < in->n; i++) {
        const double v = values->of[in->of[i].kind];

        ret[i] = isnan(v) ? 0 : (float)((v - in->of[i].mean) / in->of[i].std);
    }
}

char *inputs_text(const struct inputs *in)
{
    json_t *array;
    char *text;

    json_watch();
    array = json_array();
    for (size_t i = 0; i < in->n; i++)
        json_array_append_new(array, json_pack("{s:s,s:f,s:f}", "name", INPUT_NAMES[in->of[i].kind], "mean",
                                               in->of[i].mean, "std", in->of[i].std));
    text = json_built(array, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(array);
    return text;
}

static enum status one_read(const json_t *object, struct inputs *in, struct error *err)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const double mean = json_number_value(json_object_get(object, "mean"));
    const double std = json_number_value(json_object_get(object, "std"));
    size_t kind = 0;

    while (name && kind < N_INPUT_KINDS && strcmp(name, INPUT_NAMES[kind]) != 0)
        kind++;
    if (!name || kind == N_INPUT_KINDS)
        return error_set(err, ST_FORMAT, "the metadata's 'inputs' name another input than age, sex and view");
    for (size_t i = 0; i < in->n; i++)
        if (in->of[i].kind == kind)
            return error_set(err, ST_FORMAT, "the metadata's 'inputs' name '%s' twice", name);
    if (!isfinite(mean) || fabs(mean) > 1e6 || !(std >= 1e-6 && std <= 1e6))
        return error_set(err, ST_FORMAT, "the metadata's 'inputs' have a mean or std that cannot be");
    in->of[in->n].kind = (enum input_kind)kind;
    in->of[in->n].mean = mean;
    in->of[in->n++].std = std;
    return ST_OK;
}

enum status inputs_parse(const char *text, struct inputs *ret, struct error *err)
{
    json_t *array = NULL;
    struct inputs in = { 0 };
    enum status st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &array, NULL);

    if (st == ST_NOMEM)
        return error_nomem(err);
    st = ST_OK;
    if (!json_is_array(array) || json_array_size(array) == 0 || json_array_size(array) > N_INPUT_KINDS)
        st = error_set(err, ST_FORMAT, "the metadata's 'inputs' are not a JSON array of one to three inputs");
    for (size_t i = 0; st == ST_OK && i < json_array_size(array); i++)
        st = one_read(json_array_get(array, i), &in, err);
    json_decref(array);
    if (st == ST_OK)
        *ret = in;
    return st;
}
