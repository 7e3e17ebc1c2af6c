/* tests/support/network_case.h - a network of cnn4 with its parameters and its model, and batches to train it on. */
#ifndef SUPPORT_NETWORK_CASE_H
#define SUPPORT_NETWORK_CASE_H

#include "cxrd/model.h"

#include <stddef.h>
#include <stdint.h>

/* Each is owned by the caller, and is there: the test fails otherwise. */
void *allocated(void *p);
float *floats(size_t n);
double *doubles(size_t n);
double *widened(const float *values, size_t n);

const struct network *cnn4(size_t size);
/* Parameters and state as a training begins with. */
float *initial(const struct network *net, enum init init, uint64_t seed);
struct model *model_of(const struct network *net, const float *params);
struct model *random_model(size_t size);

/* n pictures of bands and noise, scaled, and truths at about the rates of the real table. */
struct batch {
    size_t n, size;
    float *x, *y;
};

struct batch batch_new(size_t n, size_t size, uint64_t seed);
void batch_release(struct batch *b);

#endif
