/* model/net/loss.c - see loss.h. */
#include "loss.h"

#include <math.h>

/* exp never overflows: its argument is never positive */
float sigmoid(float logit)
{
    const float e = expf(-fabsf(logit));

    return logit >= 0 ? 1 / (1 + e) : e / (1 + e);
}

double bce_sum(size_t n, const float *logits, const float *y)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double z = (double)logits[i];

        sum += fmax(z, 0) - z * (double)y[i] + log1p(exp(-fabs(z)));
    }
    return sum;
}

void bce_gradient(size_t n, const float *logits, const float *y, float scale, float *ret_dlogits)
{
    for (size_t i = 0; i < n; i++)
        ret_dlogits[i] = (sigmoid(logits[i]) - y[i]) * scale;
}
