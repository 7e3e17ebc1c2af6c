/* jobs/training/reference.h - the validation scores' distribution, so that a server can tell when scores have moved. */
#ifndef JOBS_TRAINING_REFERENCE_H
#define JOBS_TRAINING_REFERENCE_H

#include "evaluate.h"

/* Fewer rows say too little about a distribution of ten bins. */
enum { REFERENCE_LEAST = 50 };

/* The metadata key, and what it holds: JSON, for each finding the nine deciles of its probabilities. */
#define REFERENCE_NOTE "score_deciles"
char *reference_text(const struct scores *s); /* free() it; NULL without memory */

#endif
