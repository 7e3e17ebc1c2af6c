/* server/api/drift.h - are today's scores those of the pictures that the model was validated on?
 *
 * The population stability index: the model's N validation scores of a finding, cut at their nine deciles, fill ten bins
 * evenly; the latest M scores fill the same bins somehow. PSI = sum over bins of (share - 0.1) ln(share / 0.1). Where nothing
 * has moved chance alone makes it about (10 - 1) (1/N + 1/M), so that much is taken off: then it is 0 on average, and may be
 * below. Below 0.1 little has moved, above 0.25 something has (Siddiqi, "Credit Risk Scorecards", 2006): another scanner,
 * other patients, or pictures that are not chests. It says that something has changed, not what. */
#ifndef SERVER_API_DRIFT_H
#define SERVER_API_DRIFT_H

#include "cxrd/labels.h"
#include "cxrd/registry.h"

#include <jansson.h>
#include <stdbool.h>

/* The weights' metadata that carries the deciles: JSON, nine numbers for each finding. A model without it has no drift, nor has
 * one whose "metrics" do not say how many validation rows there were. */
#define DRIFT_NOTE "score_deciles"

enum { DRIFT_BINS = 10, DRIFT_LEAST = 500, DRIFT_WINDOW = 5000 };

/* Zeroed is fresh. The caller sees to it that one thread at a time uses it. */
struct drift {
    char model[ID_SIZE];  /* whose scores these are; another model begins anew */
    bool known;           /* it has deciles, and says of how many rows */
    double reference;     /* N: those rows */
    struct labels labels; /* of the model; what follows is [labels] */
    double deciles[MAX_LABELS][DRIFT_BINS - 1];
    double counts[MAX_LABELS]
                 [DRIFT_BINS]; /* halved whenever the window is full, so that the latest weigh most */
    double seen, squares;      /* the latest scores by their weights, and the squares of these */
};

/* `probabilities`: {"Atelectasis": 0.2, …} */
void drift_add(struct drift *d, const struct loaded_model *by, const json_t *probabilities);

/* False: no deciles, or fewer than DRIFT_LEAST scores so far.
 *   ret_latest  M: what the latest scores are worth, fewer than were seen once older ones weigh less */
bool drift_psi(const struct drift *d, double ret_psi[MAX_LABELS], double *ret_latest);

#endif
