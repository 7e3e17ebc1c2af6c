/* bench/step.c - a step of training, Adam's too, on one core by processor time: a figure that can be
 * compared with another program's although the machine is busy.
 *
 *   bench_step ARCHITECTURE STEPS    a line of seconds a step: 16 pictures of 224 x 224 */
#include "cxrd/rng.h"
#include "learner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static double processor_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    const long steps = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    struct learner l;
    float *x;

    if (steps < 1) {
        fprintf(stderr, "bench_step ARCHITECTURE STEPS\n");
        return 2;
    }
    x = pictures();
    learner_make(&l, argv[1], x, NULL);
    for (long i = 0; i < steps; i++) {
        const double begin = processor_seconds();

        learner_step(&l);
        printf("%.4f\n", processor_seconds() - begin);
        fflush(stdout);
    }
    learner_release(&l);
    free(x);
    return EXIT_SUCCESS;
}
