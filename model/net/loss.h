/* model/net/loss.h - binary cross-entropy of independent findings, fused with the sigmoid: it works on logits, so
 * that no probability is rounded to 0 or 1 before its logarithm is taken. */
#ifndef MODEL_NET_LOSS_H
#define MODEL_NET_LOSS_H

#include <stddef.h>

float sigmoid(float logit);

/* logits, y [n]: the sum (not the mean) of w (-y log p - (1-y) log(1-p)), in double. weights [n]; NULL: 1. */
double bce_sum(size_t n, const float *logits, const float *y, const float *weights);

/* dlogits [n] = w (p - y) * scale: the gradient of bce_sum() times scale. */
void bce_gradient(size_t n, const float *logits, const float *y, const float *weights, float scale,
                  float *ret_dlogits);

#endif
