/* server/api/operating.c - see operating.h. */
#include "operating.h"

#include <math.h>
#include <string.h>

static const char OWN[] = "own";

static enum status operate_own(const struct model *m, const struct own_thresholds *own, struct operating *ret,
                               struct error *err)
{
    if (!own)
        return error_set(
            err, ST_INVALID,
            "'operating_point' own is a server's: a weights file has no thresholds of an operator");
    if (!own_thresholds_any(own, model_labels(m)))
        return error_set(err, ST_UNUSABLE,
                         "'operating_point' cannot be used: nobody has set own_thresholds for the model");
    ret->decided = true;
    memcpy(ret->threshold, own->of, sizeof ret->threshold);
    return ST_OK;
}

enum status operating_name_check(const char *name, struct error *err)
{
    enum operating_kind kind;

    if (strcmp(name, OWN) == 0 || operating_kind_parse(name, &kind))
        return ST_OK;
    return error_set(err, ST_INVALID, "'operating_point' must be %s, %s, %s or %s", OPERATING_NAMES[0],
                     OPERATING_NAMES[1], OPERATING_NAMES[2], OWN);
}

enum status operate_at(const char *name, const struct model *m, const struct own_thresholds *own,
                       struct operating *ret, struct error *err)
{
    const struct operating_points *points = model_operating(m);
    enum operating_kind kind = OPERATE_YOUDEN;

    *ret = (struct operating){ .name = NULL };
    if (name && operating_name_check(name, err) != ST_OK)
        return ST_INVALID;
    if (name && strcmp(name, OWN) == 0) {
        ret->name = OWN;
        return operate_own(m, own, ret, err);
    }
    if (name)
        operating_kind_parse(name, &kind);
    if (name && !operating_has(points, model_labels(m), kind))
        return error_set(err, ST_UNUSABLE,
                         "'operating_point' cannot be used: the model carries no thresholds of the kind %s",
                         OPERATING_NAMES[kind]);
    if (name)
        ret->name = OPERATING_NAMES[kind];
    memcpy(ret->threshold, points->threshold[kind], sizeof ret->threshold);
    return ST_OK;
}
