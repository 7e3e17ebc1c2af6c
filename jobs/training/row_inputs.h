/* jobs/training/row_inputs.h - the numbers beside a picture, from the table. */
#ifndef JOBS_TRAINING_ROW_INPUTS_H
#define JOBS_TRAINING_ROW_INPUTS_H

#include "cxrd/dataset.h"
#include "cxrd/inputs.h"

/* A row's inputs, from the table. */
struct input_values row_values(const struct table *t, size_t row);

/* The inputs of these bits (enum input_kind), with their mean and deviation over the rows in which they are known. */
void row_inputs(const struct table *t, const struct rows *rows, unsigned bits, struct inputs *ret);

#endif
