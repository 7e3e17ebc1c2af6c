/* model/net/layer.h - what a layer kind is: a table of operations, one file a kind.
 *
 * The operations are plain loops with sums in double: they say what the network computes, and tests compare the kernels with
 * them. How it is computed fast is the matter of plan/plan.h. They take a batch in [n][c][h][w] and hold no state: parameters,
 * activations, gradients and tape are the caller's. */
#ifndef MODEL_NET_LAYER_H
#define MODEL_NET_LAYER_H

#include "cxrd/network.h"

enum { LAYER_MAX_TENSORS = 4 };

/* A layer's values in the file: its parameters first, then its state. */
struct described {
    const char *suffix; /* "weight" */
    struct tensor
        tensor; /* rank, dims, fans, initial, state; name, offset and count are the network's to fill in */
};

/* The settings that an author gives a node, beside its inputs. */
enum takes {
    TAKES_NAME = 1, /* its tensors' */
    TAKES_CHANNELS = 2,
    TAKES_WINDOW = 4,
    TAKES_COUNT = 8, /* the window's count_include_pad */
    TAKES_GROUPS = 16,
    TAKES_BIAS = 32,
    TAKES_EPSILON = 64,
    TAKES_BOUNDS = 128,
    TAKES_SLOPE = 256,
    TAKES_FIRST = 512
};

struct layer_ops {
    const char *kind;
    size_t n_from; /* results that it reads */

    /* From the author's part of the node and `in`, fill in `out` and `tape_bytes` and describe the tensors. Returns NULL, or what
     * is wrong with them in a few words. No product of sizes overflows: `in` has at most LAYER_MAX_SIDE on a side and
     * LAYER_MAX_CHANNELS, and so must `out`, `channels` and the window. */
    const char *(*shape)(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors);

    /* x[i] [n][in[i]] -> y [n][out].
     *   state  of LAYER_NORM NULL: in training, the batch's own statistics count
     *   tape   n * tape_bytes, written for backward; NULL at inference */
    void (*forward)(const struct node *l, size_t n, const float *params, const float *state,
                    const float *const x[], float *y, void *tape);

    /* dy [n][out] -> dx[i] [n][in[i]], overwritten, each may be NULL (nobody asks); dparams [n_params] is added to.
     *   state  as forward had it */
    void (*backward)(const struct node *l, size_t n, const float *params, const float *state,
                     const float *const x[], const void *tape, const float *dy, float *const dx[],
                     float *dparams);

    unsigned takes; /* of enum takes */
};

enum {
    LAYER_MAX_SIDE = 4096,
    LAYER_MAX_CHANNELS = 65536,
    LAYER_MAX_WINDOW = 16,   /* cells a side */
    LAYER_MAX_DILATION = 64, /* DeepLab's largest is 36 */
    LAYER_MAX_STRIDE = 4096,
    LAYER_MAX_BORDER = 1024,
};

#define LAYER_MAX_BOUND 1e30 /* of a clip: without a bound on a side */

extern const struct layer_ops LAYER_IMAGE; /* node 0, the input; it computes nothing */
extern const struct layer_ops LAYER_REPLICATE, LAYER_CONV, LAYER_DENSE, LAYER_NORM;
extern const struct layer_ops LAYER_RELU, LAYER_RELU6, LAYER_SIGMOID, LAYER_SILU, LAYER_HARD_SWISH;
extern const struct layer_ops LAYER_HARD_SIGMOID, LAYER_CLIP, LAYER_LEAKY_RELU, LAYER_SCALE;
extern const struct layer_ops LAYER_MAX_POOL, LAYER_MEAN_POOL, LAYER_GLOBAL_POOL;
extern const struct layer_ops LAYER_ADD, LAYER_MUL, LAYER_CONCAT, LAYER_FLATTEN;
extern const struct layer_ops LAYER_SLICE, LAYER_SHUFFLE;

extern const struct layer_ops *const LAYER_KINDS[]; /* all of them but the image, for tests */
extern const size_t N_LAYER_KINDS;

#endif
