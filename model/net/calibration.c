/* model/net/calibration.c - see cxrd/calibration.h. */
#include "cxrd/calibration.h"

#include "cxrd/decimal.h"
#include "cxrd/json.h"

#include "loss.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
_Static_assert(MAX_LABELS == 64, "as many as CALIBRATION_IDENTITY names");
const struct calibration CALIBRATION_IDENTITY = { .method = CALIBRATION_NONE,
                                                  .scale = { ONES_16, ONES_16, ONES_16, ONES_16 } };

static const char *const NAMES[] = { "none", "temperature", "platt", "thresholds" };
enum { N_NAMES = sizeof NAMES / sizeof NAMES[0] };

const char *calibration_name(enum calibration_method m) { return NAMES[m]; }

/* So that `t` becomes 0.5 and the order stays. */
static float stretched(float p, float t) { return p < t ? p / (2 * t) : 1 - (1 - p) / (2 * (1 - t)); }

void calibration_apply(const struct calibration *c, size_t n, size_t n_labels, const float *logits,
                       float *ret_prob)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_labels; k++, logits++, ret_prob++) {
            const float p = sigmoid(c->scale[k] * *logits + c->shift[k]);

            *ret_prob = c->method == CALIBRATION_THRESHOLDS ? stretched(p, c->threshold[k]) : p;
        }
}

static json_t *numbers(const float *values, size_t n)
{
    json_t *array = json_array();

    for (size_t k = 0; k < n; k++)
        json_array_append_new(array, decimal_json(values[k]));
    return array;
}

char *calibration_text(const struct calibration *c, size_t n_labels)
{
    json_t *object;
    char *text;

    json_watch();
    object = json_pack("{s:s,s:o,s:o}", "method", calibration_name(c->method), "scale",
                       numbers(c->scale, n_labels), "shift", numbers(c->shift, n_labels));
    if (c->method == CALIBRATION_THRESHOLDS)
        json_object_set_new(object, "threshold", numbers(c->threshold, n_labels));
    text = json_built(object, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    return text;
}

static enum status read_numbers(const json_t *object, const char *key, size_t n, float *ret,
                                struct error *err)
{
    const json_t *array = json_object_get(object, key);

    if (!json_is_array(array) || json_array_size(array) != n)
        return error_set(err, ST_FORMAT, "the metadata's 'calibration' has no '%s' of %zu numbers", key, n);
    for (size_t k = 0; k < n; k++) {
        const json_t *value = json_array_get(array, k);

        ret[k] = (float)json_number_value(value);
        if (!json_is_number(value) || !isfinite(ret[k]))
            return error_set(err, ST_FORMAT,
                             "the metadata's 'calibration' has a '%s' that is not a finite number", key);
    }
    return ST_OK;
}

static enum status read_thresholds(const json_t *object, size_t n_labels, struct calibration *ret,
                                   struct error *err)
{
    enum status st = read_numbers(object, "threshold", n_labels, ret->threshold, err);

    for (size_t k = 0; st == ST_OK && k < n_labels; k++)
        if (ret->threshold[k] <= 0 || ret->threshold[k] >= 1)
            st = error_set(err, ST_FORMAT,
                           "the metadata's 'calibration' has a 'threshold' that is not between 0 and 1");
    return st;
}

static enum status read_object(const json_t *object, size_t n_labels, struct calibration *ret,
                               struct error *err)
{
    const char *method = json_string_value(json_object_get(object, "method"));
    size_t m = 0;
    enum status st;

    while (method && m < N_NAMES && strcmp(method, NAMES[m]) != 0)
        m++;
    if (!method || m == N_NAMES)
        return error_set(err, ST_FORMAT,
                         "the metadata's 'calibration' has no 'method' \"none\", \"temperature\", \"platt\" "
                         "or \"thresholds\"");
    ret->method = (enum calibration_method)m;
    st = read_numbers(object, "scale", n_labels, ret->scale, err);
    if (st == ST_OK)
        st = read_numbers(object, "shift", n_labels, ret->shift, err);
    if (st == ST_OK && ret->method == CALIBRATION_THRESHOLDS)
        st = read_thresholds(object, n_labels, ret, err);
    for (size_t k = 0; st == ST_OK && k < n_labels; k++)
        if (ret->scale[k] <= 0)
            st = error_set(err, ST_FORMAT, "the metadata's 'calibration' has a 'scale' that is not above 0");
    return st;
}

enum status calibration_parse(const char *text, size_t n_labels, struct calibration *ret, struct error *err)
{
    json_t *object = NULL;
    struct calibration c = CALIBRATION_IDENTITY;
    enum status st = json_read(text, strlen(text), JSON_REJECT_DUPLICATES, &object, NULL);

    if (st == ST_NOMEM)
        return error_nomem(err);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(err, ST_FORMAT, "the metadata's 'calibration' is not a JSON object");
    }
    st = read_object(object, n_labels, &c, err);
    json_decref(object);
    if (st == ST_OK)
        *ret = c;
    return st;
}
