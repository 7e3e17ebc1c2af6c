/* include/cxrd/estimate.h - a figure, and how sure it is. */
#ifndef CXRD_ESTIMATE_H
#define CXRD_ESTIMATE_H

/* A figure, its standard error and its 95 % interval, all by patient (jobs/training/figure.h); NaN where not defined. */
struct estimate {
    double value, error, low, high;
};

#endif
