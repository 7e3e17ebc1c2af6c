/* jobs/training/logistic.c - see logistic.h. */
#include "logistic.h"

#include "cxrd/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NEWTON_STEPS = 100, HALVINGS = 30, CONJUGATE_STEPS = 1000, LANES = 8 };

static const double LEAST_GAIN = 1e-16; /* of the loss, which a step must promise: below is rounding */

/* Where the search stands, or might: the weights and behind them the bias; the loss there, its slope, and each row's part in
 * the curvature. */
struct point {
    double *at, *slope; /* [d + 1] */
    double *curve;      /* [n] */
    double loss;
};

/* The memory of a search: one block, cut up. */
struct search {
    const struct logistic_rows *rows;
    const uint8_t *positive;
    size_t size; /* d + 1 */
    double *memory;
    struct point here, next;
    double half_curve;                                        /* of the two half rows, here */
    double *diagonal, *step, *residual, *direction, *product; /* [d + 1] */
    double first_slope;                                       /* its length where the search began */
};

double logistic_loss(double z, double positive) { return fmax(z, 0) - positive * z + log1p(exp(-fabs(z))); }

/* Partial sums side by side, which a compiler may keep in one vector. */
static double dot(const float *x, const double *v, size_t n)
{
    double sums[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[k] += (double)x[i + k] * v[i + k];
    for (; i < n; i++)
        sum += (double)x[i] * v[i];
    for (size_t k = 0; k < LANES; k++)
        sum += sums[k];
    return sum;
}

static double inner(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *to, double factor, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * (double)x[i];
}

double logistic_logit(const double *fitted, const float *x, size_t d)
{
    return fitted[d] + dot(x, fitted, d);
}

static double ridge_of(const struct logistic_rows *rows, size_t j)
{
    return rows->ridge ? rows->ridge[j] : LOGISTIC_RIDGE;
}

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

/* Of the ridge, and of the two half rows. */
static void measure_prior(const struct search *s, struct point *p)
{
    const size_t d = s->rows->d;

    for (size_t j = 0; j < d; j++) {
        p->loss += ridge_of(s->rows, j) * p->at[j] * p->at[j] / 2;
        p->slope[j] = ridge_of(s->rows, j) * p->at[j];
    }
    p->loss += (logistic_loss(p->at[d], 0) + logistic_loss(p->at[d], 1)) / 2;
    p->slope[d] = sigmoid(p->at[d]) - 0.5;
}

static void measure(const struct search *s, struct point *p)
{
    const struct logistic_rows *rows = s->rows;
    const size_t d = rows->d;

    p->loss = 0;
    measure_prior(s, p);
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->x + i * d;
        const double weight = rows->weights ? (double)rows->weights[i] : 1;
        double z, probability, error;

        p->curve[i] = 0;
        if (weight == 0 || s->positive[i] >= TRUTH_UNKNOWN)
            continue;
        z = logistic_logit(p->at, x, d);
        probability = sigmoid(z);
        error = weight * (probability - s->positive[i]);
        p->curve[i] = weight * probability * (1 - probability);
        p->loss += weight * logistic_loss(z, s->positive[i]);
        add(p->slope, error, x, d);
        p->slope[d] += error;
    }
}

/* The curvature's diagonal, by which conjugate gradients are preconditioned. */
static void measure_diagonal(struct search *s)
{
    const struct logistic_rows *rows = s->rows;
    const size_t d = rows->d;
    const double p = sigmoid(s->here.at[d]);

    s->half_curve = p * (1 - p);
    for (size_t j = 0; j < d; j++)
        s->diagonal[j] = ridge_of(rows, j);
    s->diagonal[d] = s->half_curve;
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->x + i * d;
        const double curve = s->here.curve[i];

        for (size_t j = 0; j < d && curve != 0; j++)
            s->diagonal[j] += curve * (double)x[j] * (double)x[j];
        s->diagonal[d] += curve;
    }
}

/* product = curvature * direction. */
static void multiply(struct search *s)
{
    const struct logistic_rows *rows = s->rows;
    const size_t d = rows->d;

    for (size_t j = 0; j < d; j++)
        s->product[j] = ridge_of(rows, j) * s->direction[j];
    s->product[d] = s->half_curve * s->direction[d];
    for (size_t i = 0; i < rows->n; i++) {
        const float *x = rows->x + i * d;
        double along;

        if (s->here.curve[i] == 0)
            continue;
        along = s->here.curve[i] * logistic_logit(s->direction, x, d);
        add(s->product, along, x, d);
        s->product[d] += along;
    }
}

/* residual . residual as the diagonal measures it. */
static double residual_size(const struct search *s)
{
    double sum = 0;

    for (size_t j = 0; j < s->size; j++)
        sum += s->residual[j] * s->residual[j] / s->diagonal[j];
    return sum;
}

static bool stopped(const struct search *s)
{
    const struct interruption *stop = &s->rows->stop;

    return stop->cancelled && stop->cancelled(stop->arg);
}

/* Solve curvature * step = slope until what is left is that part of the slope. The ridge and the half rows keep the curvature
 * positive definite. False: the search was stopped. */
static bool newton(struct search *s, double part)
{
    double left, least;

    measure_diagonal(s);
    memset(s->step, 0, s->size * sizeof *s->step);
    memcpy(s->residual, s->here.slope, s->size * sizeof *s->residual);
    for (size_t j = 0; j < s->size; j++)
        s->direction[j] = s->residual[j] / s->diagonal[j];
    left = residual_size(s);
    least = part * part * left;
    for (int i = 0; i < CONJUGATE_STEPS && left > least; i++) {
        const double before = left;
        double length;

        if (stopped(s))
            return false;
        multiply(s);
        length = left / inner(s->direction, s->product, s->size);
        for (size_t j = 0; j < s->size; j++) {
            s->step[j] += length * s->direction[j];
            s->residual[j] -= length * s->product[j];
        }
        left = residual_size(s);
        for (size_t j = 0; j < s->size; j++)
            s->direction[j] = s->residual[j] / s->diagonal[j] + left / before * s->direction[j];
    }
    return true;
}

/* How exactly the next step is to be solved: far from the least a tenth is enough, near it what is left falls with the square. */
static double forcing(const struct search *s)
{
    const double share = sqrt(inner(s->here.slope, s->here.slope, s->size)) / s->first_slope;

    return fmax(fmin(share, 0.1), 1e-10);
}

static void swap(struct search *s)
{
    const struct point here = s->here;

    s->here = s->next;
    s->next = here;
}

/* Newton's step, halved until the loss falls; false: it does not any more, or not by what is asked for. */
static bool advance(struct search *s)
{
    const double asked = fmax(s->rows->precision, LEAST_GAIN);

    if (!newton(s, forcing(s)) ||
        !(inner(s->here.slope, s->step, s->size) > asked * s->here.loss)) /* NaN too */
        return false;
    for (int halvings = 0; halvings < HALVINGS && !stopped(s); halvings++) {
        for (size_t j = 0; j < s->size; j++)
            s->next.at[j] = s->here.at[j] - ldexp(s->step[j], -halvings);
        measure(s, &s->next);
        if (s->next.loss < s->here.loss) {
            swap(s);
            return true;
        }
    }
    return false;
}

static enum status search_init(struct search *s, const struct logistic_rows *rows, const uint8_t *positive)
{
    enum { VECTORS = 9 };
    const size_t size = rows->d + 1, n = rows->n;
    double *memory = calloc(VECTORS * size + 2 * n, sizeof *memory);

    if (!memory)
        return ST_NOMEM;
    *s = (struct search){ .rows = rows,
                          .positive = positive,
                          .size = size,
                          .memory = memory,
                          .here = { memory, memory + size, memory + VECTORS * size, 0 },
                          .next = { memory + 2 * size, memory + 3 * size, memory + VECTORS * size + n, 0 },
                          .diagonal = memory + 4 * size,
                          .step = memory + 5 * size,
                          .residual = memory + 6 * size,
                          .direction = memory + 7 * size,
                          .product = memory + 8 * size };
    if (rows->begin)
        memcpy(s->here.at, rows->begin, size * sizeof *s->here.at);
    return ST_OK;
}

enum status logistic_fit(const struct logistic_rows *rows, const uint8_t *positive, double *ret)
{
    struct search s;
    enum status st = search_init(&s, rows, positive);

    assert(rows->d >= 1);
    if (st != ST_OK)
        return st;
    measure(&s, &s.here);
    s.first_slope = fmax(sqrt(inner(s.here.slope, s.here.slope, s.size)), 1e-300);
    for (int step = 0; step < NEWTON_STEPS && advance(&s); step++)
        continue;
    if (stopped(&s))
        st = ST_CANCELLED;
    else if (!isfinite(s.here.loss))
        st = ST_NUMERIC;
    memcpy(ret, s.here.at, s.size * sizeof *ret);
    free(s.memory);
    return st;
}
