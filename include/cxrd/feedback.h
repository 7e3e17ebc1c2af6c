/* include/cxrd/feedback.h - what a model is worth where it is used, by what readers say of its predictions.
 *
 * A finding is there where more readers call it present than absent, and not there where more call it absent; where they are even,
 * or only unsure, or nobody says anything of it, the picture takes no part. Sensitivity and specificity are of the verdicts that
 * were given, whatever thresholds the model has today, and all errors are by patient where the caller said whose a picture is, else by
 * picture (jobs/training/figure.h). They are of the pictures that readers spoke of, which may not be like the others. */
#ifndef CXRD_FEEDBACK_H
#define CXRD_FEEDBACK_H

#include "cxrd/estimate.h"
#include "cxrd/kept_scores.h"
#include "cxrd/trainer.h"

/* Predictions of one model, held against one kind of thresholds, with what readers say of them. */
struct feedback_rows {
    char model[ID_SIZE], operating[OPERATING_TEXT];
    struct labels labels;
    size_t n, readings, readers_most; /* readers of the picture that has most */
    uint64_t *patients;               /* [n] */
    uint64_t *spoken;                 /* [n]: bits of the findings that some reader speaks of */
    uint8_t *truth, *call;            /* [n][labels]: 0, 1 or TRUTH_UNKNOWN */
    float *prob;                      /* [n][labels] */
    uint8_t *other_call;              /* the same of the candidate, where one was asked for */
    float *other_prob;
    size_t room;
};
struct feedback_groups {
    struct feedback_rows *groups; /* [n] */
    size_t n;
};
void feedback_rows_release(struct feedback_rows *rows); /* safe on zeroes */
void feedback_groups_release(struct feedback_groups *g);

/* Room for a row more, which is counted; TRUTH_UNKNOWN stands in it. Errors: ST_NOMEM. */
MUST_USE enum status feedback_rows_add(struct feedback_rows *rows);

/* One for each model and operating point of which readers spoke, the newest 64, without rows. Release it in any case.
 *   model  of this one alone; NULL: of any
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status feedback_groups_make(struct store *s, const char *model, struct feedback_groups *ret,
                                          struct error *err);

/* The newest FEEDBACK_MOST predictions that readers spoke of.
 *   model      of which; NULL: any
 *   candidate  with whose scores in the shadow; only predictions that have them. NULL: nobody's
 *   since      only predictions from this time on, seconds since 1970; 0: all
 * Errors: ST_IO, ST_NOMEM. */
enum { FEEDBACK_MOST = 100000 };
MUST_USE enum status feedback_collect(struct store *s, const char *model, const char *candidate,
                                      int64_t since, struct feedback_groups *ret, struct error *err);

struct feedback_figures {
    size_t present, absent;                   /* pictures with a truth, by it */
    size_t unsettled;                         /* of which readers speak without one */
    struct estimate sensitivity, specificity; /* NaN without a picture that has a verdict */
    struct estimate auroc;
};
/* Errors: ST_NOMEM. */
MUST_USE enum status feedback_figures(const struct feedback_rows *rows,
                                      struct feedback_figures ret[MAX_LABELS]);

/* As JSON, a new reference: what openapi.yaml calls FeedbackOfModel. Errors: ST_NOMEM. */
MUST_USE enum status feedback_json(const struct feedback_rows *rows, json_t **ret);

#endif
