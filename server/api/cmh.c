/* server/api/cmh.c - see cmh.h. */
#include "cmh.h"

#include <math.h>

void cmh_add(struct cmh *c, const double a[CMH_BINS], const double b[CMH_BINS])
{
    double n_a = 0, n_b = 0, all, factor;

    for (size_t i = 0; i < CMH_BINS; i++) {
        n_a += a[i];
        n_b += b[i];
    }
    all = n_a + n_b;
    if (n_a <= 0 || n_b <= 0 || all <= 1)
        return;
    factor = n_a * n_b / (all * all * (all - 1));
    for (size_t i = 0; i < CMH_BINS; i++) {
        const double t = a[i] + b[i];

        c->difference[i] += b[i] - n_b * t / all;
        c->covariance[i][i] += factor * all * t;
        for (size_t k = 0; k < CMH_BINS; k++)
            c->covariance[i][k] -= factor * t * (a[k] + b[k]);
    }
}

/* d' V^-1 d by Cholesky's factor; a bin that the ones before it settle, as the last always is, is passed over. */
double cmh_statistic(const struct cmh *c, size_t *ret_freedom)
{
    double l[CMH_BINS][CMH_BINS] = { { 0 } }, y[CMH_BINS] = { 0 }, sum = 0;

    *ret_freedom = 0;
    for (size_t i = 0; i < CMH_BINS; i++) {
        double pivot = c->covariance[i][i], rest = c->difference[i];

        for (size_t k = 0; k < i; k++) {
            double v = c->covariance[i][k];

            if (l[k][k] <= 0)
                continue;
            for (size_t m = 0; m < k; m++)
                v -= l[i][m] * l[k][m];
            l[i][k] = v / l[k][k];
            pivot -= l[i][k] * l[i][k];
            rest -= l[i][k] * y[k];
        }
        if (pivot <= 1e-9 * c->covariance[i][i] || pivot <= 0)
            continue;
        l[i][i] = sqrt(pivot);
        y[i] = rest / l[i][i];
        sum += y[i] * y[i];
        ++*ret_freedom;
    }
    return sum;
}

/* Abramowitz and Stegun, Handbook of Mathematical Functions, 26.4.4 and 26.4.5. */
double chi_squared_above(double x, size_t freedom)
{
    double term, sum;

    if (freedom == 0 || !(x > 0))
        return 1;
    term = freedom % 2 ? sqrt(2 * x / M_PI) * exp(-x / 2) : exp(-x / 2);
    sum = freedom % 2 ? erfc(sqrt(x / 2)) : term;
    if (freedom % 2 == 0)
        term *= x / 2;
    for (size_t k = freedom % 2 ? 3 : 4; k <= freedom; k += 2) {
        sum += term;
        term *= x / (double)k;
    }
    return fmin(sum, 1);
}
