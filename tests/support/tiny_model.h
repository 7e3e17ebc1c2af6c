/* tests/support/tiny_model.h - models of the smallest size with weights from a seed, for tests to which it does not
 * matter what they say. */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include "cxrd/buf.h"
#include "cxrd/model.h"

/* Image size 64. `scale` multiplies every weight: 1 for a sane model, 1e30f for one whose results overflow. */
struct model *tiny_model(uint64_t seed, float scale, json_t *notes);

/* Its file. */
struct buf tiny_weights(uint64_t seed, float scale, json_t *notes);

#endif
