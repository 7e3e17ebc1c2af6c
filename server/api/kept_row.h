/* server/api/kept_row.h - what is kept of a prediction: its scores and its verdicts. */
#ifndef SERVER_API_KEPT_ROW_H
#define SERVER_API_KEPT_ROW_H

#include "prediction.h"

#include "cxrd/kept_scores.h"
#include "cxrd/profiles.h"

/* All but its id, its time and whose picture it is of.
 *   profile  in force for the model; NULL: none */
void kept_row(const struct loaded_model *by, const struct profile *profile, const struct prediction *p,
              struct kept_scores *ret);

#endif
