/* model/net/layers/kinds.c - the list of kinds, and the image, which computes nothing. */
#include "../layer.h"

const struct layer_ops LAYER_IMAGE = { .kind = "image" };

const struct layer_ops *const LAYER_KINDS[] = {
    &LAYER_REPLICATE, &LAYER_CONV,         &LAYER_DENSE, &LAYER_NORM,       &LAYER_RELU,
    &LAYER_RELU6,     &LAYER_SIGMOID,      &LAYER_SILU,  &LAYER_HARD_SWISH, &LAYER_MAX_POOL,
    &LAYER_MEAN_POOL, &LAYER_GLOBAL_POOL,  &LAYER_ADD,   &LAYER_MUL,        &LAYER_CONCAT,
    &LAYER_FLATTEN,   &LAYER_HARD_SIGMOID, &LAYER_CLIP,  &LAYER_LEAKY_RELU, &LAYER_SCALE,
    &LAYER_SLICE,     &LAYER_SHUFFLE,
};
const size_t N_LAYER_KINDS = sizeof LAYER_KINDS / sizeof LAYER_KINDS[0];
