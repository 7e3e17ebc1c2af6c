/* jobs/registry/own_thresholds.c - see cxrd/own_thresholds.h. */
#include "cxrd/own_thresholds.h"

#include "cxrd/json.h"
#include "cxrd/train_config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char FIELD[] = "own_thresholds";

static struct own_thresholds none(void)
{
    struct own_thresholds t;

    for (size_t k = 0; k < MAX_LABELS; k++)
        t.of[k] = NAN;
    return t;
}

static bool is_threshold(const json_t *value)
{
    return json_is_number(value) && json_number_value(value) >= 0 && json_number_value(value) <= 1;
}

static void take_one(const char *name, const json_t *value, const struct labels *labels,
                     struct own_thresholds *ret, json_t *errors)
{
    struct error why;
    int k = -1;

    if (labels_choose(labels, name, "a name of 'own_thresholds'", &k, &why) != ST_OK)
        config_error(errors, FIELD, "%s", why.text);
    else if (is_threshold(value))
        ret->of[k] = (float)json_number_value(value);
    else if (!json_is_null(value))
        config_error(errors, FIELD, "of %s must be a number in 0..1, or null", labels->names[k]);
}

bool own_thresholds_take(json_t *object, const struct labels *labels, struct own_thresholds *ret,
                         json_t *errors)
{
    json_t *own = json_object_get(object, FIELD), *value;
    const char *name;

    *ret = none();
    if (!own)
        return false;
    if (!json_is_object(own) && !json_is_null(own))
        config_error(errors, FIELD, "must be an object of findings and numbers in 0..1, or null");
    json_object_foreach (own, name, value)
        take_one(name, value, labels, ret, errors);
    json_object_del(object, FIELD);
    return true;
}

struct own_thresholds own_thresholds_of(const json_t *card, const struct labels *labels)
{
    const json_t *own = json_object_get(card, FIELD);
    struct own_thresholds t = none();

    for (size_t k = 0; k < labels->n; k++) {
        const json_t *value = json_object_get(own, labels->names[k]);

        if (is_threshold(value))
            t.of[k] = (float)json_number_value(value);
    }
    return t;
}

char *own_thresholds_text(const struct own_thresholds *t, const struct labels *labels)
{
    json_t *own;
    char *text;

    if (!own_thresholds_any(t, labels))
        return strdup("");
    json_watch();
    own = json_object();
    for (size_t k = 0; k < labels->n; k++)
        if (!isnan(t->of[k]))
            json_object_set_new(own, labels->names[k], json_real((double)t->of[k]));
    text = json_built(own, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(own);
    return text;
}

bool own_thresholds_any(const struct own_thresholds *t, const struct labels *labels)
{
    for (size_t k = 0; k < labels->n; k++)
        if (!isnan(t->of[k]))
            return true;
    return false;
}
