/* include/cxrd/feedback_paired.h - a candidate in the shadow against the model that answered, by what readers say.
 *
 * Every figure is of pairs, picture by picture, and its error by patient where the caller said whose a picture is
 * (jobs/training/figure.h): of AUROCs the paired test of DeLong, DeLong & Clarke-Pearson (1988), of sensitivity and specificity that of
 * McNemar (1947), whose exact p is given where every picture is a patient of its own. */
#ifndef CXRD_FEEDBACK_PAIRED_H
#define CXRD_FEEDBACK_PAIRED_H

#include "cxrd/feedback.h"

/* Of the pictures of one kind, those that have the finding or those that lack it. */
struct mcnemar {
    size_t pictures;                    /* with a verdict of both */
    size_t only_active, only_candidate; /* that one of them alone calls right */
    struct estimate gain;               /* of the rate: the candidate's less the active's */
    double p;                           /* two-sided; NaN without a picture */
};

struct feedback_paired {
    size_t pictures, patients;
    struct comparison auroc; /* `gain` of each finding, and of their mean */
    struct mcnemar sensitivity[MAX_LABELS], specificity[MAX_LABELS];
};

/*   rows  collected with a candidate
 * Errors: ST_NOMEM. */
MUST_USE enum status feedback_pair(const struct feedback_rows *rows, struct feedback_paired *ret);

/* The figures of GET /models/{id}/shadow, a new reference. */
json_t *feedback_paired_json(const struct feedback_paired *p, const struct labels *labels);

#endif
