/* jobs/site/conformal.c - see conformal.h. */
#include "conformal.h"

#include "cxrd/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static bool is_of(uint8_t truth, uint8_t value)
{
    return value == TRUTH_KNOWN ? truth < TRUTH_UNKNOWN : truth == value;
}

/* How many rows of a class each patient has, [patients], for free(). */
static uint32_t *rows_of(const struct patients *p, const uint8_t *truth, size_t stride, uint8_t value)
{
    uint32_t *rows = calloc(p->n + 1, sizeof *rows);

    for (size_t i = 0; rows && i < p->n_rows; i++)
        rows[p->of[i]] += is_of(truth[i * stride], value);
    return rows;
}

static size_t count(const struct patients *p, const uint32_t *rows)
{
    size_t patients = 0;

    for (size_t g = 0; g < p->n; g++)
        patients += rows[g] > 0;
    return patients;
}

struct vote {
    float score;
    double weight;
};

static int rising(const void *a, const void *b)
{
    const float p = ((const struct vote *)a)->score, q = ((const struct vote *)b)->score;

    return (p > q) - (p < q);
}

/* The first score from the near side at which enough votes are on it; `none` where there are too few altogether. */
static float limit_of(struct vote *votes, size_t n, bool falling, double needed, float none)
{
    double sum = 0;

    qsort(votes, n, sizeof *votes, rising);
    for (size_t i = 0; i < n; i++) {
        const struct vote *v = &votes[falling ? n - 1 - i : i];

        sum += v->weight;
        if (sum >= needed)
            return v->score;
    }
    return none;
}

enum status conformal_limit(const struct patients *p, const uint8_t *truth, const float *score, size_t stride,
                            uint8_t value, double rate, float *ret_limit)
{
    struct vote *votes = malloc((p->n_rows + 1) * sizeof *votes);
    uint32_t *rows = rows_of(p, truth, stride, value);
    size_t n = 0;

    if (votes && rows) {
        const double all = (double)count(p, rows) + 1; /* the next one's, too */

        for (size_t i = 0; i < p->n_rows; i++)
            if (truth[i * stride] == value)
                votes[n++] = (struct vote){ score[i * stride], 1 / (double)rows[p->of[i]] };
        /* less what the sum's rounding could lack */
        *ret_limit = limit_of(votes, n, value == 1, ((1 - rate) - 1e-9) * all, value == 1 ? 0 : 1);
    }
    free(rows);
    free(votes);
    return votes && rows ? ST_OK : ST_NOMEM;
}

/* One row a patient, as far as they have rows of the class. */
static void gather(const struct patients *p, const double *hit, const uint8_t *truth, size_t stride,
                   uint8_t value, const uint32_t *rows, double *parts)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n_rows; i++)
        if (is_of(truth[i * stride], value))
            parts[p->of[i]] += hit[i] / (double)rows[p->of[i]];
    for (size_t g = 0; g < p->n; g++)
        if (rows[g] > 0)
            parts[n++] = parts[g];
}

enum status patient_rate(const struct patients *p, const double *hit, const uint8_t *truth, size_t stride,
                         uint8_t value, struct estimate *ret, size_t *ret_patients)
{
    uint32_t *rows = rows_of(p, truth, stride, value);
    double *parts = calloc(p->n + 1, sizeof *parts);
    struct patients each = { 0 };
    enum status st = rows && parts ? ST_OK : ST_NOMEM;

    *ret = (struct estimate){ NAN, NAN, NAN, NAN };
    if (st == ST_OK) {
        *ret_patients = count(p, rows);
        gather(p, hit, truth, stride, value, rows, parts);
        st = patients_group(*ret_patients, NULL, &each);
    }
    if (st == ST_OK && each.n > 0)
        st = rate_estimate(&each, parts, NULL, 1, 0, ret);
    patients_release(&each);
    free(parts);
    free(rows);
    return st;
}
