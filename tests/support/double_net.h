/* tests/support/double_net.h - the network of "cnn4" once more, in float64 and in plain loops over plain arrays.
 *
 * It shares no line with model/: what the two agree on is not one mistake made twice. Widths and sizes are free, so
 * that its own gradient can be proved by central differences on a network of a few dozen parameters.
 *   grey in channels[0] equal channels, then n_convs times (3x3 cross-correlation with zero "same" padding -> ReLU
 *   -> 2x2 max-pool), then dense. Parameters as the weights file has them: W [O][C][3][3], b [O] of each
 *   convolution, then W [outputs][C*h*w], b [outputs]. */
#ifndef TESTS_DOUBLE_NET_H
#define TESTS_DOUBLE_NET_H

#include <stddef.h>

enum { DOUBLE_NET_MAX_CONVS = 4 };

struct double_net {
    size_t size; /* pixels a side, a multiple of 1 << n_convs */
    size_t n_convs, n_outputs;
    size_t channels[1 + DOUBLE_NET_MAX_CONVS]; /* of the input, then of each convolution */
};

/* "cnn4" for images of `size` pixels a side. */
struct double_net double_net_cnn4(size_t size);

size_t double_net_params(const struct double_net *net);

/* grey [size][size], scaled -> logits [n_outputs] */
void double_net_forward(const struct double_net *net, const double *params, const double *grey,
                        double *logits);

/* The mean binary cross-entropy over n pictures [n][size][size] and their truths y [n][n_outputs], and its gradient
 * by all parameters, overwritten. */
double double_net_gradient(const struct double_net *net, const double *params, size_t n, const double *grey,
                           const double *y, double *gradient);

/* Adam as Keras writes it: step number `t` counts from 1; m, v, params [n]. */
void double_adam(size_t n, double t, double learning_rate, double weight_decay, const double *gradient,
                 double *m, double *v, double *params);

#endif
