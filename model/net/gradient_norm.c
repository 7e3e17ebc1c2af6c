/* model/net/gradient_norm.c - see cxrd/training.h. Squares of float32 neither overflow nor vanish in double. */
#include "cxrd/training.h"

#include "stretch.h"

#include <math.h>

enum { BESIDE = 8 }; /* sums that do not wait for each other */

struct squares {
    size_t n;
    const float *g;
    double sums[STRETCHES];
};

static void squares_task(void *arg, size_t task, size_t thread)
{
    struct squares *s = arg;
    const size_t begin = stretch_begin(s->n, task), end = stretch_begin(s->n, task + 1);
    double sums[BESIDE] = { 0 }, all = 0;

    (void)thread;
    for (size_t i = begin; i < end; i++)
        sums[(i - begin) % BESIDE] += (double)s->g[i] * (double)s->g[i];
    for (size_t k = 0; k < BESIDE; k++)
        all += sums[k];
    s->sums[task] = all;
}

double gradient_norm(size_t n, const float *gradients, struct pool *pool)
{
    struct squares s = { .n = n, .g = gradients };
    double sum = 0;

    pool_run(pool, STRETCHES, squares_task, &s);
    for (size_t i = 0; i < STRETCHES; i++)
        sum += s.sums[i];
    return sqrt(sum);
}
