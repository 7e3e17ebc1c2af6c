/* model/net/sums.h - gradients as the kernels leave them, added up over pictures in one block of memory. The head's weights are
 * not among them: see training.c. */
#ifndef MODEL_NET_SUMS_H
#define MODEL_NET_SUMS_H

#include "plan.h"

/* The parts lie in `memory`, which is owned: at the same places in the sums of any two of the same plan. */
struct sums {
    size_t size; /* floats */
    float *memory;
    float *first; /* [9][O] of the first block */
    float *bias[PLAN_MAX_BLOCKS];
    float *u[PLAN_MAX_BLOCKS]; /* [36] matrices C x O; NULL for the first block */
    float *head_bias;          /* [14] */
    float *inputs;             /* [14][k] */
};

MUST_USE enum status sums_init(struct sums *s, const struct plan *p, size_t n_inputs); /* ST_NOMEM */
void sums_release(struct sums *s);                                                     /* safe on zeroes */

void sums_clear(struct sums *s);
void sums_take(struct sums *s, struct sums *other); /* s += other, and other = 0 while it is in the cache */

#endif
