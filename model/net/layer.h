/* model/net/layer.h - what a layer kind is: a table of operations, one file a kind.
 *
 * The operations are plain loops: they say what the network computes, and tests compare the kernels with them. How it
 * is computed fast is plan.h's matter. They take a batch in [n][c][h][w] and hold no state: parameters, activations,
 * gradients and tape are the caller's. */
#ifndef MODEL_NET_LAYER_H
#define MODEL_NET_LAYER_H

#include "cxrd/network.h"

struct layer_ops {
    const char *kind;

    /* From `in`, and out.c where the kind lets the architecture choose, fill in the rest and describe the
     * parameters (`tensors`, two at most: weight and bias, names and offsets are the network's to add).
     * ST_INVALID if it cannot be. */
    enum status (*shape)(struct layer *l, struct tensor tensors[2], size_t *n_tensors);

    /* x [n][in] -> y [n][out]. tape: n * tape_bytes, written for backward; NULL at inference. */
    void (*forward)(const struct layer *l, size_t n, const float *params, const float *x, float *y,
                    void *tape);

    /* dy [n][out] -> dx [n][in], overwritten, may be NULL (nobody asks); dparams [n_params] is added to. */
    void (*backward)(const struct layer *l, size_t n, const float *params, const float *x, const void *tape,
                     const float *dy, float *dx, float *dparams);
};

extern const struct layer_ops LAYER_REPLICATE, LAYER_CONV3X3, LAYER_RELU, LAYER_MAXPOOL, LAYER_DENSE;

extern const struct layer_ops *const LAYER_KINDS[]; /* all of them, for tests */
extern const size_t N_LAYER_KINDS;

#endif
