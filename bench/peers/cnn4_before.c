/* bench/peers/cnn4_before.c - cnn4 by commit 1326d56, the last one before networks were graphs, as bench/turns.py asks for it. It is built
 * against that commit's own headers and library, and by nothing of today's:
 *
 *   git worktree add BEFORE 1326d56; cd BEFORE; cmake --preset release; cmake --build build/release --target cxrd
 *   cc -O2 -std=c17 -D_GNU_SOURCE -Iinclude -Ibuild/release/generated cnn4_before.c build/release/libmodel.a \
 *       $(pkg-config --libs jansson libpng libdeflate zlib openblas libcrypto) -lm -lpthread -o cnn4_before
 *
 *   cnn4_before forward CORES    one drawn picture of 256 pixels, as bench_onnx of today
 *   cnn4_before step CORES       a step of training of 16 pictures of 224 pixels, Adam's too, as bench_step */
#include "cxrd/model.h"
#include "cxrd/network.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "cxrd/training.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 16, STEP_SIZE = 224, FORWARD_SIZE = 256 };

struct subject {
    struct model *model;
    struct pool *pool;
    struct session *session;
    struct training *training;
    struct adam adam;
    float *x, *y, *logits;
};

static void check(enum status st)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "cnn4_before: %s\n", status_text(st));
    exit(EXIT_FAILURE);
}

static void forward(struct subject *s)
{
    check(session_run_shared(s->session, s->model, s->pool, s->x, s->logits));
}

static void step(struct subject *s)
{
    double loss;

    check(training_gradient(s->training, BATCH, s->x, s->y, s->logits, &loss));
    adam_update(&s->adam, training_gradients(s->training), 1e-4, 0, training_params(s->training));
}

/* As answer_in_turns() of bench/measure.c. */
static double now(size_t cores)
{
    struct timespec t;

    clock_gettime(cores > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void make(struct subject *s, bool trains, size_t cores)
{
    const size_t size = trains ? STEP_SIZE : FORWARD_SIZE, n = trains ? BATCH : 1;
    const struct preprocess pre = { size, RESIZE_AREA, 128, 64 };
    struct error err = { 0 };
    struct network net;
    struct rng rng;
    float *params;

    check(network_init(&net, "cnn4", size, &err));
    params = malloc(net.n_params * sizeof *params);
    s->x = malloc(n * size * size * sizeof *s->x);
    s->y = calloc(n * N_LABELS, sizeof *s->y);
    s->logits = calloc(n * N_LABELS, sizeof *s->logits);
    assert(params && s->x && s->y && s->logits);
    rng_seed(&rng, 1, 2);
    network_initialise(&net, INIT_HE, &rng, params);
    rng_seed(&rng, 1, 3);
    for (size_t i = 0; i < n * size * size; i++)
        s->x[i] = rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < n * N_LABELS; i += 5)
        s->y[i] = 1;
    check(pool_new(cores, POOL_NORMAL, &s->pool, &err));
    if (trains) {
        check(training_new(&net, s->pool, &s->training, &err));
        check(adam_init(&s->adam, net.n_params, &err));
        memcpy(training_params(s->training), params, net.n_params * sizeof *params);
    } else {
        check(model_new(&net, &pre, params, NULL, &s->model, &err));
        check(session_new(&s->session));
    }
    free(params);
}

int main(int argc, char **argv)
{
    const bool trains = argc == 3 && strcmp(argv[1], "step") == 0;
    const size_t cores = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    struct subject s = { 0 };
    char line[32];

    if (cores < 1 || (!trains && strcmp(argv[1], "forward") != 0)) {
        fprintf(stderr, "cnn4_before forward|step CORES\n");
        return 2;
    }
    make(&s, trains, cores);
    while (fgets(line, sizeof line, stdin)) {
        for (long runs = strtol(line, NULL, 10); runs > 0; runs--) {
            const double begun = now(cores);

            (trains ? step : forward)(&s);
            printf("%.7f ", now(cores) - begun);
        }
        printf("\n");
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
