/* model/net/layers/activations.c - one number to one number, any shape. s(x) = 1 / (1 + exp(-x)):
 *   relu        max(x, 0)
 *   relu6       min(max(x, 0), 6)
 *   sigmoid     s(x)
 *   silu        x s(x)                                (Elfwing et al., Neural Networks 107, 2018)
 *   hard_swish  x relu6(x + 3) / 6                    (Howard et al., "Searching for MobileNetV3", ICCV 2019)
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

static double sigmoid(double x)
{
    const double e = exp(-fabs(x)); /* never overflows */

    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

/* The value at x, and what the slope dy behind it makes of the slope before it. */

static double relu(double x) { return x < 0 ? 0 : x; }
static double relu_slope(double x, double dy) { return x > 0 ? dy : 0; }

static double relu6(double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }
static double relu6_slope(double x, double dy) { return x > 0 && x < 6 ? dy : 0; }

static double sigmoid_slope(double x, double dy) { return dy * sigmoid(x) * sigmoid(-x); }

static double silu(double x) { return x * sigmoid(x); }
static double silu_slope(double x, double dy) { return dy * sigmoid(x) * (1 + x * sigmoid(-x)); }

static double hard_swish(double x) { return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6; }
static double hard_swish_slope(double x, double dy)
{
    return x <= -3 ? 0 : x >= 3 ? dy : dy * (2 * x + 3) / 6;
}

#define ACTIVATION(NAME, name)                                                                           \
    static void name##_forward(const struct node *l, size_t n, const float *params, const float *state,  \
                               const float *const x[], float *y, void *tape)                             \
    {                                                                                                    \
        (void)params, (void)state, (void)tape;                                                           \
        for (size_t i = 0; i < n * shape_size(l->in[0]); i++)                                            \
            y[i] = (float)name((double)x[0][i]);                                                         \
    }                                                                                                    \
    static void name##_backward(const struct node *l, size_t n, const float *params, const float *state, \
                                const float *const x[], const void *tape, const float *dy,               \
                                float *const dx[], float *dparams)                                       \
    {                                                                                                    \
        (void)params, (void)state, (void)tape, (void)dparams;                                            \
        for (size_t i = 0; i < n * shape_size(l->in[0]) && dx[0]; i++)                                   \
            dx[0][i] = (float)name##_slope((double)x[0][i], (double)dy[i]);                              \
    }                                                                                                    \
    const struct layer_ops NAME = { #name, 1, same_shape, name##_forward, name##_backward }

ACTIVATION(LAYER_RELU, relu);
ACTIVATION(LAYER_RELU6, relu6);
ACTIVATION(LAYER_SIGMOID, sigmoid);
ACTIVATION(LAYER_SILU, silu);
ACTIVATION(LAYER_HARD_SWISH, hard_swish);
