/* bench/onnx.c - the forward pass of a network from an ONNX file, as bench/turns.py asks for it.
 *
 *   bench_onnx FILE CORES [BATCH]    of BATCH (1) drawn pictures; several of them a core each, one is shared by all */
#include "cxrd/onnx.h"
#include "bench.h"
#include "cxrd/file.h"
#include "cxrd/rng.h"
#include "cxrd/session.h"
#include "learner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_FILE = 1 << 30 };

/* Settings that a file of another program does not have. */
static const struct import_options FOREIGN = { .labels = "chexnet", .scaling = "0..255" };

static const struct error FAILED = { .text = "a logit is not a finite number, or there is no memory" };

struct subject {
    struct model *model;
    struct pool *pool;
    struct session **sessions; /* of each thread */
    size_t batch, picture, labels;
    float *x, *logits;
};

static void model_read(const char *path, struct model **ret_model)
{
    struct file_bytes file = FILE_BYTES_INIT;
    struct error err = { 0 };
    json_t *report = json_object();

    check(file_read(path, MAX_FILE, &file, &err), &err);
    if (onnx_read(file.data, file.size, &(struct import_options){ 0 }, ret_model, report, &err) != ST_OK)
        check(onnx_read(file.data, file.size, &FOREIGN, ret_model, report, &err), &err);
    file_bytes_release(&file);
    json_decref(report);
}

static void subject_make(struct subject *s, const char *path, size_t cores, size_t batch)
{
    struct error err = { 0 };
    struct rng rng;

    model_read(path, &s->model);
    s->batch = batch;
    s->picture = preprocess_floats(model_preprocess(s->model));
    s->labels = model_labels(s->model)->n;
    s->x = calloc(batch * s->picture, sizeof *s->x);
    s->logits = calloc(batch * s->labels, sizeof *s->logits);
    s->sessions = calloc(cores, sizeof(struct session *));
    assert(s->x && s->logits && s->sessions);
    rng_seed(&rng, 1, 1);
    for (size_t i = 0; i < batch * s->picture; i++)
        s->x[i] = rng_uniform(&rng, -2, 2);
    check(pool_new(cores, POOL_NORMAL, &s->pool, &err), &err);
    for (size_t i = 0; i < cores; i++)
        check(session_new(&s->sessions[i]), &FAILED);
}

static void subject_release(struct subject *s)
{
    for (size_t i = 0; i < pool_threads(s->pool); i++)
        session_free(s->sessions[i]);
    pool_free(s->pool);
    model_unref(s->model);
    free(s->sessions);
    free(s->x);
    free(s->logits);
}

static void one_of_all(void *arg, size_t i, size_t thread)
{
    struct subject *s = arg;

    check(session_run(s->sessions[thread], s->model, 1, s->x + i * s->picture, s->logits + i * s->labels),
          &FAILED);
}

static void run(void *arg)
{
    struct subject *s = arg;

    if (s->batch == 1)
        check(session_run_shared(s->sessions[0], s->model, s->pool, s->x, s->logits), &FAILED);
    else
        pool_run(s->pool, s->batch, one_of_all, s);
}

int main(int argc, char **argv)
{
    const unsigned long cores = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    const unsigned long batch = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
    struct subject s = { 0 };

    if (cores < 1 || batch < 1) {
        fprintf(stderr, "bench_onnx FILE CORES [BATCH]\n");
        return 2;
    }
    subject_make(&s, argv[1], cores, batch);
    answer_in_turns(run, &s, cores);
    subject_release(&s);
    return EXIT_SUCCESS;
}
