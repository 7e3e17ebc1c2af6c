/* include/cxrd/own_thresholds.h - thresholds that an operator has set for a model, beside those that it carries. Nothing says how well
 * they tell findings apart: they are a decision, and not a measurement. */
#ifndef CXRD_OWN_THRESHOLDS_H
#define CXRD_OWN_THRESHOLDS_H

#include "cxrd/labels.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>

struct own_thresholds {
    float of[MAX_LABELS]; /* in 0..1; NaN: none; of a model's findings, the rest is not read */
};

/* Take `own_thresholds` out of a request's object: null, or for some of a model's findings a number in 0..1 or null. False: it is not
 * there.
 *   errors  an array of the caller's: gets {"field","detail"} of each fault; whether memory ran out is asked by json_ran_out() */
bool own_thresholds_take(json_t *object, const struct labels *labels, struct own_thresholds *ret,
                         json_t *errors);

/* Of a card's `own_thresholds`; all NaN where it has none. */
struct own_thresholds own_thresholds_of(const json_t *card, const struct labels *labels);

/* As a card has them, for free(): "" for none; NULL without memory. */
char *own_thresholds_text(const struct own_thresholds *t, const struct labels *labels);

/* Whether a finding has one. */
bool own_thresholds_any(const struct own_thresholds *t, const struct labels *labels);

#endif
