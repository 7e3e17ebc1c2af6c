/* model/net/ops/sums.h - gradients as the kernels leave them, added up over pictures in one block of memory. The head's weights are
 * not among them: see training.c. */
#ifndef MODEL_NET_OPS_SUMS_H
#define MODEL_NET_OPS_SUMS_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

/* So many floats in whole cache lines. */
static inline size_t sums_lines(size_t floats) { return (floats + 15) / 16 * 16; }

struct sums {
    size_t size;   /* floats */
    float *memory; /* owned: the same places in the sums of any two of the same plan */
};

MUST_USE enum status sums_init(struct sums *s, size_t size); /* ST_NOMEM */
void sums_release(struct sums *s);                           /* safe on zeroes */

void sums_clear(struct sums *s);
/* s += other, which may be of the first places alone, and other = 0 while it is in the cache. */
void sums_take(struct sums *s, struct sums *other);

/* The sums of a batch's parts, which are added where the gradient comes back into the file's order. With halves of every two
 * the first takes the second, then of every four the first takes the third, and so on: the upper levels of the tree of training.c. The order decides the last bits of a gradient, and so
 * whether a resumed training ends with the same weights: it may not change within a version of checkpoints. */
struct sum_tree {
    struct sums *parts; /* [n_parts] */
    size_t n_parts;
    bool halves; /* lower + upper halves: n_parts is a power of two. Otherwise one after the other */
};

/* Add up the parts' `n` floats from place `at` on, into part 0; returns where they lie. Once for each place. */
const float *sum_tree_add(const struct sum_tree *t, size_t at, size_t n);

/* Where a place lies that was added up. */
static inline const float *sum_tree_at(const struct sum_tree *t, size_t at)
{
    return t->parts[0].memory + at;
}

#endif
