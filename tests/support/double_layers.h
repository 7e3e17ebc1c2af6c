/* tests/support/double_layers.h - the layers' plain loops in float64, for what float32 is measured by. */
#ifndef TESTS_SUPPORT_DOUBLE_LAYERS_H
#define TESTS_SUPPORT_DOUBLE_LAYERS_H

#include "cxrd/network.h"

/* As forward() and backward() of model/net/layer.h. A tape of a network's node has room for both. */
void double_forward(const struct node *l, size_t n, const double *params, const double *state,
                    const double *const x[], double *y, void *tape);
void double_backward(const struct node *l, size_t n, const double *params, const double *state,
                     const double *const x[], const void *tape, const double *dy, double *const dx[],
                     double *dparams);

#endif
