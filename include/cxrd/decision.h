/* include/cxrd/decision.h - what follows from a probability: which pictures are called positive, how many of these rightly, and whether
 * it is worth acting on.
 *
 * The rows are those of the test split, the threshold validation's (Youden). */
#ifndef CXRD_DECISION_H
#define CXRD_DECISION_H

#include "cxrd/estimate.h"
#include "cxrd/labels.h"

#include <jansson.h>
#include <stddef.h>

/* Probabilities from which on one would act. Acting at p says that one missed finding is as bad as (1 - p) / p alarms for
 * nothing, so net benefit = (true positives - false positives * p / (1 - p)) / rows (Vickers & Elkin, Medical Decision Making
 * 2006). Acting on everyone, and on none, are what a model is held against. */
enum { N_BENEFITS = 6 };
extern const double BENEFIT_AT[N_BENEFITS]; /* 0.05, 0.1 … 0.3 */

struct benefit {
    double model, treat_all;
    struct estimate gain; /* of the model over the better of treating all and none */
};

struct decision_finding {
    double threshold; /* NaN: none, and the next five are not known either */
    size_t true_positives, false_positives, true_negatives, false_negatives; /* rows */
    struct estimate ppv,
        npv; /* of those called positive, negative: the part that is rightly; of the test rows */
    /* Not known, like the rates above, where fewer than KIND_LEAST rows have the finding, or lack it. */
    struct estimate slope, intercept; /* jobs/training/recalibration.h */
    struct benefit benefit[N_BENEFITS];
};

struct decisions {
    size_t rows, patients;                        /* 0: there is no test row */
    struct decision_finding findings[MAX_LABELS]; /* [labels] */
};

/* As the job record has them; null without a row. */
json_t *decisions_json(const struct decisions *d, const struct labels *labels);

#endif
