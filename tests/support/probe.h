/* tests/support/probe.h - one node between its inputs x and the scalar loss = sum(r * y), to measure slopes with.
 *
 * Values of x are odd multiples of 1/16, the others small multiples of 1/16, so sums of products are exact in float32 and the
 * central differences of a linear kind have no rounding error at all. Values of x are distinct and 1/16 or more from every
 * multiple of 1/8, so a step of 1/32 crosses no kink of an activation or a max-pool. Blocks have exactly the size the node
 * asked for: a sanitizer sees the first float beyond. */
#ifndef TESTS_PROBE_H
#define TESTS_PROBE_H

#include "model/net/layer.h"

#include <stdbool.h>

struct probe {
    struct node node;
    size_t n, nx[NODE_MAX_INPUTS], ny; /* batch; floats in every x and in y */
    bool training;                     /* whether the node goes without its state */
    float step;                        /* of central differences: 1/32 until a test sets it */
    float *x[NODE_MAX_INPUTS], *dx[NODE_MAX_INPUTS], *y, *r, *params, *dparams, *state;
    void *tape;
};

/* Make a node from its author's part and the shapes of its inputs, as many as its kind takes. Returns NULL, or what
 * the kind finds wrong (and there is nothing to release). dx start as NaN, dparams as zeros. `training` is false until a test
 * sets it. */
const char *probe_init(struct probe *p, const struct node *author, const struct shape *in, size_t n);
void probe_release(struct probe *p);

void probe_forward(struct probe *p); /* y, and the tape */
void probe_forward_without_tape(struct probe *p);
void probe_backward(struct probe *p); /* after probe_forward(): every dx, and adds to dparams */
void probe_backward_without_dx(struct probe *p);

/* The slope of the loss by one value of p->x or p->params, by central differences. */
double probe_slope(struct probe *p, float *where);

/* The layer's name, for a failure's sentence; in static memory. */
const char *probe_describe(const struct probe *p);

#endif
