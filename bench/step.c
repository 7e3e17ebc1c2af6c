/* bench/step.c - a step of training, Adam's too, on one core by processor time: what stands beside others though the machine is busy.
 *
 *   bench_step ARCHITECTURE STEPS    a line of seconds a step: 16 pictures of 224 x 224 */
#include "cxrd/labels.h"
#include "cxrd/training.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SIZE = 224, BATCH = 16, PLANE = SIZE * SIZE, SHARDS = 16 /* as a job has them */ };

struct learner {
    const struct network *net;
    struct training *training;
    struct adam adam;
    float *x, *y, *logits;
};

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "bench: %s\n", err->text);
    exit(EXIT_FAILURE);
}

static void learner_make(struct learner *l, const char *name)
{
    struct error err = { 0 };
    struct rng rng;

    *l = (struct learner){ .x = malloc((size_t)BATCH * PLANE * sizeof(float)),
                           .y = calloc((size_t)BATCH * N_NIH_LABELS, sizeof(float)),
                           .logits = calloc((size_t)BATCH * N_NIH_LABELS, sizeof(float)) };
    assert(l->x && l->y && l->logits);
    check(network_new(&(struct network_spec){ name, SIZE, N_NIH_LABELS, 0 }, &l->net, &err), &err);
    check(training_new(l->net, SHARDS, BATCH, NORMS_BATCH, NULL, &l->training, &err), &err);
    check(adam_init(&l->adam, l->net->n_params, &err), &err);
    rng_seed(&rng, 1, 2);
    network_initialise(l->net, INIT_HE, &rng, training_params(l->training));
    for (size_t i = 0; i < (size_t)BATCH * PLANE; i++)
        l->x[i] = rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < (size_t)BATCH * N_NIH_LABELS; i += 5)
        l->y[i] = 1;
}

static void learner_release(struct learner *l)
{
    adam_release(&l->adam);
    training_free(l->training);
    network_unref(l->net);
    free(l->x);
    free(l->y);
    free(l->logits);
}

static void step(struct learner *l)
{
    static const struct error diverged = { .text = "the loss is not a finite number" };
    const struct adam_group all = { 0, l->net->n_params, 1e-4, 0 };
    double loss;

    check(training_gradient(l->training, BATCH, l->x, l->y, l->logits, &loss), &diverged);
    adam_update(&l->adam, training_gradients(l->training), 1, &all, 1, NULL, training_params(l->training));
    training_follow(l->training, 0.1);
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

    if (steps < 1) {
        fprintf(stderr, "bench_step ARCHITECTURE STEPS\n");
        return 2;
    }
    learner_make(&l, argv[1]);
    for (long i = 0; i < steps; i++) {
        const double begin = processor_seconds();

        step(&l);
        printf("%.4f\n", processor_seconds() - begin);
        fflush(stdout);
    }
    learner_release(&l);
    return EXIT_SUCCESS;
}
