/* tests/support/plan_run.h - a network by a plan of any instruction set, without what a session or a training adds. */
#ifndef TESTS_SUPPORT_PLAN_RUN_H
#define TESTS_SUPPORT_PLAN_RUN_H

#include "cxrd/training.h"
#include "model/kernels/kernels.h"

/* The logits [n][labels] of pictures x.
 *   before  n pictures that the same memory sees first, or NULL
 *   pool    its threads share one picture after the other; NULL: all go through at once */
void plan_forward(const struct network *net, const struct kernels *k, const float *values,
                  const float *before, size_t n, const float *x, struct pool *pool, float *ret_logits);

/* The gradient of the parameters before the head, the batch being one shard; the others are left alone. And the state, which
 * follows the batch's statistics by `momentum` where the norms are NORMS_BATCH. */
void plan_gradient(const struct network *net, const struct kernels *k, enum norms norms, double momentum,
                   const float *values, const struct training_batch *batch, float *ret_gradients,
                   float *state);

#endif
