/* bench/measure.c - see bench.h. */
#include "bench.h"

#include "cxrd/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_RUNS = 100000 };

static int by_value(const void *a, const void *b)
{
    const double p = *(const double *)a, q = *(const double *)b;

    return (p > q) - (p < q);
}

static double *times_new(void)
{
    double *times = malloc(MAX_RUNS * sizeof *times);

    assert(times);
    return times;
}

/* `times` [runs] are gone afterwards. */
static struct timing summed_up(double *times, size_t runs)
{
    struct timing t = { .runs = runs };

    qsort(times, runs, sizeof *times, by_value);
    t.median = times[runs / 2];
    t.p99 = times[runs * 99 / 100];
    t.best = times[0];
    free(times);
    return t;
}

struct timing measure(void (*fn)(void *arg), void *arg, double seconds, size_t min_runs)
{
    double *times = times_new();
    const double end = clock_seconds() + seconds;
    size_t runs = 0;

    fn(arg);
    fn(arg);
    while (runs < MAX_RUNS && (runs < min_runs || clock_seconds() < end)) {
        const double begin = clock_seconds();

        fn(arg);
        times[runs++] = clock_seconds() - begin;
    }
    return summed_up(times, runs);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_to_run(void (*fn)(void *arg), void *arg, clockid_t clock)
{
    const double begin = seconds_of(clock);

    fn(arg);
    return seconds_of(clock) - begin;
}

struct timing_pair measure_pair(void (*fn)(void *arg), void *a, void *b, double seconds, size_t min_runs)
{
    double *times_a = times_new(), *times_b = times_new();
    const double end = clock_seconds() + seconds;
    size_t runs = 0;

    fn(a);
    fn(b);
    for (; runs < MAX_RUNS && (runs < min_runs || clock_seconds() < end); runs++) {
        times_a[runs] = seconds_to_run(fn, a, CLOCK_THREAD_CPUTIME_ID);
        times_b[runs] = seconds_to_run(fn, b, CLOCK_THREAD_CPUTIME_ID);
    }
    return (struct timing_pair){ summed_up(times_a, runs), summed_up(times_b, runs) };
}

void answer_in_turns(void (*fn)(void *arg), void *arg, size_t cores)
{
    const clockid_t clock = cores == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    char line[32];

    while (fgets(line, sizeof line, stdin)) {
        for (long runs = strtol(line, NULL, 10); runs > 0; runs--)
            printf("%.7f ", seconds_to_run(fn, arg, clock));
        printf("\n");
        fflush(stdout);
    }
}
