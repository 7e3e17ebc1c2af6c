/* jobs/training/neighbourhood.c - see neighbourhood.h. */
#include "neighbourhood.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static double square(size_t k, const double *a, const double *b)
{
    double sum = 0;

    for (size_t c = 0; c < k; c++)
        sum += (a[c] - b[c]) * (a[c] - b[c]);
    return sum;
}

/* The nearest so far, the nearest first; of two as near the one that came first. */
struct nearest {
    double squares[NEIGHBOURS]; /* infinite: nobody yet */
    size_t rows[NEIGHBOURS];
};

static void offer(struct nearest *near, double distance, size_t row)
{
    size_t at = NEIGHBOURS;

    while (at > 0 && near->squares[at - 1] > distance)
        at--;
    for (size_t i = NEIGHBOURS - 1; i > at; i--) {
        near->squares[i] = near->squares[i - 1];
        near->rows[i] = near->rows[i - 1];
    }
    if (at < NEIGHBOURS) {
        near->squares[at] = distance;
        near->rows[at] = row;
    }
}

struct rows_in_space {
    size_t n, k;
    const double *x;
    const struct patients *patients;
    size_t n_labels;
    const uint8_t *truth;
    double *near,
        *by_chance; /* [n_labels][n]: of each row, parts of its neighbours and of all that could be */
};

/* false: it has too few others. */
static bool look_around(const struct rows_in_space *s, size_t row)
{
    struct nearest near;
    size_t others = 0, all[MAX_LABELS] = { 0 }, nearby[MAX_LABELS] = { 0 };

    for (size_t i = 0; i < NEIGHBOURS; i++)
        near.squares[i] = INFINITY;
    for (size_t j = 0; j < s->n; j++) {
        if (s->patients->of[j] == s->patients->of[row])
            continue;
        offer(&near, square(s->k, s->x + row * s->k, s->x + j * s->k), j);
        others++;
        for (size_t f = 0; f < s->n_labels; f++)
            all[f] += s->truth[j * s->n_labels + f];
    }
    if (others < NEIGHBOURS)
        return false;
    for (size_t f = 0; f < s->n_labels; f++) {
        for (size_t i = 0; i < NEIGHBOURS; i++)
            nearby[f] += s->truth[near.rows[i] * s->n_labels + f];
        s->near[f * s->n + row] = (double)nearby[f] / NEIGHBOURS;
        s->by_chance[f * s->n + row] = (double)all[f] / (double)others;
    }
    return true;
}

static enum status of_finding(const struct rows_in_space *s, size_t f, struct neighbourhood *ret)
{
    double sum = 0;

    *ret = (struct neighbourhood){ 0 };
    for (size_t i = 0; i < s->n; i++)
        if (s->truth[i * s->n_labels + f]) {
            ret->rows++;
            sum += s->by_chance[f * s->n + i];
        }
    ret->by_chance = ret->rows > 0 ? sum / (double)ret->rows : NAN;
    return rate_estimate(s->patients, s->near + f * s->n, s->truth + f, s->n_labels, 1, &ret->near);
}

enum status neighbourhoods(size_t n, size_t k, const double *x, const struct patients *patients,
                           size_t n_labels, const uint8_t *truth, struct neighbourhood *ret)
{
    double *near = malloc((n_labels * n + 1) * sizeof *near),
           *chance = malloc((n_labels * n + 1) * sizeof *chance);
    const struct rows_in_space s = { n, k, x, patients, n_labels, truth, near, chance };
    enum status st = near && chance ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (!look_around(&s, i))
            for (size_t f = 0; f < n_labels; f++)
                near[f * n + i] = chance[f * n + i] = NAN;
    for (size_t f = 0; f < n_labels && st == ST_OK; f++)
        st = of_finding(&s, f, &ret[f]);
    free(near);
    free(chance);
    return st;
}
