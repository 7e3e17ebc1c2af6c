/* jobs/training/balance.h - what is done so that rare findings are not drowned by common ones.
 *
 *   resample  rows with rare findings are drawn more often: a row by the rarest of its findings, sqrt(mean rate / rate)
 *             times, never less than once and at most four times as often as others (repeat factors: Gupta et al.,
 *             CVPR 2019)
 *   weight    in the loss, the positives of a finding weigh as much as its negatives, by at most a factor of ten
 *
 * Both make the network believe that rare findings are more common than they are. By how much is known beforehand, in
 * log-odds, so it is taken off the head's bias whenever weights are taken out of the training: its probabilities are
 * of the rates as they are. */
#ifndef JOBS_TRAINING_BALANCE_H
#define JOBS_TRAINING_BALANCE_H

#include "cxrd/dataset.h"
#include "cxrd/train_config.h"

struct balance {
    size_t n_labels;
    float *row_weights; /* [n rows]: how often each is drawn, for resample; NULL: all alike. Owned */
    double often[MAX_LABELS], mean_often;             /* with it: of the rows with a finding; of all rows */
    float positive[MAX_LABELS], negative[MAX_LABELS]; /* weights in the loss, for weight; 1 otherwise */
    double log_odds[MAX_LABELS];                      /* of the rates as the training sees them */
    double shift[MAX_LABELS];                         /* that, less the log-odds of the rates as they are */
};

/* Errors: ST_NOMEM. */
MUST_USE enum status balance_init(struct balance *b, enum balancing how, const struct table *t,
                                  const struct rows *train);
void balance_release(struct balance *b); /* safe on zeroes */

/* The loss of a training row as if nothing had been balanced, so that its mean can stand beside the base rates' and the
 * validation's: the logits [labels] less their shift, without weights; a row that is drawn more often than others counts less.
 * Summed over what is known, and divided by all findings.
 *   truth  [labels]: 0, 1 or TRUTH_UNKNOWN */
double balance_unweighted_loss(const struct balance *b, const float *logits, const uint8_t *truth);

/* Log-odds of rates by counts; half a row is added to each, so that no rate is 0 or 1. */
double log_odds(double positives, double rows);

#endif
