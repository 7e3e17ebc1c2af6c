/* server/api/cmh.h - do two samples lie in the same bins, however their members are mixed?
 *
 * The generalised Cochran-Mantel-Haenszel test (Landis, Heyman, Koch, International Statistical Review 1978): in each stratum, such as
 * films of one view, the two samples' counts are held against those that one would expect of their sum, and the differences of all
 * strata are added before anything is squared. A sample with more of one stratum is therefore no difference by itself; with one
 * stratum it is Pearson's test of homogeneity. Pure functions. */
#ifndef SERVER_API_CMH_H
#define SERVER_API_CMH_H

#include <stddef.h>

enum { CMH_BINS = 10 };

/* The sums; zeroed is nothing. */
struct cmh {
    double difference[CMH_BINS];
    double covariance[CMH_BINS][CMH_BINS];
};

/* A stratum: counts of both samples, which need not be whole numbers. One in which either has nothing says nothing. */
void cmh_add(struct cmh *c, const double a[CMH_BINS], const double b[CMH_BINS]);

/* The statistic and its degrees of freedom; 0 and 0 where nothing was said. */
double cmh_statistic(const struct cmh *c, size_t *ret_freedom);

/* The chance that chi-squared of so many degrees of freedom is at least `x`; 1 of none. */
double chi_squared_above(double x, size_t freedom);

#endif
