/* jobs/training/score_reference.h - the validation scores' distribution, so that a server can tell when scores drift. */
#ifndef JOBS_TRAINING_SCORE_REFERENCE_H
#define JOBS_TRAINING_SCORE_REFERENCE_H

#include "cxrd/strata.h"
#include "evaluate.h"

/* Fewer rows say too little about a distribution of ten bins. */
enum { SCORE_REFERENCE_LEAST = 50 };

/* The metadata key, and what it holds: JSON, for each finding the nine deciles of its probabilities. */
#define SCORE_REFERENCE_NOTE "score_deciles"
char *score_reference_text(const struct scores *s); /* free() it; NULL without memory */

/* Pictures that the input gate was tried on: which rows, and how far they are from the training pictures. */
struct tried {
    size_t n;
    uint32_t *row;    /* [n] */
    double *distance; /* [n] */
};

/* The same by view, sex and age: what cxrd/strata.h says is under STRATA_NOTE; free() it; NULL without memory. */
char *strata_text(const struct scores *s, const struct table *t, const struct tried *tried);

#endif
