/* model/core/rng.c - xoshiro256**, see cxrd/rng.h. */
#include "cxrd/rng.h"

#include <assert.h>

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, unsigned bits) { return (x << bits) | (x >> (64 - bits)); }

void rng_seed(struct rng *r, uint64_t seed, uint64_t stream)
{
    uint64_t x = stream;

    x = seed ^ splitmix64(&x);
    for (size_t i = 0; i < 4; i++)
        r->s[i] = splitmix64(&x);
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    uint64_t x, threshold;

    assert(n > 0);
    threshold = (0 - n) % n; /* 2^64 mod n: the values that would favour the small results */
    do
        x = rng_next(r);
    while (x < threshold);
    return x % n;
}

float rng_uniform(struct rng *r, float low, float high)
{
    return low + (high - low) * ((float)(rng_next(r) >> 40) * 0x1p-24f);
}

double rng_unit(struct rng *r) { return (double)(rng_next(r) >> 11) * 0x1p-53; }

void rng_shuffle(struct rng *r, uint32_t *items, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)rng_below(r, i);
        const uint32_t t = items[i - 1];

        items[i - 1] = items[j];
        items[j] = t;
    }
}
