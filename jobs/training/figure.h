/* jobs/training/figure.h - a figure of scores with its standard error, where several rows may be of one patient.
 *
 * Films of one patient are alike: taken as independent rows they make an error look half of what it is. So every figure
 * here carries its influence: to each row the part of the figure's deviation that is owed to it (its placement value for
 * an AUROC: DeLong, DeLong & Clarke-Pearson, Biometrics 1988; its distance from the mean for a mean). Summed within a
 * patient these are independent, and with G patients
 *
 *     SE = sqrt(G / (G - 1) * sum over patients of (sum over the patient's rows of influence)^2)
 *
 * (Obuchowski, Biometrics 1997, for AUROCs; Liang & Zeger, Biometrika 1986, for means). Where each patient has one row an
 * AUROC's is DeLong's but for the factors in which one is taken off a count.
 *
 * A figure is a weighted sum of terms, each added on its own: +1 the AUROC of one model and -1 that of another on the
 * same rows is their difference, and its error is that of a paired test, since each row's influence on both is added
 * before anything is squared. There is no other test of a difference:
 *
 *     struct patients p;                                     which rows belong together
 *     struct figure gain;
 *     patients_group(n, ids, &p);
 *     figure_init(&gain, &p);
 *     figure_add_auroc(&gain, 1, truth, ours, n_labels);
 *     figure_add_auroc(&gain, -1, truth, theirs, n_labels);
 *     figure_estimate(&gain, &e);                            e.low > 0: ours is better
 *     figure_release(&gain);
 *     patients_release(&p);
 *
 * A truth is 0 or 1; where it is TRUTH_UNKNOWN the row takes no part, which is how a figure is of some of the rows only, and the
 * difference of two groups of rows a figure of two terms.
 *
 * Pure functions of arrays; any thread. */
#ifndef JOBS_TRAINING_FIGURE_H
#define JOBS_TRAINING_FIGURE_H

#include "cxrd/status.h"
#include "cxrd/trainer.h"

#include <stddef.h>
#include <stdint.h>

/* Numbers that are equal may differ from their mean by as much: an error below that counts as 0. */
#define ROUNDING 1e-12

/* The patients of the rows. */
struct patients {
    size_t n_rows, n;
    uint32_t *of; /* [n_rows]: 0..n-1, owned */
};

/*   ids  [n]: equal for the rows of one patient; NULL: each row is a patient of its own
 * Errors: ST_NOMEM. */
MUST_USE enum status patients_group(size_t n, const uint64_t *ids, struct patients *ret);
void patients_release(struct patients *p); /* safe on zeroes */

/* Patients who have a row whose truth is `value`, 0 or 1. Errors: ST_NOMEM. */
MUST_USE enum status patients_with(const struct patients *p, const uint8_t *truth, size_t stride,
                                   uint8_t value, size_t *ret_patients);

struct figure {
    const struct patients *patients; /* borrowed */
    size_t n_patients;               /* that take part */
    double value;                    /* so far; NaN as soon as a term is not defined */
    size_t rarer;      /* patients of the rarer kind, of the AUROC that has the fewest; none: all */
    double unseen;     /* variance of what has no spread to take it from */
    double *influence; /* [rows], owned */
};

MUST_USE enum status figure_init(struct figure *f, const struct patients *p); /* 0; ST_NOMEM */
void figure_release(struct figure *f);                                        /* safe on zeroes */

/* Add weight * the AUROC of a column. Where the positives, or the negatives, are all of one patient, they have no spread
 * between patients: then 1/12 stands for its variance, that of placement values of which nothing is known.
 * Errors: ST_NOMEM. */
MUST_USE enum status figure_add_auroc(struct figure *f, double weight, const uint8_t *truth,
                                      const float *score, size_t stride);

enum { TRUTH_KNOWN = 3 }; /* in place of 0 or 1: either */

/* Add weight * the mean of values [rows] over the rows whose truth is `value`, 0, 1 or TRUTH_KNOWN; over all where `truth` is
 * NULL. Errors: ST_NOMEM. */
MUST_USE enum status figure_add_mean(struct figure *f, double weight, const double *values,
                                     const uint8_t *truth, size_t stride, uint8_t value);

/* The figure and its 95 % interval, which is not cut anywhere: as many standard errors to either side as Student's t has with
 * the degrees of freedom that the patients are worth, 1.96 for many alike and more where a few carry most of the weight:
 * 2 / (sum of fourth powers / (sum of squares)^2 - 1/G), from the variance of a variance, at least 2 and at most G - 1. All
 * but the value are NaN where fewer than two patients take part. Errors: ST_NOMEM. */
MUST_USE enum status figure_estimate(const struct figure *f, struct estimate *ret);

/* The interval's basis: the standard error, NaN where fewer than two patients take part, and the degrees of freedom.
 * Errors: ST_NOMEM. */
MUST_USE enum status figure_spread(const struct figure *f, double *ret_error, double *ret_freedom);

/* Cut the interval of a figure that lies in least..most by its nature. */
void estimate_cut(struct estimate *e, double least, double most);

/* How many standard errors away the end of an interval is by Student's t that would be `z` by the normal distribution, and
 * which `z` it is that would be `t`. */
double student_of(double freedom, double z);
double student_deviate(double freedom, double t);

/* The same of a difference of AUROCs, cut at -1 and 1: no difference lies beyond, so the cut costs no coverage, and an interval that
 * reaches there says as little as it knows. One without any spread is not certain: with as many patients of the
 * rarer kind as there are, at most a part q of all patients may be unlike those seen (Wilson's upper end of none of them), and
 * as far from them as can be. Errors: ST_NOMEM. */
MUST_USE enum status difference_estimate(const struct figure *f, struct estimate *ret);

/* The interval of an AUROC, cut at 0 and 1. Scores that part the two kinds of rows without a fault have no spread at all
 * and yet prove little: then it is Wilson's of as many trials as the rarer kind has patients.
 *   ret  low, high, error NaN with fewer than two patients of either kind
 * Errors: ST_NOMEM. */
MUST_USE enum status auroc_estimate(const struct patients *p, const uint8_t *truth, const float *score,
                                    size_t stride, struct estimate *ret);

/* How often `hit` [rows] is 1 among the rows whose truth is `value` (all where NULL), with Wilson's interval (JASA 1927)
 * of as many trials as would have the clustered error: rate (1 - rate) / SE^2, not more than there are rows; where that
 * is not defined, as many as there are patients.
 *   ret  low, high, error NaN with fewer than two patients
 * Errors: ST_NOMEM. */
MUST_USE enum status rate_estimate(const struct patients *p, const double *hit, const uint8_t *truth,
                                   size_t stride, uint8_t value, struct estimate *ret);

/* The mean of values [rows] over the rows whose truth is known (all where NULL), with the interval of figure_estimate().
 * Errors: ST_NOMEM. */
MUST_USE enum status mean_estimate(const struct patients *p, const double *values, const uint8_t *truth,
                                   size_t stride, struct estimate *ret);

/* The same of values between 0 and `most`, cut there. Rows that are all alike have no spread and yet prove little: then it is
 * Wilson's of as many trials as patients take part.
 *   ret  low, high, error NaN with fewer than two patients
 * Errors: ST_NOMEM. */
MUST_USE enum status bounded_estimate(const struct patients *p, const double *values, double most,
                                      const uint8_t *truth, size_t stride, struct estimate *ret);

#endif
