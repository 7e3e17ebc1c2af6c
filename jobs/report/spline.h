/* jobs/report/spline.h - the curve that scipy.interpolate.interp1d(kind='quadratic'), and make_interp_spline(k=2), lay through
 * equally spaced points: the spline of degree 2 that meets them all, whose knots are midway between the points, except in
 * the first and in the last gap, which have no knot. Through two points it is the line, through one the constant. */
#ifndef JOBS_REPORT_SPLINE_H
#define JOBS_REPORT_SPLINE_H

#include <stddef.h>

enum { SPLINE_MAX = 64 };

/* Values at m points, evenly from 0 to n - 1, of the curve through (0, y[0]) … (n - 1, y[n - 1]).
 *   n  1..SPLINE_MAX
 *   m  1 or more; of one, the first */
void spline_quadratic(size_t n, const double *y, size_t m, double *ret);

#endif
