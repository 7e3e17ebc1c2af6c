/* bench/peak_shared.c - the peak of one core, and of all at once. */
#include "bench.h"
#include "cxrd/cpu.h"
#include "cxrd/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

double peak_generic(double seconds);
#if defined __x86_64__
double peak_avx2(double seconds);
double peak_avx512(double seconds);
#endif

static double peak(double seconds)
{
#if defined __x86_64__
    if (strcmp(cpu_simd(), "avx512") == 0)
        return peak_avx512(seconds);
    if (strcmp(cpu_simd(), "avx2") == 0)
        return peak_avx2(seconds);
#endif
    return peak_generic(seconds);
}

double peak_gflops(void)
{
    double best = 0;

    for (int i = 0; i < 250; i++) { /* short ones: some are undisturbed on a busy machine too */
        const double p = peak(0.002);

        best = p > best ? p : best;
    }
    return best;
}

static void peak_task(void *arg, size_t task, size_t thread)
{
    (void)thread;
    ((double *)arg)[task] = peak(0.3);
}

double peak_gflops_shared(size_t threads)
{
    double *each = calloc(threads, sizeof *each), sum = 0;
    struct pool *pool = NULL;

    assert(each);
    if (pool_new(threads, POOL_NORMAL, &pool, NULL) == ST_OK)
        pool_run(pool, threads, peak_task, each);
    for (size_t i = 0; i < threads; i++)
        sum += each[i];
    pool_free(pool);
    free(each);
    return sum;
}
