/* tests/support/floats_as_doubles.h - included before everything else by the files of double_layers: the layers of model/net/layers,
 * compiled once more with doubles in place of floats, under names of their own. A header that is read before the change keeps its
 * floats: a network is the same for both. */
#ifndef TESTS_SUPPORT_FLOATS_AS_DOUBLES_H
#define TESTS_SUPPORT_FLOATS_AS_DOUBLES_H

#include "cxrd/network.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define float double

#define LAYER_IMAGE        DOUBLE_IMAGE
#define LAYER_REPLICATE    DOUBLE_REPLICATE
#define LAYER_CONV         DOUBLE_CONV
#define LAYER_DENSE        DOUBLE_DENSE
#define LAYER_NORM         DOUBLE_NORM
#define LAYER_RELU         DOUBLE_RELU
#define LAYER_RELU6        DOUBLE_RELU6
#define LAYER_SIGMOID      DOUBLE_SIGMOID
#define LAYER_SILU         DOUBLE_SILU
#define LAYER_HARD_SWISH   DOUBLE_HARD_SWISH
#define LAYER_HARD_SIGMOID DOUBLE_HARD_SIGMOID
#define LAYER_CLIP         DOUBLE_CLIP
#define LAYER_LEAKY_RELU   DOUBLE_LEAKY_RELU
#define LAYER_SCALE        DOUBLE_SCALE
#define LAYER_MAX_POOL     DOUBLE_MAX_POOL
#define LAYER_MEAN_POOL    DOUBLE_MEAN_POOL
#define LAYER_GLOBAL_POOL  DOUBLE_GLOBAL_POOL
#define LAYER_ADD          DOUBLE_ADD
#define LAYER_MUL          DOUBLE_MUL
#define LAYER_CONCAT       DOUBLE_CONCAT
#define LAYER_FLATTEN      DOUBLE_FLATTEN
#define LAYER_SLICE        DOUBLE_SLICE
#define LAYER_SHUFFLE      DOUBLE_SHUFFLE
#define LAYER_KINDS        DOUBLE_KINDS
#define N_LAYER_KINDS      N_DOUBLE_KINDS

#endif
