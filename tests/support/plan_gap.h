/* tests/support/plan_gap.h - how far the results of a plan are from those of its network's layers, forward and backward. */
#ifndef SUPPORT_PLAN_GAP_H
#define SUPPORT_PLAN_GAP_H

#include "cxrd/training.h"
#include "model/kernels/kernels.h"

#include <stddef.h>
#include <stdint.h>

#define ALLOWED        1e-5 /* relative to the largest number of the result */
#define ALLOWED_SLOPES 2e-5 /* of slopes, where some cancel */
#define ALLOWED_DEEP   1e-4 /* ... of architectures: what is off by a rounding goes through many nodes */

enum { IMAGES = 2, MOST_IMAGES = 5 };

#define MOMENTUM 0.3

/* How a batch is trained on: so many pictures, in so many shards. */
struct way {
    size_t images, shards;
    enum norms norms;
};

/* Between -1 and 1, owned by the caller. */
float *random_floats(size_t n, uint64_t seed);
/* The largest difference, of the largest of both or 1. */
double difference(const float *a, const float *b, size_t n);
/* How far the plan's logits of IMAGES pictures are from the layers'. */
double gap_of_logits(const struct network *net, const struct kernels *k, const float *values, const float *x);
/* How far the plan's gradient and running statistics are from the layers'.
 *   k  an instruction set's, all being one shard; NULL: a training's, in its shards */
double gradient_gap_at(const struct network *net, const struct kernels *k, const struct way *way,
                       const float *values, const float *x);

#endif
