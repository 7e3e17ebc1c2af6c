/* jobs/training/folds.h - five folds of patients: what is fitted to four of them is judged on the fifth. */
#ifndef JOBS_TRAINING_FOLDS_H
#define JOBS_TRAINING_FOLDS_H

#include <stdint.h>

enum { N_FOLDS = 5 };

/* Which fold a patient's rows are in, by the table's key: a scrambled number, since patients are numbered in order. */
uint8_t fold_of(uint64_t patient);

#endif
