/* model/net/inputs.c - see cxrd/inputs.h. */
#include "cxrd/inputs.h"

#include "cxrd/json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const INPUT_NAMES[N_INPUT_KINDS] = { "age", "sex", "view" };
const struct input_values INPUTS_UNKNOWN = { { NAN, NAN, NAN } };

static enum status age_parse(const char *text, double *ret, struct error *err)
{
    char *end;
    const double years = strtod(text, &end);

    if (end == text || text[0] < '0' || text[0] > '9' || (*end && strcasecmp(end, "Y") != 0) ||
        !(years <= INPUT_OLDEST))
        return error_set(err, ST_INVALID, "'age' must be years, 0 to %d", INPUT_OLDEST);
    *ret = years;
    return ST_OK;
}

static enum status one_of(const char *name, const char *text, const char *zero, const char *one, double *ret,
                          struct error *err)
{
    if (strcasecmp(text, zero) != 0 && strcasecmp(text, one) != 0)
        return error_set(err, ST_INVALID, "'%s' must be %s or %s", name, one, zero);
    *ret = strcasecmp(text, one) == 0;
    return ST_OK;
}

enum status input_parse(enum input_kind kind, const char *text, double *ret, struct error *err)
{
    switch (kind) {
    case INPUT_AGE: return age_parse(text, ret, err);
    case INPUT_SEX: return one_of("sex", text, "F", "M", ret, err);
    case INPUT_VIEW: return one_of("view", text, "PA", "AP", ret, err);
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
