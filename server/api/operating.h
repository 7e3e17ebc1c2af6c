/* server/api/operating.h - which thresholds a prediction's findings are held against. */
#ifndef SERVER_API_OPERATING_H
#define SERVER_API_OPERATING_H

#include "cxrd/model.h"
#include "cxrd/own_thresholds.h"

struct operating {
    const char *name; /* of the kind that was asked for; NULL: none was, and they are Youden's */
    bool decided;     /* an operator set them: a verdict does not wait for test rows that would bear it out */
    float threshold[MAX_LABELS]; /* NaN: none */
};

/* Whether there is a kind of that name. Errors: ST_INVALID. */
MUST_USE enum status operating_name_check(const char *name, struct error *err);

/*   name  "youden", "sensitivity_90", "specificity_90" or "own"; NULL: nothing is said
 *   own   what an operator has set; NULL: there is no such thing where the model comes from
 * Errors: ST_INVALID (no kind has that name), ST_UNUSABLE (the model has none of the kind). */
MUST_USE enum status operate_at(const char *name, const struct model *m, const struct own_thresholds *own,
                                struct operating *ret, struct error *err);

#endif
