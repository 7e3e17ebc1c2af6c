/* bench/measure.c - see bench.h. */
#include "bench.h"

#include "cxrd/clock.h"

#include <assert.h>
#include <stdlib.h>

enum { MAX_RUNS = 100000 };

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

struct timing measure(void (*fn)(void *arg), void *arg, double seconds, size_t min_runs)
{
    double *times = malloc(MAX_RUNS * sizeof *times);
    const double end = clock_seconds() + seconds;
    struct timing t = { 0 };

    assert(times);
    fn(arg);
    fn(arg);
    while (t.runs < MAX_RUNS && (t.runs < min_runs || clock_seconds() < end)) {
        const double begin = clock_seconds();

        fn(arg);
        times[t.runs++] = clock_seconds() - begin;
    }
    qsort(times, t.runs, sizeof *times, by_value);
    t.median = times[t.runs / 2];
    t.p99 = times[t.runs * 99 / 100];
    t.best = times[0];
    free(times);
    return t;
}
