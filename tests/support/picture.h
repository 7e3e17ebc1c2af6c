/* tests/support/picture.h - pictures as the kernels of graphs read and write them: a view, and the memory around it. */
#ifndef TESTS_SUPPORT_PICTURE_H
#define TESTS_SUPPORT_PICTURE_H

#include "cxrd/rng.h"
#include "model/kernels/graph.h"

#include <stdbool.h>

static inline size_t below(struct rng *r, size_t n) { return (size_t)rng_below(r, n); }
static inline size_t between(struct rng *r, size_t low, size_t high)
{
    return low + below(r, high - low + 1);
}
static inline bool coin(struct rng *r) { return below(r, 2) == 1; }

/* Of 1..most cells a side, each side's stride, borders and dilation for themselves; what is usual more often than not. */
struct window window_drawn(struct rng *r, size_t most);

/* -1..1, to be freed. */
float *drawn(struct rng *r, size_t n);

struct picture {
    size_t n, c, panels, P; /* c: of panels * P channels those that the network knows */
    struct shape s;         /* s.c = panels * P, or c of a thin picture */
    size_t lies;            /* of s.c those that lie in memory; the others are nobody's */
    struct view v;
    float *memory, *first; /* [size], pixel (0, 0) */
    size_t size;
};

static const float UNTOUCHED = -123.456f;

static inline size_t at(const struct picture *p, size_t s, size_t c, size_t i, size_t j)
{
    return (size_t)(p->first - p->memory) + s * p->v.image + i * p->v.row + j * p->v.pixel +
           c / p->P * p->v.panel + c % p->P;
}

enum form {
    WHOLE_PANELS, /* or channels last, perhaps in a buffer of more channels */
    HALF_PANELS, /* the same, but a last half beyond the network's channels is nobody's; of half a panel alone perhaps it is not there */
    THIN,        /* the network's channels, side by side */
};

/* With a border of 0 to 2 pixels on each side; every float is `around`. Its memory is to be freed. */
struct picture picture_new(struct rng *r, size_t P, size_t n, struct shape s, enum form form, float around);

/* One of the same view. */
struct picture picture_alike(const struct picture *p, float around);

/* The network's channels from plain [n][c][h][w]; the padding's are some finite numbers. */
void picture_fill(struct picture *p, struct rng *r, const float *plain);

/* Whether all around the picture is UNTOUCHED. */
bool untouched_around(const struct picture *p);

#endif
