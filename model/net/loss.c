/* model/net/loss.c - see loss.h. */
#include "loss.h"

#include <math.h>

/* exp never overflows: its argument is never positive */
float sigmoid(float logit)
{
    const float e = expf(-fabsf(logit));

    return logit >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double bce_sum(size_t n, const float *logits, const float *y, const float *weights)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double z = (double)logits[i], w = weights ? (double)weights[i] : 1;

        sum += w * (fmax(z, 0) - z * (double)y[i] + log1p(exp(-fabs(z))));
    }
    return sum;
}

void bce_gradient(size_t n, const float *logits, const float *y, const float *weights, float scale,
                  float *ret_dlogits)
{
    for (size_t i = 0; i < n; i++)
        ret_dlogits[i] = (sigmoid(logits[i]) - y[i]) * (weights ? weights[i] * scale : scale);
}
