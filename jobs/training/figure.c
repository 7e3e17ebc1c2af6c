/* jobs/training/figure.c - see figure.h. */
#include "figure.h"

#include "column.h"
#include "cxrd/metrics.h"

#include <math.h>
#include <stdlib.h>

static const double Z95 = 1.959963984540054; /* 97.5 % of the normal distribution */

/* ---- whose the rows are ---- */

struct owned_row {
    uint64_t id;
    uint32_t row;
};

static int by_id(const void *a, const void *b)
{
    const uint64_t p = ((const struct owned_row *)a)->id, q = ((const struct owned_row *)b)->id;

    return (p > q) - (p < q);
}

enum status patients_group(size_t n, const uint64_t *ids, struct patients *ret)
{
    struct owned_row *rows = malloc((n + 1) * sizeof *rows);
    struct patients p = { n, 0, malloc((n + 1) * sizeof *p.of) };

    if (!rows || !p.of) {
        free(rows);
        free(p.of);
        return ST_NOMEM;
    }
    for (size_t i = 0; i < n; i++)
        rows[i] = (struct owned_row){ ids ? ids[i] : i, (uint32_t)i };
    qsort(rows, n, sizeof *rows, by_id);
    for (size_t i = 0; i < n; i++) {
        p.n += i == 0 || rows[i].id != rows[i - 1].id;
        p.of[rows[i].row] = (uint32_t)(p.n - 1);
    }
    free(rows);
    *ret = p;
    return ST_OK;
}

void patients_release(struct patients *p)
{
    free(p->of);
    *p = (struct patients){ 0 };
}

/* Patients who have a row of these kinds: bit 0 for a truth of 0, bit 1 for one of 1. */
static enum status count_patients(const struct patients *p, const uint8_t *truth, size_t stride,
                                  unsigned kinds, size_t *ret_patients)
{
    uint8_t *seen = calloc(p->n + 1, 1);
    size_t n = 0;

    if (!seen)
        return ST_NOMEM;
    for (size_t i = 0; i < p->n_rows; i++)
        if (!truth || kinds >> truth[i * stride] & 1)
            seen[p->of[i]] = 1;
    for (size_t g = 0; g < p->n; g++)
        n += seen[g];
    free(seen);
    *ret_patients = n;
    return ST_OK;
}

enum status patients_with(const struct patients *p, const uint8_t *truth, size_t stride, uint8_t value,
                          size_t *ret_patients)
{
    return count_patients(p, truth, stride, 1u << value, ret_patients);
}

/* ---- figures ---- */

enum status figure_init(struct figure *f, const struct patients *p)
{
    *f = (struct figure){ .patients = p,
                          .rarer = p->n,
                          .influence = calloc(p->n_rows + 1, sizeof *f->influence) };
    return f->influence ? ST_OK : ST_NOMEM;
}

void figure_release(struct figure *f)
{
    free(f->influence);
    *f = (struct figure){ 0 };
}

static void take_part(struct figure *f, size_t patients)
{
    f->n_patients = patients > f->n_patients ? patients : f->n_patients;
}

/* Placement values: of each positive, the part of the negatives that it beats; of each negative, the part of the
 * positives that beat it; less the area, over how many of its kind there are. */
static void place(struct figure *f, double weight, const struct scored *rows, size_t n, double positives,
                  double area)
{
    const double negatives = (double)n - positives;
    double p_above = 0, n_above = 0;

    for (size_t i = 0, end; i < n; i = end) {
        size_t in_run = 0;
        double p, q, beats, beaten;

        end = run_end(rows, n, i, &in_run);
        p = (double)in_run;
        q = (double)(end - i - in_run);
        beats = (negatives - n_above - q / 2) / negatives;
        beaten = (p_above + p / 2) / positives;
        for (size_t j = i; j < end; j++)
            f->influence[rows[j].row] +=
                weight * (rows[j].positive ? (beats - area) / positives : (beaten - area) / negatives);
        p_above += p;
        n_above += q;
    }
}

enum status figure_add_auroc(struct figure *f, double weight, const uint8_t *truth, const float *score,
                             size_t stride)
{
    const struct patients *p = f->patients;
    size_t of_kind[2], taking_part, n, positives;
    struct scored *rows = column_sorted(p->n_rows, truth, score, stride, &n);
    double area;

    if (!rows || patients_with(p, truth, stride, 0, &of_kind[0]) != ST_OK ||
        patients_with(p, truth, stride, 1, &of_kind[1]) != ST_OK ||
        count_patients(p, truth, stride, 3, &taking_part) != ST_OK) {
        free(rows);
        return ST_NOMEM;
    }
    area = column_auroc(rows, n, &positives);
    f->value += weight * area;
    if (!isnan(area))
        place(f, weight, rows, n, (double)positives, area);
    for (int kind = 0; kind < 2; kind++)
        f->rarer = of_kind[kind] < f->rarer ? of_kind[kind] : f->rarer;
    for (int kind = 0; kind < 2; kind++)
        f->unseen += of_kind[kind] < 2 ? weight * weight / 12 : 0;
    take_part(f, taking_part);
    free(rows);
    return ST_OK;
}

/* Whether a row is one of those that a mean is over. */
static bool is_of(const uint8_t *truth, size_t at, uint8_t value)
{
    return !truth || (value == TRUTH_KNOWN ? truth[at] < TRUTH_UNKNOWN : truth[at] == value);
}

enum status figure_add_mean(struct figure *f, double weight, const double *values, const uint8_t *truth,
                            size_t stride, uint8_t value)
{
    const size_t n = f->patients->n_rows;
    double sum = 0, rows = 0, mean;
    size_t patients;

    if (count_patients(f->patients, truth, stride, value == TRUTH_KNOWN ? 3 : 1u << value, &patients) !=
        ST_OK)
        return ST_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (is_of(truth, i * stride, value)) {
            sum += values[i];
            rows++;
        }
    mean = rows > 0 ? sum / rows : NAN;
    f->value += weight * mean;
    for (size_t i = 0; i < n; i++)
        if (is_of(truth, i * stride, value))
            f->influence[i] += weight * (values[i] - mean) / rows;
    take_part(f, patients);
    return ST_OK;
}

/* Wallace's transformation (Annals of Mathematical Statistics, 1959), and the other way round: it takes a normal deviate to
 * one of Student's t. For 97.5 % within 4 % at 2 degrees of freedom, on the wide side, 0.3 % at 5, 0.05 % at 10. */
double student_of(double freedom, double z)
{
    const double scaled = z * (8 * freedom + 3) / (8 * freedom + 1);

    return copysign(sqrt(freedom * expm1(scaled * scaled / freedom)), z);
}

double student_deviate(double freedom, double t)
{
    return copysign((8 * freedom + 1) / (8 * freedom + 3) * sqrt(freedom * log1p(t * t / freedom)), t);
}

/* The variance by patients, NaN for fewer than two, and its degrees of freedom. `sums` [patients] of zeroes. */
static double variance(const struct figure *f, double *sums, double *ret_freedom)
{
    const double g = (double)f->n_patients;
    double squares = 0, fourths = 0;

    for (size_t i = 0; i < f->patients->n_rows; i++)
        sums[f->patients->of[i]] += f->influence[i];
    for (size_t i = 0; i < f->patients->n; i++) {
        squares += sums[i] * sums[i];
        fourths += sums[i] * sums[i] * sums[i] * sums[i];
    }
    *ret_freedom = squares > 0 ? fmin(2 / fmax(fourths / (squares * squares) - 1 / g, 2 / g), g - 1) : g - 1;
    *ret_freedom = fmax(*ret_freedom, 2);
    return f->n_patients > 1 ? g / (g - 1) * squares + f->unseen : NAN;
}

enum status figure_spread(const struct figure *f, double *ret_error, double *ret_freedom)
{
    double *sums = calloc(f->patients->n + 1, sizeof *sums);

    if (!sums)
        return ST_NOMEM;
    *ret_error = sqrt(variance(f, sums, ret_freedom));
    free(sums);
    return ST_OK;
}

enum status figure_estimate(const struct figure *f, struct estimate *ret)
{
    double error, freedom, reach;

    if (figure_spread(f, &error, &freedom) != ST_OK)
        return ST_NOMEM;
    reach = student_of(freedom, Z95) * error;
    *ret = (struct estimate){ f->value, error, f->value - reach, f->value + reach };
    return ST_OK;
}

enum status difference_estimate(const struct figure *f, struct estimate *ret)
{
    const double unlike = Z95 * Z95 / ((double)f->rarer + Z95 * Z95);
    struct estimate e;
    const enum status st = figure_estimate(f, &e);

    if (st != ST_OK)
        return st;
    if (e.error < ROUNDING) {
        e.low = e.value - unlike * (1 + e.value);
        e.high = e.value + unlike * (1 - e.value);
        e.error = (e.high - e.low) / (2 * Z95);
    }
    estimate_cut(&e, -1, 1);
    *ret = e;
    return ST_OK;
}

enum status mean_estimate(const struct patients *p, const double *values, const uint8_t *truth, size_t stride,
                          struct estimate *ret)
{
    struct figure mean;
    enum status st = figure_init(&mean, p);

    if (st == ST_OK)
        st = figure_add_mean(&mean, 1, values, truth, stride, TRUTH_KNOWN);
    if (st == ST_OK)
        st = figure_estimate(&mean, ret);
    figure_release(&mean);
    return st;
}

/* ---- between 0 and 1 ---- */

static void wilson(struct estimate *e, double trials)
{
    const double z2 = Z95 * Z95, middle = (e->value + z2 / (2 * trials)) / (1 + z2 / trials);
    const double half =
        Z95 / (1 + z2 / trials) * sqrt(e->value * (1 - e->value) / trials + z2 / (4 * trials * trials));

    e->low = fmax(middle - half, 0);
    e->high = fmin(middle + half, 1);
}

void estimate_cut(struct estimate *e, double least, double most)
{
    if (e->low < least)
        e->low = least;
    if (e->high > most)
        e->high = most;
}

static void forget_spread(struct estimate *e) { e->error = e->low = e->high = NAN; }

enum status auroc_estimate(const struct patients *p, const uint8_t *truth, const float *score, size_t stride,
                           struct estimate *ret)
{
    struct figure f;
    size_t positive = 0, negative = 0;
    enum status st = figure_init(&f, p);

    if (st == ST_OK)
        st = figure_add_auroc(&f, 1, truth, score, stride);
    if (st == ST_OK)
        st = figure_estimate(&f, ret);
    if (st == ST_OK)
        st = patients_with(p, truth, stride, 1, &positive);
    if (st == ST_OK)
        st = patients_with(p, truth, stride, 0, &negative);
    figure_release(&f);
    if (st != ST_OK)
        return st;
    if (positive < 2 || negative < 2)
        forget_spread(ret);
    else if (ret->error == 0)
        wilson(ret, (double)(positive < negative ? positive : negative));
    estimate_cut(ret, 0, 1);
    return ST_OK;
}

enum status rate_estimate(const struct patients *p, const double *hit, const uint8_t *truth, size_t stride,
                          uint8_t value, struct estimate *ret)
{
    struct figure f;
    size_t rows = 0;
    double trials;
    enum status st = figure_init(&f, p);

    if (st == ST_OK)
        st = figure_add_mean(&f, 1, hit, truth, stride, value);
    if (st == ST_OK)
        st = figure_estimate(&f, ret);
    for (size_t i = 0; i < p->n_rows; i++)
        rows += is_of(truth, i * stride, value);
    if (st == ST_OK && f.n_patients < 2) {
        forget_spread(ret);
    } else if (st == ST_OK) {
        trials = ret->value * (1 - ret->value) / (ret->error * ret->error);
        wilson(ret, ret->error > 0 ? fmin(trials, (double)rows) : (double)f.n_patients);
    }
    figure_release(&f);
    return st;
}

static struct estimate scaled(struct estimate e, double by)
{
    return (struct estimate){ e.value * by, e.error * by, e.low * by, e.high * by };
}

enum status bounded_estimate(const struct patients *p, const double *values, double most,
                             const uint8_t *truth, size_t stride, struct estimate *ret)
{
    struct estimate e;
    size_t patients;
    enum status st = mean_estimate(p, values, truth, stride, &e);

    if (st == ST_OK)
        st = count_patients(p, truth, stride, 3, &patients);
    if (st != ST_OK)
        return st;
    e = scaled(e, 1 / most);
    if (e.error < ROUNDING) {
        wilson(&e, (double)patients);
    } else {
        estimate_cut(&e, 0, 1);
    }
    *ret = scaled(e, most);
    return ST_OK;
}
