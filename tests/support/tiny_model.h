/* tests/support/tiny_model.h - models of the smallest size with weights from a seed, for tests to which it does not
 * matter what they say. */
#ifndef TESTS_TINY_MODEL_H
#define TESTS_TINY_MODEL_H

#include "cxrd/buf.h"
#include "cxrd/model.h"

/* Image size 64. `scale` multiplies every weight: 1 for a sane model, 1e30f for one whose results overflow. */
struct model *tiny_model(uint64_t seed, float scale, json_t *notes);

/* A graph of about 150 weights, grey at 64 x 64, with a convolution and a normalisation: for trainings to which it does not matter what
 * they train. */
struct model *tiny_graph(uint64_t seed, const struct labels *labels);

/* "mobilenet_v2" at 64 x 64, whose normalisations have running statistics of their own. */
struct model *tiny_model_with_norms(uint64_t seed);

/* The same with a scale of 1, and a head that takes inputs too: their weights are first, first + step, … */
struct model *tiny_model_with_inputs(uint64_t seed, const struct inputs *in, float first, float step);

/* Its file. */
struct buf tiny_weights(uint64_t seed, float scale, json_t *notes);

#endif
