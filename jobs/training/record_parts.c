/* jobs/training/record_parts.c - see record.h and cxrd/trainer.h. */
#include "record.h"

#include <math.h>
#include <stdio.h>

const char *const SCORED_NAMES[N_SCORED] = { "validation", "test", "no_finding" };

json_t *count_json(size_t n) { return json_integer((json_int_t)n); }

json_t *number_or_null(double v) { return isfinite(v) ? json_real(v) : json_null(); }

void interval_set(json_t *object, const char *name, const struct estimate *e)
{
    char key[64];

    snprintf(key, sizeof key, "%s_low", name);
    json_object_set_new(object, key, number_or_null(e->low));
    snprintf(key, sizeof key, "%s_high", name);
    json_object_set_new(object, key, number_or_null(e->high));
}

void ranged_set(json_t *object, const char *name, const struct estimate *e)
{
    json_object_set_new(object, name, number_or_null(e->value));
    interval_set(object, name, e);
}
