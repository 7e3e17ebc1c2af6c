/* include/cxrd/strata.h - pictures told apart by view, sex and age of the patient, and how a model's validation scores lie in each
 * of these cells: what a server compares its own scores with, picture by picture of the same kind.
 *
 * A cell is one view, one sex and one band of ages, each of which may be unknown. In the weights' metadata, under STRATA_NOTE, as JSON:
 * {"patients","cells":[{"view","sex","age","rows","scores":[[10 counts], …],"input":[10 counts]}], "input_deciles":[9]}. A null is
 * what is not known. "scores" has a row a finding: validation rows by bins of that finding's deciles ("score_deciles"); "input", in
 * models with an input gate, counts pictures by bins of their distance from the training pictures. */
#ifndef CXRD_STRATA_H
#define CXRD_STRATA_H

#include <stddef.h>

enum strata_by { STRATA_VIEW, STRATA_SEX, STRATA_AGE, N_STRATA_BY };
extern const char *const STRATA_BY_NAMES[N_STRATA_BY]; /* "view", "sex", "age" */

enum { STRATA_MOST = 6, STRATA_BINS = 10, STRATA_CELLS = 3 * 3 * 6 };

/* How many there are of a kind, the last of them being unknown; and the name of one, NULL for that. */
size_t strata_count(enum strata_by by);
const char *strata_name(enum strata_by by, size_t i);

/* A value as struct input_values has it, NaN for unknown: the number among those of its kind. */
size_t strata_of(enum strata_by by, double value);

/* The cell of three such numbers, and the other way round. */
size_t strata_cell(const size_t of[N_STRATA_BY]);
void strata_split(size_t cell, size_t ret_of[N_STRATA_BY]);

/* The bin of a value among nine edges that do not fall: how many of them it is above. */
size_t strata_bin(const double edges[STRATA_BINS - 1], double value);

#define STRATA_NOTE "score_strata"

#endif
