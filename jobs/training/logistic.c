/* jobs/training/logistic.c - see logistic.h. */
#include "logistic.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { NEWTON_STEPS = 50, HALVINGS = 30, SIZE = LOGISTIC_MAX + 1 };

static const double LEAST_GAIN = 1e-16; /* of the loss, which a step must promise: below is rounding */

/* Where the search stands: the weights and behind them the bias; the loss there, its slope and curvature. */
struct point {
    double at[SIZE], loss, slope[SIZE], curve[SIZE][SIZE]; /* curve: the lower triangle */
};

static double cross_entropy(double z, double positive)
{
    return fmax(z, 0) - positive * z + log1p(exp(-fabs(z)));
}

/* `weight` rows with the numbers x [d] and a 1 behind them. */
static void add_row(struct point *p, size_t size, const double x[SIZE], double positive, double weight)
{
    double z = 0, probability, w;

    for (size_t j = 0; j < size; j++)
        z += p->at[j] * x[j];
    probability = 1 / (1 + exp(-z));
    w = weight * probability * (1 - probability);
    p->loss += weight * cross_entropy(z, positive);
    for (size_t j = 0; j < size; j++) {
        const double wx = w * x[j];

        p->slope[j] += weight * (probability - positive) * x[j];
        for (size_t k = 0; k <= j; k++)
            p->curve[j][k] += wx * x[k];
    }
}

static void measure(const struct logistic_rows *rows, const uint8_t *positive, struct point *p)
{
    const size_t d = rows->d;
    double x[SIZE] = { 0 };

    p->loss = 0;
    memset(p->slope, 0, sizeof p->slope);
    memset(p->curve, 0, sizeof p->curve);
    x[d] = 1;
    add_row(p, d + 1, x, 0, 0.5);
    add_row(p, d + 1, x, 1, 0.5);
    for (size_t j = 0; j < d; j++) {
        p->loss += LOGISTIC_RIDGE * p->at[j] * p->at[j] / 2;
        p->slope[j] += LOGISTIC_RIDGE * p->at[j];
        p->curve[j][j] += LOGISTIC_RIDGE;
    }
    for (size_t i = 0; i < rows->n; i++) {
        for (size_t j = 0; j < d; j++)
            x[j] = (double)rows->x[i * d + j];
        add_row(p, d + 1, x, positive[i], 1);
    }
}

/* Solve curve * step = slope by Cholesky's factors. The ridge and the half rows keep it positive definite. */
static void newton(const struct point *p, size_t size, double step[SIZE])
{
    double l[SIZE][SIZE];

    for (size_t j = 0; j < size; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = p->curve[j][k];

            for (size_t i = 0; i < k; i++)
                sum -= l[j][i] * l[k][i];
            l[j][k] = j == k ? sqrt(sum) : sum / l[k][k];
        }
    for (size_t j = 0; j < size; j++) {
        step[j] = p->slope[j];
        for (size_t i = 0; i < j; i++)
            step[j] -= l[j][i] * step[i];
        step[j] /= l[j][j];
    }
    for (size_t j = size; j-- > 0;) {
        for (size_t i = j + 1; i < size; i++)
            step[j] -= l[i][j] * step[i];
        step[j] /= l[j][j];
    }
}

/* Newton's step, halved until the loss falls; false: it does not any more, or not by what could be seen. */
static bool advance(const struct logistic_rows *rows, const uint8_t *positive, struct point *p)
{
    const size_t size = rows->d + 1;
    struct point next;
    double step[SIZE], promise = 0;

    newton(p, size, step);
    for (size_t j = 0; j < size; j++)
        promise += p->slope[j] * step[j];
    if (!(promise > LEAST_GAIN * p->loss)) /* NaN too */
        return false;
    for (int halvings = 0; halvings < HALVINGS; halvings++) {
        for (size_t j = 0; j < size; j++)
            next.at[j] = p->at[j] - ldexp(step[j], -halvings);
        measure(rows, positive, &next);
        if (next.loss < p->loss) {
            *p = next;
            return true;
        }
    }
    return false;
}

enum status logistic_fit(const struct logistic_rows *rows, const uint8_t *positive, double *ret_weights,
                         double *ret_bias)
{
    struct point p = { 0 };

    assert(rows->d >= 1 && rows->d <= LOGISTIC_MAX);
    measure(rows, positive, &p);
    for (int step = 0; step < NEWTON_STEPS && advance(rows, positive, &p); step++)
        continue;
    if (!isfinite(p.loss))
        return ST_NUMERIC;
    memcpy(ret_weights, p.at, rows->d * sizeof *ret_weights);
    *ret_bias = p.at[rows->d];
    return ST_OK;
}
