/* jobs/training/holm.c - see holm.h. */
#include "holm.h"

#include <math.h>

static const double ALPHA = 0.05;

double two_sided(double z) { return erfc(fabs(z) / M_SQRT2); }

/* By halving: two_sided() falls, and is 0 in double precision from 39 on. */
double two_sided_deviate(double p)
{
    double low = 0, high = 40;

    for (int i = 0; i < 60; i++) {
        const double middle = (low + high) / 2;

        if (two_sided(middle) > p)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

void holm(size_t n, const double *p, double *ret_adjusted, double *ret_level)
{
    double most = 0;
    size_t taken = 0; /* all so far have been below what they were asked to be */

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmin(p[i] * (double)(n - i), 1));
        ret_adjusted[i] = most;
        ret_level[i] = ALPHA / (double)(n - taken);
        taken += taken == i && p[i] < ret_level[i];
    }
}
