/* jobs/training/tsne.c - see tsne.h. */
#include "tsne.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

enum { SEARCH = 200, EXAGGERATED = 250 };

static const double ENTROPY_TOLERANCE = 1e-7, EXAGGERATION = 12, LEAST_GAIN = 0.01;

static bool stopped(const struct interruption *stop) { return stop->cancelled && stop->cancelled(stop->arg); }

double tsne_perplexity(size_t n) { return fmin(30, (double)(n - 1) / 3); }

/* ---- similarities of the rows ---- */

static double nearest(size_t n, size_t self, const double *squares)
{
    double least = INFINITY;

    for (size_t j = 0; j < n; j++)
        if (j != self)
            least = fmin(least, squares[j]);
    return least;
}

/* The densities of a precision, over their sum; returns their entropy in nats. */
static double spread(size_t n, size_t self, const double *squares, double least, double precision,
                     double *ret)
{
    double sum = 0, weighted = 0;

    assert(n > 1);
    for (size_t j = 0; j < n; j++) {
        const double beyond = squares[j] - least; /* the nearest counts as 1, so the sum is never 0 */

        ret[j] = j == self ? 0 : exp(-precision * beyond);
        sum += ret[j];
        weighted += ret[j] * beyond;
    }
    for (size_t j = 0; j < n; j++)
        ret[j] /= sum;
    return log(sum) + precision * weighted / sum;
}

void tsne_neighbours(size_t n, size_t self, const double *squares, double perplexity, double *ret)
{
    const double least = nearest(n, self, squares), target = log(perplexity);
    double sum = 0, precision, low = 0, high = INFINITY;

    for (size_t j = 0; j < n; j++)
        sum += j == self ? 0 : squares[j] - least;
    precision = sum > 0 ? (double)(n - 1) / sum : 1;
    for (int i = 0; i < SEARCH; i++) {
        const double excess = spread(n, self, squares, least, precision, ret) - target;

        if (fabs(excess) < ENTROPY_TOLERANCE)
            return;
        if (excess > 0)
            low = precision;
        else
            high = precision;
        precision = isinf(high) ? precision * 2 : (low + high) / 2;
    }
}

static void distances(size_t n, size_t k, const double *x, size_t row, double *ret)
{
    for (size_t j = 0; j < n; j++) {
        ret[j] = 0;
        for (size_t c = 0; c < k; c++) {
            const double d = x[row * k + c] - x[j * k + c];

            ret[j] += d * d;
        }
    }
}

static void make_symmetric(size_t n, double *p)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            p[i * n + j] = p[j * n + i] = (p[i * n + j] + p[j * n + i]) / (2 * (double)n);
}

enum status tsne_similarities(size_t n, size_t k, const double *x, double perplexity,
                              const struct interruption *stop, double *ret)
{
    double *squares = malloc((n + 1) * sizeof *squares);
    size_t row = 0;

    if (!squares)
        return ST_NOMEM;
    for (; row < n && !stopped(stop); row++) {
        distances(n, k, x, row, squares);
        tsne_neighbours(n, row, squares, perplexity, ret + row * n);
    }
    free(squares);
    if (row < n)
        return ST_CANCELLED;
    make_symmetric(n, ret);
    return ST_OK;
}

/* ---- the map ---- */

static double similarity(const double *y, size_t i, size_t j)
{
    const double dx = y[2 * i] - y[2 * j], dy = y[2 * i + 1] - y[2 * j + 1];

    return 1 / (1 + dx * dx + dy * dy);
}

double tsne_divergence(size_t n, const double *p, const double *y)
{
    double sum = 0, divergence = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            sum += i == j ? 0 : similarity(y, i, j);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            if (p[i * n + j] > 0)
                divergence += p[i * n + j] * log(p[i * n + j] * sum / similarity(y, i, j));
    return divergence;
}

/* The forces on one point: similar rows pull it, all push it. */
struct force {
    double pull[2], push[2], sum;
};

/* Of the places from..to-1. */
static void force_add(const double *p, const double *y, size_t i, size_t from, size_t to, struct force *force)
{
    const double x0 = y[2 * i], x1 = y[2 * i + 1];
    struct force f = *force;

    for (size_t j = from; j < to; j++) {
        const double d0 = x0 - y[2 * j], d1 = x1 - y[2 * j + 1], q = 1 / (1 + d0 * d0 + d1 * d1);
        const double pull = p[j] * q, push = q * q;

        f.pull[0] += pull * d0;
        f.pull[1] += pull * d1;
        f.push[0] += push * d0;
        f.push[1] += push * d1;
        f.sum += q;
    }
    *force = f;
}

void tsne_gradient(size_t n, const double *p, double exaggeration, const double *y, double *room, double *ret)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        struct force f = { 0 };

        force_add(p + i * n, y, i, 0, i, &f);
        force_add(p + i * n, y, i, i + 1, n, &f);
        for (size_t c = 0; c < 2; c++) {
            ret[2 * i + c] = 4 * exaggeration * f.pull[c];
            room[2 * i + c] = 4 * f.push[c];
        }
        sum += f.sum;
    }
    for (size_t i = 0; i < 2 * n; i++)
        ret[i] -= room[i] / sum;
}

struct descent {
    double *slope, *speed, *gain, *room; /* [n][2] */
};

static enum status descent_init(struct descent *d, size_t n)
{
    *d = (struct descent){ malloc(2 * n * sizeof *d->slope), calloc(2 * n, sizeof *d->speed),
                           malloc(2 * n * sizeof *d->gain), malloc(2 * n * sizeof *d->room) };
    for (size_t i = 0; d->gain && i < 2 * n; i++)
        d->gain[i] = 1;
    return d->slope && d->speed && d->gain && d->room ? ST_OK : ST_NOMEM;
}

static void descent_release(struct descent *d)
{
    free(d->slope);
    free(d->speed);
    free(d->gain);
    free(d->room);
}

/* One step downhill. A place that keeps its direction goes faster, one that turns back slower. */
static void step(struct descent *d, size_t n, double momentum, double *y)
{
    const double rate = fmax((double)n / EXAGGERATION / 4, 50);

    for (size_t i = 0; i < 2 * n; i++) {
        const bool turns = d->slope[i] * d->speed[i] >= 0; /* downhill is against the slope */

        d->gain[i] = fmax(turns ? d->gain[i] * 0.8 : d->gain[i] + 0.2, LEAST_GAIN);
        d->speed[i] = momentum * d->speed[i] - rate * d->gain[i] * d->slope[i];
        y[i] += d->speed[i];
    }
}

static void centre(size_t n, double *y)
{
    double sum[2] = { 0 };

    for (size_t i = 0; i < 2 * n; i++)
        sum[i % 2] += y[i];
    for (size_t i = 0; i < 2 * n; i++)
        y[i] -= sum[i % 2] / (double)n;
}

enum status tsne_map(size_t n, const double *p, const struct interruption *stop, double *y,
                     double *ret_divergence)
{
    struct descent d;
    enum status st = descent_init(&d, n);

    for (int i = 0; i < TSNE_ITERATIONS && st == ST_OK; i++) {
        const bool early = i < EXAGGERATED;

        tsne_gradient(n, p, early ? EXAGGERATION : 1, y, d.room, d.slope);
        step(&d, n, early ? 0.5 : 0.8, y);
        centre(n, y);
        st = stopped(stop) ? ST_CANCELLED : ST_OK;
    }
    descent_release(&d);
    if (st == ST_OK)
        *ret_divergence = tsne_divergence(n, p, y);
    return st;
}
