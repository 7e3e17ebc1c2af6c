/* model/net/statistics.h - running statistics of normalisations, which follow those of the batches. */
#ifndef MODEL_NET_STATISTICS_H
#define MODEL_NET_STATISTICS_H

#include "plan/plan.h"

/* Images and statistics of a step's shards. A shard without images adds nothing. */
struct shard_statistics {
    size_t n_shards;
    const size_t *images; /* [n_shards] */
    const float *
        values; /* [n_shards][n_state]: mean and variance (of the values themselves, not of what they are drawn from) */
};

/* state [n_state]: state += momentum * (mean of the shards - state), each by its number of images, in their order; the variance is
 * that of what a shard's n values are drawn from, n / (n - 1) times theirs, and stays where no shard has two. A value that the
 * plan leaves out, since nobody reads it, stays too. */
void statistics_follow(const struct plan *p, const struct shard_statistics *s, double momentum, float *state);

#endif
