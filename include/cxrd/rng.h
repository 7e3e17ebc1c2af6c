/* include/cxrd/rng.h - the seeded generator behind every random choice: initial weights, splits, batches.
 *
 * xoshiro256** (Blackman & Vigna, "Scrambled linear pseudorandom number generators", 2018), its state filled by
 * SplitMix64 from (seed, stream). The same seed and stream give the same numbers on every machine: only integer
 * arithmetic and exact scaling are used. Streams keep uses apart: drawing one more number for the split does not
 * change the initial weights. Not for secrets. One generator serves one thread. */
#ifndef CXRD_RNG_H
#define CXRD_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t s[4]; /* plain data: copy it to save the generator's place */
};

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);                           /* uniform over 0..2^64-1 */
uint64_t rng_below(struct rng *r, uint64_t n);              /* uniform over 0..n-1 without bias; n >= 1 */
float rng_uniform(struct rng *r, float low, float high);    /* low <= x < high, 24 random bits */
double rng_unit(struct rng *r);                             /* 0 <= x < 1, 53 random bits */
void rng_shuffle(struct rng *r, uint32_t *items, size_t n); /* Fisher-Yates, in place */

#endif
