/* include/cxrd/shadow_counts.h - two models asked about the same pictures: how often and how far they differ.
 *
 * Sums alone, which say nothing of any picture, and which come out the same in whatever order pictures come but for the last digits of
 * a float64. Pure functions; one thread at a time. */
#ifndef CXRD_SHADOW_COUNTS_H
#define CXRD_SHADOW_COUNTS_H

#include "cxrd/estimate.h"
#include "cxrd/labels.h"

#include <jansson.h>
#include <stdint.h>

enum { SHADOW_ACTIVE, SHADOW_CANDIDATE, N_SHADOW };

/* The two models' scores of one picture. Bit k is of finding k. */
struct shadow_pair {
    const float *probability[N_SHADOW]; /* [findings] */
    uint64_t known[N_SHADOW], positive[N_SHADOW];
    double ms[N_SHADOW]; /* that each took to look at it */
};

struct shadow_finding {
    uint64_t calls[2]
                  [2]; /* [the active calls it][the candidate does]: pictures on which both have a verdict */
    double sum, squares; /* of the candidate's probability less the active's */
};

struct shadow_counts {
    struct labels labels;
    uint64_t pictures;
    uint64_t failed; /* which the candidate could not answer */
    double ms[N_SHADOW], most_ms[N_SHADOW];
    struct shadow_finding findings[MAX_LABELS]; /* [labels] */
};

void shadow_count(struct shadow_counts *c, const struct shadow_pair *pair);

/* Of the same two models: `more` comes to the counts. */
void shadow_counts_add(struct shadow_counts *c, const struct shadow_counts *more);

struct shadow_figures {
    struct estimate discordance; /* the part of the pictures that one of them calls: Wilson's interval */
    struct estimate kappa;       /* Cohen's (1960), with the error of Fleiss, Cohen & Everitt (1969) */
    struct estimate shift;       /* the mean of the differences of the probabilities */
    double spread;               /* their standard deviation */
};
struct shadow_figures shadow_figures(const struct shadow_counts *c, size_t finding);

/* What GET /models/{id}/shadow says of them: {"pictures","failed","latency_ms","findings"}, a new reference. */
json_t *shadow_counts_json(const struct shadow_counts *c);

/* As they are kept, and read again. `labels` of `ret` are set before. False: it is no such text. */
json_t *shadow_counts_state(const struct shadow_counts *c);
bool shadow_counts_read(const json_t *state, struct shadow_counts *ret);

#endif
