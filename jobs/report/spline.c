/* jobs/report/spline.c - see spline.h. B-splines by the recursion of Cox and de Boor, their weights by Gauss's elimination. */
#include "spline.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { DEGREE = 2, KNOTS = SPLINE_MAX + DEGREE + 1 };

/* Two points are met by a line, one by a constant. */
static size_t degree_of(size_t n) { return n > DEGREE ? DEGREE : n - 1; }

/* degree + 1 at either end, and between them a midpoint for each pair of neighbours but the outer two pairs. */
static void knots_of(size_t n, double t[KNOTS])
{
    const size_t degree = degree_of(n);

    for (size_t i = 0; i < n + degree + 1; i++)
        t[i] = i <= degree ? 0 : i >= n ? (double)(n - 1) : (double)i - 1.5;
}

/* Each of the n B-splines at x. */
static void basis(size_t n, const double t[KNOTS], double x, double ret[SPLINE_MAX])
{
    double b[KNOTS] = { 0 };
    const size_t degree = degree_of(n);
    size_t at = degree;

    while (at + 1 < n && t[at + 1] <= x)
        at++;
    b[at] = 1;
    for (size_t k = 1; k <= degree; k++)
        for (size_t i = at - k; i <= at; i++) {
            const double left = t[i + k] - t[i], right = t[i + k + 1] - t[i + 1];

            b[i] = (left > 0 ? (x - t[i]) / left * b[i] : 0) +
                   (right > 0 ? (t[i + k + 1] - x) / right * b[i + 1] : 0);
        }
    memcpy(ret, b, SPLINE_MAX * sizeof *ret);
}

/* Solve a x = y; y becomes x. */
static void solve(size_t n, double a[SPLINE_MAX][SPLINE_MAX], double y[SPLINE_MAX])
{
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;

        for (size_t r = c + 1; r < n; r++)
            if (fabs(a[r][c]) > fabs(a[pivot][c]))
                pivot = r;
        for (size_t j = 0; j < n; j++) {
            const double swapped = a[c][j];

            a[c][j] = a[pivot][j];
            a[pivot][j] = swapped;
        }
        const double swapped = y[c];

        y[c] = y[pivot];
        y[pivot] = swapped;
        for (size_t r = 0; r < n; r++) {
            const double factor = r == c ? 0 : a[r][c] / a[c][c];

            for (size_t j = c; j < n && factor != 0; j++)
                a[r][j] -= factor * a[c][j];
            y[r] -= factor * y[c];
        }
    }
    for (size_t c = 0; c < n; c++)
        y[c] /= a[c][c];
}

void spline_quadratic(size_t n, const double *y, size_t m, double *ret)
{
    double t[KNOTS], a[SPLINE_MAX][SPLINE_MAX] = { { 0 } }, weights[SPLINE_MAX] = { 0 };

    assert(n >= 1 && n <= SPLINE_MAX && m >= 1);
    knots_of(n, t);
    for (size_t i = 0; i < n; i++)
        basis(n, t, (double)i, a[i]);
    memcpy(weights, y, n * sizeof *y);
    solve(n, a, weights);
    for (size_t i = 0; i < m; i++) {
        double b[SPLINE_MAX];

        basis(n, t, m > 1 ? (double)(n - 1) * (double)i / (double)(m - 1) : 0, b);
        ret[i] = 0;
        for (size_t k = 0; k < n; k++)
            ret[i] += weights[k] * b[k];
    }
}
