/* model/net/principal.c - see cxrd/principal.h. Products are OpenBLAS' and eigenvectors LAPACK's, which OpenBLAS carries. */
#include "cxrd/principal.h"

#include "ops/gemm.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* LAPACK: some of the eigenvalues of a symmetric matrix, ascending, and their vectors; the last three are the lengths of the
 * first three (Fortran). */
void dsyevr_(const char *jobz, const char *range, const char *uplo, const int *n, double *a, const int *lda,
             const double *vl, const double *vu, const int *il, const int *iu, const double *abstol, int *m,
             double *w, double *z, const int *ldz, int *isuppz, double *work, const int *lwork, int *iwork,
             const int *liwork, int *info, size_t, size_t, size_t);

enum { CHUNK = 1024, BLOCK = 64 }; /* numbers that are added up as float32; rows of a task */

struct products {
    size_t n, d;
    float *rows;
    size_t from, to; /* the numbers of the present chunk */
    float *chunk;    /* [n][n] */
    double *gram;    /* [n][n] */
};

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* One number of all rows. */
static void centre(struct products *p, size_t at)
{
    double sum = 0;

    for (size_t i = 0; i < p->n; i++)
        sum += (double)p->rows[i * p->d + at];
    for (size_t i = 0; i < p->n; i++)
        p->rows[i * p->d + at] -= (float)(sum / (double)p->n);
}

static void centre_task(void *arg, size_t task, size_t thread)
{
    struct products *p = arg;
    const size_t from = p->from + task * BLOCK, to = least(p->to, from + BLOCK);

    (void)thread;
    for (size_t at = from; at < to; at++)
        centre(p, at);
}

/* The products of a block of rows with all rows, of the numbers of the present chunk. */
static void multiply_task(void *arg, size_t task, size_t thread)
{
    struct products *p = arg;
    const size_t row = task * BLOCK, m = least(p->n - row, BLOCK);
    float *chunk = p->chunk + row * p->n;
    double *gram = p->gram + row * p->n;

    (void)thread;
    memset(chunk, 0, m * p->n * sizeof *chunk);
    gemm_nt(m, p->n, p->to - p->from, p->rows + row * p->d + p->from, p->d, p->rows + p->from, p->d, chunk,
            p->n);
    for (size_t i = 0; i < m * p->n; i++)
        gram[i] += (double)chunk[i];
}

static size_t tasks(size_t n) { return (n + BLOCK - 1) / BLOCK; }

static enum status multiply(struct products *p, struct pool *pool, const struct interruption *stop)
{
    for (p->from = 0; p->from < p->d; p->from = p->to) {
        if (stop->cancelled && stop->cancelled(stop->arg))
            return ST_CANCELLED;
        p->to = least(p->d, p->from + CHUNK);
        pool_run(pool, tasks(p->to - p->from), centre_task, p);
        pool_run(pool, tasks(p->n), multiply_task, p);
    }
    for (size_t i = 0; i < p->n; i++)
        if (!isfinite(p->gram[i * p->n + i]))
            return ST_NUMERIC;
    return ST_OK;
}

/* The k greatest eigenvalues, ascending, and their vectors [k][n]. `a` is destroyed. */
static enum status eigen(size_t size, double *a, size_t k, double *ret_values, double *ret_vectors)
{
    const int n = (int)size, first = (int)(size - k + 1), all = -1;
    const double none = 0;
    int found, info, n_ints, *support = malloc(2 * size * sizeof *support), *ints = NULL;
    double n_work, *work = NULL;
    enum status st = support ? ST_OK : ST_NOMEM;

    if (st == ST_OK) {
        dsyevr_("V", "I", "U", &n, a, &n, &none, &none, &first, &n, &none, &found, ret_values, ret_vectors,
                &n, support, &n_work, &all, &n_ints, &all, &info, 1, 1, 1);
        work = info == 0 ? malloc((size_t)n_work * sizeof *work) : NULL;
        ints = info == 0 ? malloc((size_t)n_ints * sizeof *ints) : NULL;
        st = work && ints ? ST_OK : ST_NOMEM;
    }
    if (st == ST_OK) {
        const int work_size = (int)n_work;

        dsyevr_("V", "I", "U", &n, a, &n, &none, &none, &first, &n, &none, &found, ret_values, ret_vectors,
                &n, support, work, &work_size, ints, &n_ints, &info, 1, 1, 1);
        st = info == 0 && (size_t)found == k ? ST_OK : ST_NUMERIC;
    }
    free(ints);
    free(work);
    free(support);
    return st;
}

/* +1 or -1: makes the entry of largest magnitude positive. */
static double sign(size_t n, const double *vector)
{
    size_t best = 0;

    for (size_t i = 1; i < n; i++)
        if (fabs(vector[i]) > fabs(vector[best]))
            best = i;
    return vector[best] < 0 ? -1 : 1;
}

static enum status project(struct products *p, size_t k, double *ret, double *ret_share)
{
    double *values = malloc(p->n * sizeof *values), *vectors = malloc(k * p->n * sizeof *vectors);
    double total = 0, held = 0;
    enum status st = values && vectors ? ST_OK : ST_NOMEM;

    for (size_t i = 0; i < p->n; i++)
        total += p->gram[i * p->n + i];
    if (st == ST_OK)
        st = eigen(p->n, p->gram, k, values, vectors);
    for (size_t c = 0; c < k && st == ST_OK; c++) {
        const double *vector = vectors + (k - 1 - c) * p->n, value = fmax(values[k - 1 - c], 0);
        const double by = sign(p->n, vector) * sqrt(value);

        held += value;
        for (size_t i = 0; i < p->n; i++)
            ret[i * k + c] = by * vector[i];
    }
    free(vectors);
    free(values);
    *ret_share = total > 0 ? fmin(held / total, 1) : NAN;
    return st;
}

enum status principal_components(size_t n, size_t d, float *rows, size_t k, struct pool *pool,
                                 const struct interruption *stop, double *ret, double *ret_share)
{
    struct products p = { n, d, rows, 0, 0, NULL, NULL };
    enum status st;

    if (k == 0 || k > n)
        return ST_INVALID;
    p.chunk = malloc(n * n * sizeof *p.chunk);
    p.gram = calloc(n * n, sizeof *p.gram);
    st = p.chunk && p.gram ? multiply(&p, pool, stop) : ST_NOMEM;
    if (st == ST_OK)
        st = project(&p, k, ret, ret_share);
    free(p.chunk);
    free(p.gram);
    return st;
}
