/* jobs/training/holm.h - many questions asked of the same rows: how sure must each answer be?
 *
 * Of twenty comparisons of equal things, one lies beyond its 95 % interval. Holm (Scandinavian Journal of Statistics, 1979)
 * takes the least p first and asks that it be below 0.05 / n, the next below 0.05 / (n - 1), and so on to the first that is
 * not; then the chance that any is wrongly taken is 5 %, however they depend on each other. Pure functions; any thread. */
#ifndef JOBS_TRAINING_HOLM_H
#define JOBS_TRAINING_HOLM_H

#include <stddef.h>

/* The chance of a normal deviate at least as far from 0 as `z`, and the deviate, above 0, of a chance in 0..1. */
double two_sided(double z);
double two_sided_deviate(double p);

/*   p             [n], each in 0..1, in rising order
 *   ret_adjusted  [n]: p as it is after the correction, at most 1; rising
 *   ret_level     [n]: the p that each was asked to be below; its interval of 1 - level leaves 0 out where, and only where,
 *                 its adjusted p is below 0.05 */
void holm(size_t n, const double *p, double *ret_adjusted, double *ret_level);

#endif
