/* include/cxrd/narrowing.h - serve a model with less precision, if that is not seen in what it says. */
#ifndef CXRD_NARROWING_H
#define CXRD_NARROWING_H

#include "cxrd/model.h"

/* The most that a probability may move by it. Thresholds and figures are shown with three digits. */
#define NARROWING_MOST 1e-3

/* Put in place of *m a model that computes in this precision, if on synthetic radiographs, the same ones each time, no probability
 * moves by more than NARROWING_MOST. A model that sees no picture, and PRECISION_FLOAT32, change nothing.
 * Errors: ST_UNUSABLE (one moves further; the sentence says how far), ST_NUMERIC, ST_NOMEM: *m stays as it was. */
MUST_USE enum status model_narrow(struct model **m, enum precision precision, struct error *err);

#endif
