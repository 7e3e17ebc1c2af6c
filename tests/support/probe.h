/* tests/support/probe.h - one layer between an x and the scalar loss = sum(r * y), to measure slopes with.
 *
 * Every number is a small multiple of 1/8 or 1/16, so sums of products are exact in float32 and the central
 * differences of a linear kind have no rounding error at all. Values of x are distinct, at least 1/8 apart and from
 * 0, so a step of 1/32 crosses no kink of ReLU or max-pool. Blocks have exactly the size the layer asked for: a
 * sanitizer sees the first float beyond. */
#ifndef TESTS_PROBE_H
#define TESTS_PROBE_H

#include "model/net/layer.h"

#include <stdbool.h>

struct probe {
    struct layer layer;
    size_t n, nx, ny; /* batch; floats in x and in y */
    float *x, *y, *r, *params, *dx, *dparams;
    void *tape;
};

/* Make a layer of `ops` from a shape and, where the kind lets one choose, a number of channels. False (and nothing
 * to release) where the kind refuses the shape. dx starts as NaN, dparams as zeros. */
bool probe_init(struct probe *p, const struct layer_ops *ops, struct shape in, size_t out_channels, size_t n);
void probe_release(struct probe *p);

void probe_forward(struct probe *p);  /* y, and the tape */
void probe_backward(struct probe *p); /* after probe_forward(): dx, and adds to dparams */

/* The slope of the loss by one value of p->x or p->params, by central differences. */
double probe_slope(struct probe *p, float *where);

#endif
