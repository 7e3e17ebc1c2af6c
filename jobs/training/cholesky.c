/* jobs/training/cholesky.c - see cholesky.h. The order of all sums is part of what it is for. */
#include "cholesky.h"

#include "cxrd/metrics.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { NEWTON_STEPS = 50, HALVINGS = 30 };

static const double LEAST_GAIN = 1e-16; /* of the loss, which a step must promise: below is rounding */

/* Where the search stands: the weights and behind them the bias; the loss there, its slope and curvature. */
struct point {
    double loss;
    double *at, *slope; /* [size] */
    double *curve;      /* [size][size]: the lower triangle */
};

struct search {
    const struct logistic_rows *rows;
    const uint8_t *positive;
    size_t size; /* d + 1 */
    struct point here, next;
    double *step, *x; /* [size] */
    double *factors;  /* [size][size]: the lower triangle */
};

/* `weight` rows with the numbers s->x and a 1 behind them. */
static void add_row(const struct search *s, struct point *p, double positive, double weight)
{
    const double *x = s->x;
    double z = 0, probability, w;

    for (size_t j = 0; j < s->size; j++)
        z += p->at[j] * x[j];
    probability = 1 / (1 + exp(-z));
    w = weight * probability * (1 - probability);
    p->loss += weight * logistic_loss(z, positive);
    for (size_t j = 0; j < s->size; j++) {
        const double wx = w * x[j];

        p->slope[j] += weight * (probability - positive) * x[j];
        for (size_t k = 0; k <= j; k++)
            p->curve[j * s->size + k] += wx * x[k];
    }
}

static void measure(const struct search *s, struct point *p)
{
    const size_t d = s->rows->d, size = s->size;

    p->loss = 0;
    memset(p->slope, 0, size * sizeof *p->slope);
    memset(p->curve, 0, size * size * sizeof *p->curve);
    memset(s->x, 0, size * sizeof *s->x);
    s->x[d] = 1;
    add_row(s, p, 0, 0.5);
    add_row(s, p, 1, 0.5);
    for (size_t j = 0; j < d; j++) {
        p->loss += LOGISTIC_RIDGE * p->at[j] * p->at[j] / 2;
        p->slope[j] += LOGISTIC_RIDGE * p->at[j];
        p->curve[j * size + j] += LOGISTIC_RIDGE;
    }
    for (size_t i = 0; i < s->rows->n; i++) {
        if (s->positive[i] >= TRUTH_UNKNOWN)
            continue;
        for (size_t j = 0; j < d; j++)
            s->x[j] = (double)s->rows->x[i * d + j];
        add_row(s, p, s->positive[i], 1);
    }
}

/* Solve curve * step = slope. The ridge and the half rows keep the curvature positive definite. */
static void newton(struct search *s)
{
    const size_t size = s->size;
    double *l = s->factors, *step = s->step;

    for (size_t j = 0; j < size; j++)
        for (size_t k = 0; k <= j; k++) {
            double sum = s->here.curve[j * size + k];

            for (size_t i = 0; i < k; i++)
                sum -= l[j * size + i] * l[k * size + i];
            l[j * size + k] = j == k ? sqrt(sum) : sum / l[k * size + k];
        }
    for (size_t j = 0; j < size; j++) {
        step[j] = s->here.slope[j];
        for (size_t i = 0; i < j; i++)
            step[j] -= l[j * size + i] * step[i];
        step[j] /= l[j * size + j];
    }
    for (size_t j = size; j-- > 0;) {
        for (size_t i = j + 1; i < size; i++)
            step[j] -= l[i * size + j] * step[i];
        step[j] /= l[j * size + j];
    }
}

/* Newton's step, halved until the loss falls; false: it does not any more, or not by what could be seen. */
static bool advance(struct search *s)
{
    double promise = 0;

    newton(s);
    for (size_t j = 0; j < s->size; j++)
        promise += s->here.slope[j] * s->step[j];
    if (!(promise > LEAST_GAIN * s->here.loss)) /* NaN too */
        return false;
    for (int halvings = 0; halvings < HALVINGS; halvings++) {
        for (size_t j = 0; j < s->size; j++)
            s->next.at[j] = s->here.at[j] - ldexp(s->step[j], -halvings);
        measure(s, &s->next);
        if (s->next.loss < s->here.loss) {
            const struct point here = s->here;

            s->here = s->next;
            s->next = here;
            return true;
        }
    }
    return false;
}

static bool stopped(const struct interruption *stop) { return stop->cancelled && stop->cancelled(stop->arg); }

enum status cholesky_fit(const struct logistic_rows *rows, const uint8_t *positive, double *ret)
{
    enum { VECTORS = 6, SQUARES = 3 };
    const size_t size = rows->d + 1;
    double *memory = calloc(VECTORS * size + SQUARES * size * size, sizeof *memory);
    struct search s = { .rows = rows, .positive = positive, .size = size };
    double *squares;
    enum status st = ST_OK;

    assert(rows->d >= 1 && !rows->weights && !rows->ridge && !rows->begin);
    if (!memory)
        return ST_NOMEM;
    squares = memory + VECTORS * size;
    s.here = (struct point){ 0, memory, memory + size, squares };
    s.next = (struct point){ 0, memory + 2 * size, memory + 3 * size, squares + size * size };
    s.step = memory + 4 * size;
    s.x = memory + 5 * size;
    s.factors = squares + 2 * size * size;
    measure(&s, &s.here);
    for (int step = 0; step < NEWTON_STEPS && !stopped(&rows->stop) && advance(&s); step++)
        continue;
    if (stopped(&rows->stop))
        st = ST_CANCELLED;
    else if (!isfinite(s.here.loss))
        st = ST_NUMERIC;
    memcpy(ret, s.here.at, size * sizeof *ret);
    free(memory);
    return st;
}
