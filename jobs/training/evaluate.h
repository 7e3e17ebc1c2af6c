/* jobs/training/evaluate.h - score rows with a model, and sum the scores up. */
#ifndef JOBS_TRAINING_EVALUATE_H
#define JOBS_TRAINING_EVALUATE_H

#include "../dataset/pictures.h"
#include "cxrd/buf.h"
#include "cxrd/image_cache.h"
#include "cxrd/pool.h"
#include "cxrd/session.h"
#include "cxrd/trainer.h"
#include "figure.h"

/* Rows with their truth and their probabilities. */
struct scores {
    size_t n;
    const struct labels *labels; /* of the columns; borrowed */
    uint32_t *rows;              /* [n] */
    uint64_t *patients;          /* [n]: whose they are, as the table has it; NULL: each row is another's */
    uint8_t *truth;              /* [n][labels]: 0, 1 or TRUTH_UNKNOWN, as metrics.h takes them */
    float *prob;                 /* [n][labels] */
    float *logits;               /* [n][labels]: what `prob` was made of, before calibration */
};
/* Room for n, holding none. Errors: ST_NOMEM. */
MUST_USE enum status scores_init(struct scores *s, const struct labels *labels, size_t n);
void scores_release(struct scores *s); /* safe on zeroes */

/* The rows of both, of the same findings, `a`'s first. Errors: ST_NOMEM. */
MUST_USE enum status scores_join(const struct scores *a, const struct scores *b, struct scores *ret);

/* Fill in `patients` by the rows. */
void scores_own(struct scores *s, const struct table *t);

/* Threads with a session and a picture each. */
struct scorer;

MUST_USE enum status scorer_new(const struct pictures *pictures, struct pool *pool,
                                struct scorer **ret_scorer, struct error *err);
void scorer_free(struct scorer *s); /* NULL is fine */

int row_compare(const void *a, const void *b); /* of uint32_t, for qsort() and bsearch() */

/* The features that a model's head reads of the pictures of some rows. */
struct features {
    size_t n, size;
    uint32_t *rows; /* [n], ascending */
    float *values;  /* [n][size] */
    bool *read;     /* [n]: the picture is some, and so are they */
};
MUST_USE enum status features_init(struct features *f, size_t n, size_t size); /* ST_NOMEM */
void features_release(struct features *f);                                     /* safe on zeroes */

/* Score `n` rows, in the order given, with a model of the table's findings. Rows whose picture cannot be read are left out, unless `strict`.
 *   cancelled  asked now and then; may be NULL
 *   done       told how many more rows are done; may be NULL
 *   features   filled in for those of its rows that are scored; may be NULL
 *   view       how the pictures are taken; NULL: as they are
 *   memory     of stretches; may be NULL
 *   kept       where what the model's head reads of the pictures, so taken, is kept from run to run; may be NULL
 *   ranks      that score the same rows, and share them out, unless there are `features`, `memory` or `kept`; NULL: alone
 * Errors: ST_CANCELLED, ST_NUMERIC, ST_NOMEM; with `strict`, picture_load()'s; those of ranks. */
struct view {
    uint64_t seed, number; /* each row's picture as augment.h draws it by them */
};

/* Rows that are scored at once, and what came of each. */
enum { STRETCH_ROWS = 64 };
struct stretch_scores {
    size_t n;
    const uint32_t *rows;
    enum status status[STRETCH_ROWS];
    struct error errors[STRETCH_ROWS];
    float logits[STRETCH_ROWS][MAX_LABELS];
};

/* Scores of stretches from an earlier run, and for a later one. */
struct stretch_memory {
    void *arg;
    /* Fill in what is known of the stretch's rows. False: nothing is. */
    bool (*recall)(void *arg, struct stretch_scores *t);
    /* One was scored: of each row there are logits, or its picture is no good. Errors: any, which end it. */
    enum status (*keep)(void *arg, const struct stretch_scores *t, struct error *err);
    void (*left_out)(void *arg, uint32_t row, const struct error *why); /* a picture that is no good */
};
struct scoring_hooks {
    void *arg;
    bool (*cancelled)(void *arg);
    void (*done)(void *arg, size_t rows);
    struct features *features;
    const struct view *view;
    struct image_cache *kept;
    const struct stretch_memory *memory; /* NULL: none */
    struct ranks *ranks;
};
MUST_USE enum status scorer_run(struct scorer *s, const struct model *m, const uint32_t *rows, size_t n,
                                bool strict, const struct scoring_hooks *hooks, struct scores *ret_scores,
                                struct error *err);

/* Everything that a record says about scores.
 *   points  thresholds, chosen on validation rows
 *   rates   [labels], of the findings among the training rows
 * Errors: ST_NOMEM. */
MUST_USE enum status evaluate(const struct scores *s, const struct operating_points *points,
                              const double *rates, struct evaluation *ret_evaluation);

/* The scores of predicting `rates` for everyone, on the same rows. Errors: ST_NOMEM. */
MUST_USE enum status evaluate_rates(const struct scores *s, const double *rates,
                                    struct baseline *ret_baseline);

/* Choose the thresholds of all findings. Errors: ST_NOMEM. */
MUST_USE enum status evaluate_thresholds(const struct scores *s, struct operating_points *ret_points);

/* The mean AUROC of the findings that have one; NaN where none has.
 *   ret_each  [labels]
 * Errors: ST_NOMEM. */
MUST_USE enum status macro_auroc(const struct scores *s, double *ret_each, double *ret_auroc);

/* Terms of figures (figure.h) of all findings, on the rows of the figure's patients. ST_NOMEM.
 *   loss         mean over what is known of rows and findings; `values` [rows] is room
 *   macro AUROC  the mean of the findings that have one; NaN where none has */
MUST_USE enum status figure_add_loss(struct figure *f, double weight, const struct scores *s, double *values);
MUST_USE enum status figure_add_macro_auroc(struct figure *f, double weight, const struct scores *s);

/* Make the probabilities anew, by another model's calibration. */
void scores_recalibrate(struct scores *s, const struct model *m);

double scores_loss(
    const struct scores *s); /* mean over what is known of rows and findings; NaN for nothing */
size_t scores_known(const struct scores *s); /* how much that is */
double scores_top5(const struct scores *s);  /* NaN where no row has a positive */

/* The columns that every scores CSV ends with: the truths and the probabilities of all findings, with the comma before them and the end of
 * the line. */
void scores_csv_head(const struct labels *labels, struct buf *out);
void scores_csv_row(const struct scores *s, size_t i, struct buf *out);

/* The contract's scores CSV. Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status scores_csv(const struct scores *s, const struct table *t, struct buf *out);

#endif
