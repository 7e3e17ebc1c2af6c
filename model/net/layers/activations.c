/* model/net/layers/activations.c - one number to one number, any shape. s(x) = 1 / (1 + exp(-x)):
 *   relu        max(x, 0)
 *   relu6       min(max(x, 0), 6)
 *   sigmoid     s(x)
 *   silu        x s(x)                                (Elfwing et al., Neural Networks 107, 2018)
 *   hard_swish  x relu6(x + 3) / 6                    (Howard et al., "Searching for MobileNetV3", ICCV 2019)
 *   hard_sigmoid  relu6(x + 3) / 6                    (the same)
 *   clip        min(max(x, low), high)
 *   leaky_relu  x above 0, slope x below it           (Maas et al., ICML workshop on deep learning, 2013)
 * In a kink the slope is the smaller one in size of its two sides. NaN stays NaN: were it made 0 here, a sum that overflowed would end as an
 * ordinary probability. */
#include "check.h"

#include <math.h>

static const char *same_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = l->in[0];
    return check_in_and_out(l);
}

static const char *clip_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    if (!(l->low < l->high) || fabs(l->low) > LAYER_MAX_BOUND || fabs(l->high) > LAYER_MAX_BOUND)
        return "the lower bound is not below the upper one";
    return same_shape(l, tensors, n_tensors);
}

static const char *leaky_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    if (!(l->slope >= 0 && l->slope <= 1))
        return "the slope must lie in 0..1";
    return same_shape(l, tensors, n_tensors);
}

static double sigmoid(double x)
{
    const double e = exp(-fabs(x)); /* never overflows */

    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

/* The value at x, and what the slope dy behind it makes of the slope before it. */

#define VALUE(name) static double name##_at(const struct node *l, double x)
#define SLOPE(name) static double name##_slope(const struct node *l, double x, double dy)

VALUE(relu) { return (void)l, x < 0 ? 0 : x; }
SLOPE(relu) { return (void)l, x > 0 ? dy : 0; }

VALUE(relu6) { return (void)l, x < 0 ? 0 : x > 6 ? 6 : x; }
SLOPE(relu6) { return (void)l, x > 0 && x < 6 ? dy : 0; }

VALUE(sigmoid) { return (void)l, sigmoid(x); }
SLOPE(sigmoid) { return (void)l, dy * sigmoid(x) * sigmoid(-x); }

VALUE(silu) { return (void)l, x * sigmoid(x); }
SLOPE(silu) { return (void)l, dy * sigmoid(x) * (1 + x * sigmoid(-x)); }

VALUE(hard_swish) { return (void)l, x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6; }
SLOPE(hard_swish) { return (void)l, x <= -3 ? 0 : x >= 3 ? dy : dy * (2 * x + 3) / 6; }

VALUE(hard_sigmoid) { return (void)l, x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6; }
SLOPE(hard_sigmoid) { return (void)l, x > -3 && x < 3 ? dy / 6 : 0; }

VALUE(clip) { return x < l->low ? l->low : x > l->high ? l->high : x; }
SLOPE(clip) { return x > l->low && x < l->high ? dy : 0; }

VALUE(leaky_relu) { return x > 0 ? x : l->slope * x; }
SLOPE(leaky_relu) { return x > 0 ? dy : l->slope * dy; }

#define ACTIVATION(NAME, name, shape, takes)                                                             \
    static void name##_forward(const struct node *l, size_t n, const float *params, const float *state,  \
                               const float *const x[], float *y, void *tape)                             \
    {                                                                                                    \
        (void)params, (void)state, (void)tape;                                                           \
        for (size_t i = 0; i < n * shape_size(l->in[0]); i++)                                            \
            y[i] = (float)name##_at(l, (double)x[0][i]);                                                 \
    }                                                                                                    \
    static void name##_backward(const struct node *l, size_t n, const float *params, const float *state, \
                                const float *const x[], const void *tape, const float *dy,               \
                                float *const dx[], float *dparams)                                       \
    {                                                                                                    \
        (void)params, (void)state, (void)tape, (void)dparams;                                            \
        for (size_t i = 0; i < n * shape_size(l->in[0]) && dx[0]; i++)                                   \
            dx[0][i] = (float)name##_slope(l, (double)x[0][i], (double)dy[i]);                           \
    }                                                                                                    \
    const struct layer_ops NAME = { #name, 1, shape, name##_forward, name##_backward, takes }

ACTIVATION(LAYER_RELU, relu, same_shape, 0);
ACTIVATION(LAYER_RELU6, relu6, same_shape, 0);
ACTIVATION(LAYER_SIGMOID, sigmoid, same_shape, 0);
ACTIVATION(LAYER_SILU, silu, same_shape, 0);
ACTIVATION(LAYER_HARD_SWISH, hard_swish, same_shape, 0);
ACTIVATION(LAYER_HARD_SIGMOID, hard_sigmoid, same_shape, 0);
ACTIVATION(LAYER_CLIP, clip, clip_shape, TAKES_BOUNDS);
ACTIVATION(LAYER_LEAKY_RELU, leaky_relu, leaky_shape, TAKES_SLOPE);
