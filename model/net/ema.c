/* model/net/ema.c - see cxrd/training.h. */
#include "cxrd/training.h"

#include "stretch.h"

#include <math.h>

struct average {
    size_t n;
    const float *values;
    float to_values, *ema;
};

static void average_task(void *arg, size_t task, size_t thread)
{
    const struct average *a = arg;
    const float *restrict values = a->values, to_values = a->to_values;
    float *restrict ema = a->ema;

    (void)thread;
    for (size_t i = stretch_begin(a->n, task); i < stretch_begin(a->n, task + 1); i++)
        ema[i] += (values[i] - ema[i]) * to_values;
}

void ema_update(size_t n, const float *values, double decay, uint64_t steps, struct pool *pool, float *ema)
{
    const double t = (double)steps, warm = (1 + t) / (10 + t);
    struct average a = { n, values, (float)(1 - fmin(decay, warm)), ema };

    pool_run(pool, STRETCHES, average_task, &a);
}
