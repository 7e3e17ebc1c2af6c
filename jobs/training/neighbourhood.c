/* jobs/training/neighbourhood.c - see neighbourhood.h. */
#include "neighbourhood.h"

#include "cxrd/metrics.h"

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
        *by_chance;  /* [n_labels][n]: of each row, parts of its neighbours and of all that could be */
    uint8_t *counts; /* [n_labels][n]: 1 where the row has the finding and that is known of a neighbour */
};

/* Rows of which a finding is known, and those that have it. */
struct tally {
    size_t known, there;
};

static void tally_add(struct tally *t, uint8_t truth)
{
    t->known += truth < TRUTH_UNKNOWN;
    t->there += truth == 1;
}

static double tally_part(const struct tally *t) { return (double)t->there / (double)t->known; }

/* false: it has too few others. */
static bool look_around(const struct rows_in_space *s, size_t row)
{
    struct nearest near;
    struct tally all[MAX_LABELS] = { { 0 } }, nearby[MAX_LABELS] = { { 0 } };
    size_t others = 0;

    for (size_t i = 0; i < NEIGHBOURS; i++)
        near.squares[i] = INFINITY;
    for (size_t j = 0; j < s->n; j++) {
        if (s->patients->of[j] == s->patients->of[row])
            continue;
        offer(&near, square(s->k, s->x + row * s->k, s->x + j * s->k), j);
        others++;
        for (size_t f = 0; f < s->n_labels; f++)
            tally_add(&all[f], s->truth[j * s->n_labels + f]);
    }
    if (others < NEIGHBOURS)
        return false;
    for (size_t f = 0; f < s->n_labels; f++) {
        for (size_t i = 0; i < NEIGHBOURS; i++)
            tally_add(&nearby[f], s->truth[near.rows[i] * s->n_labels + f]);
        s->near[f * s->n + row] = tally_part(&nearby[f]);
        s->by_chance[f * s->n + row] = tally_part(&all[f]);
        s->counts[f * s->n + row] = s->truth[row * s->n_labels + f] == 1 && nearby[f].known > 0;
    }
    return true;
}

static enum status of_finding(const struct rows_in_space *s, size_t f, struct neighbourhood *ret)
{
    double sum = 0;

    *ret = (struct neighbourhood){ 0 };
    for (size_t i = 0; i < s->n; i++)
        if (s->counts[f * s->n + i]) {
            ret->rows++;
            sum += s->by_chance[f * s->n + i];
        }
    ret->by_chance = ret->rows > 0 ? sum / (double)ret->rows : NAN;
    return rate_estimate(s->patients, s->near + f * s->n, s->counts + f * s->n, 1, 1, &ret->near);
}

enum status neighbourhoods(size_t n, size_t k, const double *x, const struct patients *patients,
                           size_t n_labels, const uint8_t *truth, struct neighbourhood *ret)
{
    double *near = malloc((n_labels * n + 1) * sizeof *near),
           *chance = malloc((n_labels * n + 1) * sizeof *chance);
    uint8_t *counts = malloc(n_labels * n + 1);
    const struct rows_in_space s = { n, k, x, patients, n_labels, truth, near, chance, counts };
    enum status st = near && chance && counts ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (!look_around(&s, i))
            for (size_t f = 0; f < n_labels; f++) {
                near[f * n + i] = chance[f * n + i] = NAN;
                counts[f * n + i] = truth[i * n_labels + f] == 1;
            }
    for (size_t f = 0; f < n_labels && st == ST_OK; f++)
        st = of_finding(&s, f, &ret[f]);
    free(near);
    free(chance);
    free(counts);
    return st;
}
