/* bench/learner.h - a step of training, Adam's too, as bench_graphs and bench_step measure it: 16 pictures of 224 x 224. */
#ifndef BENCH_LEARNER_H
#define BENCH_LEARNER_H

#include "cxrd/labels.h"
#include "cxrd/training.h"

enum { SIZE = 224, BATCH = 16, PLANE = SIZE * SIZE };

struct learner {
    const float *x; /* [BATCH][PLANE], borrowed */
    struct pool *pool;
    const struct network *net;
    struct training *training;
    struct adam adam;
    float *y, *logits;
};

/* End the program with the error's sentence, unless all is well. */
void check(enum status st, const struct error *err);

/* An architecture at the beginning of its training.
 *   x     see struct learner
 *   pool  borrowed; NULL: on the caller's thread */
void learner_make(struct learner *l, const char *architecture, const float *x, struct pool *pool);
void learner_step(void *learner); /* of a struct learner, as measure() calls it */
void learner_release(struct learner *l);

#endif
