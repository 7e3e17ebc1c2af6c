/* include/cxrd/kept_scores.h - the scores of answered predictions, and what readers say of them, as the store keeps them.
 *
 * By the prediction's id, for a number of days that is said when they are written: never a picture, a name or a patient. Readers'
 * feedback goes with the scores that it is about. Any thread. */
#ifndef CXRD_KEPT_SCORES_H
#define CXRD_KEPT_SCORES_H

#include "cxrd/id.h"
#include "cxrd/labels.h"
#include "cxrd/store.h"

#include <stdbool.h>
#include <stdint.h>

enum { OPERATING_TEXT = 80, READER_SIZE = 65 };

/* A model's scores of one picture. Bit k is of the model's finding k. */
struct kept_scores {
    char id[ID_SIZE];               /* of the prediction */
    char model[ID_SIZE];            /* that said it */
    char operating[OPERATING_TEXT]; /* the thresholds that it was held against, such as "youden" */
    int64_t at;                     /* seconds since 1970 */
    uint64_t patient; /* equal for the pictures of one patient, below 2^63; 0: nothing is known of it */
    uint64_t known, positive; /* findings with a verdict, and those of them that are called */
    size_t n;                 /* findings */
    float probability[MAX_LABELS];
    bool
        shadow; /* the model did not answer: it was asked beside the one that did, of whom a row was written before */
};

/* Write rows, all or none; one of a shadow whose prediction is not kept is left out.
 *   labels  [n]: of the model of each
 *   until   when they are to go, seconds since 1970
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_scores_write(struct store *s, const struct kept_scores *rows,
                                        const struct labels *const *labels, size_t n, int64_t until,
                                        struct error *err);

/* Remove at most `most` predictions whose time is over, with the feedback on them.
 *   ret  how many went
 * Errors: ST_IO. */
MUST_USE enum status store_scores_sweep(struct store *s, int64_t now, size_t most, size_t *ret,
                                        struct error *err);

struct scores_kept {
    int64_t predictions, with_feedback, readings;
    int64_t oldest; /* seconds since 1970; 0: nothing is kept */
};
MUST_USE enum status store_scores_count(struct store *s, struct scores_kept *ret, struct error *err);

/* How many predictions there is room taken for: an upper bound that costs nothing to ask. Errors: ST_IO. */
MUST_USE enum status store_scores_span(struct store *s, int64_t *ret, struct error *err);

/* The findings of a model of which scores are kept, though it may be deleted. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_scores_labels(struct store *s, const char *model, struct labels *ret,
                                         struct error *err);

/* The model that made a prediction whose time is not over. Errors: ST_NOTFOUND, ST_IO. */
MUST_USE enum status store_scores_model(struct store *s, const char *id, int64_t now, char ret_model[ID_SIZE],
                                        struct error *err);

/* ---- feedback ---- */

enum reading_says { SAYS_ABSENT, SAYS_PRESENT, SAYS_UNSURE, N_SAYS };
extern const char *const SAYS_NAMES[N_SAYS]; /* "absent", "present", "unsure" */

/* Of one reader on one prediction. */
struct feedback {
    const char *id, *reader;
    size_t n;
    const char *findings[MAX_LABELS]; /* [n] */
    enum reading_says says[MAX_LABELS];
};

/* Write it: on the disk when this returns. It replaces the same reader's earlier word on the same finding.
 *   ret_replaced  bit i: there was something of findings[i]
 *   ret_readers   how many have said something of the prediction
 * Errors: ST_NOTFOUND (no such prediction, or its time is over), ST_IO. */
MUST_USE enum status store_feedback_write(struct store *s, const struct feedback *f, int64_t now,
                                          uint64_t *ret_replaced, size_t *ret_readers, struct error *err);

/* Grows whenever feedback is written or swept. Never waits. */
uint64_t store_feedback_changes(struct store *s);

/* The newest models and operating points of predictions that readers spoke of, at most 64: an array of [model, operating point], a new
 * reference.
 *   model  of this one alone; NULL: of any
 * Errors: ST_IO, ST_NOMEM. */
MUST_USE enum status store_feedback_groups(struct store *s, const char *model, json_t **ret,
                                           struct error *err);

/* One reader's verdict on one finding of a prediction. */
struct reading {
    int64_t seq; /* of the prediction */
    const char *id, *model, *operating;
    int64_t at;
    uint64_t patient, known, positive;
    size_t n;
    const float *probability; /* [n] */
    bool other;               /* a candidate was asked in the shadow, and said: */
    uint64_t other_known, other_positive;
    const float *other_probability; /* [n] */
    const char *reader, *finding;
    enum reading_says says;
    int64_t given; /* seconds since 1970 */
};
typedef enum status reading_fn(void *arg, const struct reading *r);

/* Call fn for the readings of at most `most` predictions whose seq is below `before`, the newest first, those of one prediction after
 * each other. The store waits meanwhile.
 *   model      of which predictions; NULL: any
 *   candidate  whose scores in the shadow are `other`; NULL: nobody's
 *   ret_last   seq of the last prediction; 0: no prediction was found
 * Errors: fn's, ST_IO. */
struct readings_asked {
    const char *model, *candidate;
    int64_t before; /* INT64_MAX: from the newest */
    size_t most;
};
MUST_USE enum status store_readings(struct store *s, const struct readings_asked *asked, reading_fn *fn,
                                    void *arg, int64_t *ret_last, struct error *err);

#endif
