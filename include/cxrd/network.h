/* include/cxrd/network.h - an architecture as data: a list of layers and the parameters they ask for.
 *
 * A network is geometry only: no weights, no activations. It is a plain value, may be copied, and never changes
 * after network_init(), so any number of threads may share it. All parameters of a network are one flat block of
 * float32, which is what the optimiser, the weights file and a checkpoint see; the tensors say what lies where. */
#ifndef CXRD_NETWORK_H
#define CXRD_NETWORK_H

#include "cxrd/rng.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>

struct shape {
    size_t c, h, w; /* channels, rows, columns of one sample; a batch adds [n] in front */
};

static inline size_t shape_size(struct shape s) { return s.c * s.h * s.w; }

struct layer_ops;

/* One step from activations to activations. Immutable; the parameters lie at `params` in the network's block. */
struct layer {
    const struct layer_ops *ops;
    struct shape in, out;
    size_t params, n_params; /* first float, floats */
    size_t tape_bytes;       /* a sample: what forward leaves for backward */
};

/* A named part of the parameter block. */
struct tensor {
    char name[24]; /* "conv1.weight" */
    size_t rank, dims[4];
    size_t offset, count;   /* floats from the start of the block, floats */
    size_t fan_in, fan_out; /* 0 for a bias */
};

enum { NETWORK_MAX_LAYERS = 24, NETWORK_MAX_TENSORS = 24, NETWORK_MAX_INPUTS = 32 };

struct network {
    const char *architecture; /* "cnn4" */
    size_t image_size;        /* input [1][image_size][image_size]; 0: it sees no picture */
    size_t n_layers, n_tensors, n_params;
    size_t n_inputs; /* numbers beside the image that the head adds up, see network_add_inputs(); 0: none */
    struct layer layers[NETWORK_MAX_LAYERS];
    struct tensor tensors[NETWORK_MAX_TENSORS];
};

/* Lay out an architecture for square grey images.
 *   architecture  "cnn4": grey in three channels, four times (convolution 3x3 "same" -> ReLU -> max-pool 2) with
 *                 32, 64, 128, 256 channels, dense to the 14 logits; 1,305,934 parameters at image size 256
 *                 "logistic": no layer and no picture, 14 biases, and what network_add_inputs() adds: logistic regressions
 *   image_size    pixels a side, a multiple of 16 in 64..512; of no account where there is no picture
 * Errors: ST_INVALID (unknown architecture or a size that it cannot take). */
MUST_USE enum status network_init(struct network *net, const char *architecture, size_t image_size,
                                  struct error *err);

/* Let the head see `n` (1..NETWORK_MAX_INPUTS) numbers beside the image, as "head.inputs.weight" [14,n], behind all other parameters:
 * logits += weight * inputs. Initially 0. Once a network, after network_init(). */
void network_add_inputs(struct network *net, size_t n);

/* Whether it looks at a picture, or only at the numbers beside one. */
static inline bool network_sees(const struct network *net) { return net->n_layers > 0; }

/* The tensor of that name, or NULL. */
const struct tensor *network_tensor(const struct network *net, const char *name);

enum init { INIT_GLOROT, INIT_HE };

/* Fill `params` [n_params] with initial weights; biases become 0. Tensors are drawn in order from `rng`.
 *   INIT_GLOROT  uniform in ±sqrt(6 / (fan_in + fan_out))   (Glorot & Bengio, AISTATS 2010; Keras' default)
 *   INIT_HE      uniform in ±sqrt(6 / fan_in)               (He et al., ICCV 2015) */
void network_initialise(const struct network *net, enum init init, struct rng *rng, float *params);

#endif
