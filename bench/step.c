/* bench/step.c - a step of training, Adam's too, of 16 pictures of 224 x 224, as bench/turns.py asks for it.
 *
 *   bench_step ARCHITECTURE CORES */
#include "bench.h"
#include "cxrd/rng.h"
#include "learner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

static float *pictures(void)
{
    const size_t n = (size_t)BATCH * PLANE;
    float *x = malloc(n * sizeof *x);
    struct rng rng;

    assert(x);
    rng_seed(&rng, 1, 3);
    for (size_t i = 0; i < n; i++)
        x[i] = rng_uniform(&rng, -2, 2);
    return x;
}

int main(int argc, char **argv)
{
    const unsigned long cores = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    struct error err = { 0 };
    struct pool *pool = NULL;
    struct learner l;
    float *x;

    if (cores < 1) {
        fprintf(stderr, "bench_step ARCHITECTURE CORES\n");
        return 2;
    }
    x = pictures();
    check(pool_new(cores, POOL_NORMAL, &pool, &err), &err);
    learner_make(&l, argv[1], x, pool);
    answer_in_turns(learner_step, &l, cores);
    learner_release(&l);
    pool_free(pool);
    free(x);
    return EXIT_SUCCESS;
}
