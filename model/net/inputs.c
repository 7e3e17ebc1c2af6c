/* model/net/inputs.c - see cxrd/inputs.h. */
#include "cxrd/inputs.h"

#include "cxrd/json.h"
#include "cxrd/words.h"

#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const INPUT_NAMES[N_INPUT_FIELDS] = { "age", "sex", "view", "history", "course", "history_last" };

#define NAN_16 NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN
#define NAN_64 NAN_16, NAN_16, NAN_16, NAN_16
const struct input_values INPUTS_UNKNOWN = { { NAN, NAN, NAN, NAN_64, NAN_64, NAN, NAN_64, NAN_64, NAN } };
_Static_assert(N_INPUT_NUMBERS == 3 + 2 * (2 * 64 + 1), "as many as INPUTS_UNKNOWN names");

enum { AGE_LIMIT = 10000, NUMBER_NAME = LABEL_SIZE + 8 };

/* The numbers that there are of each finding. */
static const struct per_finding {
    size_t first;
    const char *name;
} PER_FINDING[] = {
    { INPUT_EVER, "ever" }, { INPUT_LAST, "last" }, { INPUT_OFTEN, "often" }, { INPUT_LATELY, "lately" }
};
enum { N_PER_FINDING = sizeof PER_FINDING / sizeof PER_FINDING[0] };

/* The one that the number belongs to; NULL: it is of no finding. */
static const struct per_finding *per_finding_of(size_t number)
{
    for (size_t i = 0; i < N_PER_FINDING; i++)
        if (number >= PER_FINDING[i].first && number < PER_FINDING[i].first + MAX_LABELS)
            return &PER_FINDING[i];
    return NULL;
}

enum input_kind input_kind_of(size_t number)
{
    if (number < INPUT_HISTORY)
        return (enum input_kind)number;
    return number <= INPUT_EARLIER ? INPUT_HISTORY : INPUT_COURSE;
}

bool input_exists(size_t number, size_t n_labels)
{
    const struct per_finding *of = per_finding_of(number);

    return number < N_INPUT_NUMBERS && (!of || number - of->first < n_labels);
}

static double counted(size_t films) { return films < INPUT_MOST_FILMS ? (double)films : INPUT_MOST_FILMS; }

double input_often(size_t films) { return log1p(counted(films)); }

double input_lately(size_t since) { return 1 / (1 + counted(since)); }

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
    case INPUT_HISTORY: /* is no one number */
    case INPUT_COURSE:
    case N_INPUT_KINDS: break;
    }
    return false;
}

/* ---- history ---- */

/* The findings of a list of `n` bytes as bits. Errors: ST_INVALID; those that are not known are named. */
static enum status findings_parse(const char *name, const char *text, size_t n, const struct labels *labels,
                                  uint64_t *ret, struct error *err)
{
    struct label_words w = label_words_of(labels, text, n);
    char strange[128] = "";
    bool nothing = false, something = false;
    uint64_t bits = 0;

    while (label_words_next(&w)) {
        const size_t used = strlen(strange);

        if (w.label == LABEL_UNKNOWN)
            snprintf(strange + used, sizeof strange - used, "%s'%.*s'", used ? ", " : "", (int)w.n, w.word);
        else if (w.label == LABEL_NO_FINDING)
            nothing = true;
        else
            something = true;
        if (w.label >= 0 && w.label < MAX_LABELS)
            bits |= UINT64_C(1) << w.label;
    }
    if (strange[0])
        return error_set(
            err, ST_INVALID,
            "'%s' must be a list of findings, 'No Finding', or 'none' where there is no earlier film; "
            "these are not known: %s",
            name, strange);
    if (nothing && something)
        return error_set(err, ST_INVALID, "'%s' says both No Finding and a finding", name);
    *ret = bits;
    return ST_OK;
}

static enum status history_said_twice(struct error *err)
{
    return error_set(err, ST_INVALID,
                     "'course' says what 'history' and 'history_last' say: give it, or one of them or both");
}

/* Whether nothing was found on any earlier film, and something on the last of them. */
static bool contradicts(const double *ever, const double *last, size_t n_labels)
{
    bool seen = false, found = false;

    for (size_t k = 0; k < n_labels; k++) {
        if (isnan(ever[k]) || isnan(last[k]))
            return false;
        seen |= ever[k] > 0;
        found |= last[k] > 0;
    }
    return found && !seen;
}

static enum status history_parse(size_t field, const char *text, const struct labels *labels,
                                 struct input_values *values, struct error *err)
{
    double *ever = values->of + INPUT_EVER, *last = values->of + INPUT_LAST;
    double said[MAX_LABELS], *half = field == INPUT_HISTORY_LAST ? last : ever;
    double *earlier = values->of + INPUT_EARLIER;
    const bool none = word_is(text, strlen(text), "none");
    uint64_t bits = 0;
    const enum status st =
        none ? ST_OK : findings_parse(INPUT_NAMES[field], text, strlen(text), labels, &bits, err);

    if (st != ST_OK)
        return st;
    if (!isnan(values->of[INPUT_FILMS]))
        return history_said_twice(err);
    if (*earlier == none) /* false for NaN */
        return error_set(err, ST_INVALID, "'history' and 'history_last': only one of them says 'none'");
    for (size_t k = 0; k < labels->n; k++)
        said[k] = (double)(bits >> k & 1);
    if (half == last ? contradicts(ever, said, labels->n) : contradicts(said, last, labels->n))
        return error_set(err, ST_INVALID,
                         "'history' says that no earlier film showed a finding, 'history_last' that the last "
                         "one did");
    *earlier = !none;
    for (size_t k = 0; k < labels->n; k++) {
        half[k] = said[k];
        if (none)
            ever[k] = last[k] = 0;
        if (last[k] > 0 && !isnan(ever[k]))
            ever[k] = 1;
    }
    return ST_OK;
}

/* ---- course ---- */

/* Of earlier films, as far as they were read: bits of findings, of each how many films showed it and how many came after the last of these. */
struct course {
    uint64_t ever, last;
    size_t films, often[MAX_LABELS], since[MAX_LABELS];
};

static void course_add(struct course *c, uint64_t found)
{
    for (size_t k = 0; k < MAX_LABELS; k++) {
        const bool there = found >> k & 1;

        c->often[k] += there;
        c->since[k] = there ? 0 : c->since[k] + 1;
    }
    c->ever |= found;
    c->last = found;
    c->films++;
}

static void course_values(const struct course *c, size_t n_labels, struct input_values *values)
{
    values->of[INPUT_EARLIER] = c->films > 0;
    values->of[INPUT_FILMS] = input_often(c->films);
    for (size_t k = 0; k < n_labels; k++) {
        const bool ever = c->ever >> k & 1;

        values->of[INPUT_EVER + k] = ever;
        values->of[INPUT_LAST + k] = (double)(c->last >> k & 1);
        values->of[INPUT_OFTEN + k] = input_often(c->often[k]);
        values->of[INPUT_LATELY + k] = ever ? input_lately(c->since[k]) : 0;
    }
}

/* A film's findings, `n` bytes of a course. */
static enum status film_parse(const char *text, size_t n, const struct labels *labels, uint64_t *ret,
                              struct error *err)
{
    if (strspn(text, " ") >= n)
        return error_set(err, ST_INVALID,
                         "'course' must say of each film what was found, or 'No Finding': one is empty");
    return findings_parse(INPUT_NAMES[INPUT_COURSE], text, n, labels, ret, err);
}

static enum status course_parse(const char *text, const struct labels *labels, struct input_values *values,
                                struct error *err)
{
    struct course c = { 0 };
    enum status st = ST_OK;

    if (!isnan(values->of[INPUT_EARLIER]))
        return history_said_twice(err);
    for (bool more = !word_is(text, strlen(text), "none"); more && st == ST_OK;) {
        const size_t n = strcspn(text, "/");
        uint64_t found = 0;

        st = film_parse(text, n, labels, &found, err);
        course_add(&c, found);
        more = text[n] == '/';
        text += n + more;
    }
    if (st == ST_OK)
        course_values(&c, labels->n, values);
    return st;
}

/* ---- requests ---- */

enum status input_parse(size_t field, const char *text, const struct labels *labels,
                        struct input_values *values, struct error *err)
{
    double value;

    if (field == INPUT_HISTORY || field == INPUT_HISTORY_LAST)
        return history_parse(field, text, labels, values, err);
    if (field == INPUT_COURSE)
        return course_parse(text, labels, values, err);
    if (input_read((enum input_kind)field, text, strlen(text), &value) &&
        (field != INPUT_AGE || value <= INPUT_OLDEST)) {
        values->of[field] = value;
        return ST_OK;
    }
    switch (field) {
    case INPUT_AGE: return error_set(err, ST_INVALID, "'age' must be years, 0 to %d", INPUT_OLDEST);
    case INPUT_SEX: return error_set(err, ST_INVALID, "'sex' must be M or F");
    case INPUT_VIEW: return error_set(err, ST_INVALID, "'view' must be AP or PA");
    default: return error_set(err, ST_INVALID, "there is no such input");
    }
}

bool input_given(size_t field, const struct input_values *values)
{
    switch (field) {
    case INPUT_HISTORY_LAST: return !isnan(values->of[INPUT_LAST]);
    case INPUT_COURSE: return !isnan(values->of[INPUT_FILMS]);
    default: return !isnan(values->of[field]);
    }
}

unsigned inputs_kinds(const struct inputs *in)
{
    unsigned bits = 0;

    for (size_t i = 0; i < in->n; i++)
        bits |= 1u << input_kind_of(in->of[i].number);
    return bits;
}

bool inputs_look_back(const struct inputs *in)
{
    return (inputs_kinds(in) & (1u << INPUT_HISTORY | 1u << INPUT_COURSE)) != 0;
}

/* ---- standardised ---- */

/* Where a number is among those that a network takes; in->n: it takes no such number. */
static size_t place_of(const struct inputs *in, size_t number)
{
    size_t i = 0;

    while (i < in->n && in->of[i].number != number)
        i++;
    return i;
}

static double share(double v) { return fmin(fmax(v, 0), 1); } /* 0 for NaN */

/* The number that says something of this one; N_INPUT_NUMBERS: there is none. */
static size_t other_half(size_t number)
{
    const struct per_finding *of = per_finding_of(number);

    if (of)
        return number - of->first + (of->first == INPUT_EVER ? INPUT_LAST : INPUT_EVER);
    return number == INPUT_FILMS ? INPUT_EARLIER : N_INPUT_NUMBERS;
}

/* The shares of rows with a finding ever before, and at the last film, say it, since the latter are among the former; so is a mean over
 * all rows, where most have 0, of those that have more. */
bool inputs_half(const struct inputs *in, size_t i, struct input_half *ret)
{
    const size_t number = in->of[i].number, other = place_of(in, other_half(number));
    const enum input_kind kind = input_kind_of(number);
    double mean, beside;

    if (other == in->n)
        return false;
    mean = in->of[i].mean;
    beside = in->of[other].mean;
    if (kind == INPUT_COURSE)
        *ret =
            (struct input_half){ other, fmin(beside > 0 ? mean / beside : mean, input_often(SIZE_MAX)), 0 };
    else if (number < INPUT_LAST)
        *ret = (struct input_half){ other, 1, share((mean - beside) / (1 - beside)) };
    else
        *ret = (struct input_half){ other, share(mean / beside), 0 };
    return true;
}

/* NaN: nothing says anything of it, or that is not known either. */
static double beside_other_half(const struct inputs *in, const struct input_values *values, size_t i)
{
    struct input_half half;
    double known;

    if (!inputs_half(in, i, &half))
        return NAN;
    known = values->of[in->of[half.other].number];
    return isnan(known) ? NAN : known > 0 ? half.if_seen : half.if_not;
}

void inputs_standardise(const struct inputs *in, const struct input_values *values, float *ret)
{
    for (size_t i = 0; i < in->n; i++) {
        double v = values->of[in->of[i].number];

        if (isnan(v))
            v = beside_other_half(in, values, i);
        ret[i] = isnan(v) ? 0 : (float)((v - in->of[i].mean) / in->of[i].std);
    }
}

/* ---- in the weights' metadata ---- */

/* NULL: there is no such number. */
static const char *number_name(size_t number, const struct labels *labels, char ret[NUMBER_NAME])
{
    const struct per_finding *of = per_finding_of(number);

    if (!input_exists(number, labels->n))
        return NULL;
    if (number < INPUT_HISTORY)
        return INPUT_NAMES[number];
    if (!of)
        return number == INPUT_EARLIER ? "earlier_film" : "films";
    snprintf(ret, NUMBER_NAME, "%s_%s", of->name, labels->names[number - of->first]);
    return ret;
}

char *inputs_text(const struct inputs *in, const struct labels *labels)
{
    json_t *array;
    char *text;

    json_watch();
    array = json_array();
    for (size_t i = 0; i < in->n; i++) {
        char name[NUMBER_NAME];

        json_array_append_new(array,
                              json_pack("{s:s,s:f,s:f}", "name", number_name(in->of[i].number, labels, name),
                                        "mean", in->of[i].mean, "std", in->of[i].std));
    }
    text = json_built(array, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(array);
    return text;
}

/* The number of that name; N_INPUT_NUMBERS: there is none. */
static size_t number_find(const char *name, const struct labels *labels)
{
    char known[NUMBER_NAME];
    size_t number = 0;

    for (; number < N_INPUT_NUMBERS; number++) {
        const char *of = number_name(number, labels, known);

        if (of && strcmp(name, of) == 0)
            break;
    }
    return number;
}

static enum status one_read(const json_t *object, const struct labels *labels, struct inputs *in,
                            struct error *err)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    const double mean = json_number_value(json_object_get(object, "mean"));
    const double std = json_number_value(json_object_get(object, "std"));
    const size_t number = name ? number_find(name, labels) : N_INPUT_NUMBERS;

    if (number == N_INPUT_NUMBERS)
        return error_set(
            err, ST_FORMAT,
            "the metadata's 'inputs' name another input than age, sex, view, history and course");
    for (size_t i = 0; i < in->n; i++)
        if (in->of[i].number == number)
            return error_set(err, ST_FORMAT, "the metadata's 'inputs' name '%s' twice", name);
    if (!isfinite(mean) || fabs(mean) > 1e6 || !(std >= 1e-6 && std <= 1e6))
        return error_set(err, ST_FORMAT, "the metadata's 'inputs' have a mean or std that cannot be");
    in->of[in->n].number = number;
    in->of[in->n].mean = mean;
    in->of[in->n++].std = std;
    return ST_OK;
}

enum status inputs_parse(const char *text, const struct labels *labels, struct inputs *ret, struct error *err)
{
    json_t *array = NULL;
    struct inputs in = { 0 };
    enum status st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &array, NULL);

    if (st == ST_NOMEM)
        return error_nomem(err);
    st = ST_OK;
    if (!json_is_array(array) || json_array_size(array) == 0 || json_array_size(array) > N_INPUT_NUMBERS)
        st = error_set(err, ST_FORMAT, "the metadata's 'inputs' are not a JSON array of one to %d inputs",
                       N_INPUT_NUMBERS);
    for (size_t i = 0; st == ST_OK && i < json_array_size(array); i++)
        st = one_read(json_array_get(array, i), labels, &in, err);
    json_decref(array);
    if (st == ST_OK)
        *ret = in;
    return st;
}
