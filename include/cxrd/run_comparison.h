/* include/cxrd/run_comparison.h - two runs, held against each other on the rows that both were tested on.
 *
 * From the files of scores that the runs left (jobs/training/scores_file.h). A difference is of pairs, row by row, and its error
 * by patient (jobs/training/figure.h), as everywhere in cxrd: there is no other test of a difference. Rows that only one of the
 * two was tested on say nothing about it and are only counted. */
#ifndef CXRD_RUN_COMPARISON_H
#define CXRD_RUN_COMPARISON_H

#include "cxrd/trainer.h"

struct run_comparison {
    struct labels labels; /* of both */
    size_t rows[2];       /* of the split, in each */
    size_t common;        /* rows that are compared: of one picture, with the same findings in both */
    size_t relabelled;    /* of one picture, with other findings: left out */
    struct compared
        loss; /* the first run's is `active`, the second's `candidate`, `gain` the second's less the first's */
    struct comparison auroc; /* likewise */
};

/* Compare the second run with the first.
 *   first, second  paths of their scores.csv
 *   split          "train", "validation", "test" or "no_finding"
 * Errors: ST_NOTFOUND, ST_FORMAT (no file of scores, or a damaged one), ST_LIMIT, ST_UNUSABLE (the two are of other findings, or have no row
 * in common, or none with the same findings), ST_IO, ST_NOMEM. */
MUST_USE enum status runs_compare(const char *first, const char *second, const char *split,
                                  struct run_comparison *ret, struct error *err);

/* How far the second run's probabilities are from the first's, on rows of a split that both have, whatever their findings are. */
struct run_movement {
    struct labels labels;
    size_t rows; /* that both have */
    struct moved {
        double mean, largest; /* of the absolute differences */
    } findings[MAX_LABELS];   /* [labels] */
};

/* Errors: as runs_compare(). */
MUST_USE enum status runs_moved(const char *first, const char *second, const char *split,
                                struct run_movement *ret, struct error *err);

/* {"split","rows","findings":[{"label","mean","largest"}]}, a new reference. */
json_t *run_movement_json(const struct run_movement *m, const char *split);

/* As JSON, a new reference: {"split","rows":[a,b],"common","patients","relabelled","loss","macro_auroc","findings"}. A figure is
 * {"first","second","difference","difference_low","difference_high"}, numbers or null. */
json_t *run_comparison_json(const struct run_comparison *c, const char *split);

#endif
