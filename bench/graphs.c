/* bench/graphs.c - the architectures of others: how long a forward pass and a step of training take, and what ONNX Runtime needs to
 * be asked the same as the first.
 *
 *   bench_graphs [--leave FOLDER] [--json FILE]
 *
 * FOLDER gets NAME.onnx and NAME.raw for each: 16 pictures [224][224] and their logits [16][14], float32. */
#include "bench.h"
#include "cxrd/clock.h"
#include "cxrd/cores.h"
#include "cxrd/cpu.h"
#include "cxrd/file.h"
#include "cxrd/onnx.h"
#include "cxrd/session.h"
#include "learner.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Products and sums of a picture, by definition. */
static const struct {
    const char *name;
    double gflop;
} ARCHITECTURES[] = { { "densenet121", 2 * 2.833 },
                      { "resnet18", 2 * 1.814 },
                      { "resnet50", 2 * 4.089 },
                      { "mobilenet_v2", 2 * 0.301 } };

struct subject {
    struct model *model;
    struct session *session, **sessions; /* sessions: of each thread */
    struct pool *pool;
    float *x, *logits;
};

static const struct error NOT_FINITE = { .text = "a logit is not a finite number" };

static void subject_make(struct subject *s, const char *name, size_t threads, struct buf *onnx)
{
    const struct preprocess pre = { SIZE, RESIZE_AREA, 0,
                                    1 }; /* both begin with the numbers that the network sees */
    const struct network *net = NULL;
    struct error err = { 0 };
    struct rng rng;
    float *values;

    check(network_new(&(struct network_spec){ name, SIZE, N_NIH_LABELS, 0 }, &net, &err), &err);
    values = malloc((net->n_params + net->n_state) * sizeof *values);
    s->x = malloc((size_t)BATCH * PLANE * sizeof *s->x);
    s->logits = malloc((size_t)BATCH * N_NIH_LABELS * sizeof *s->logits);
    s->sessions = calloc(threads, sizeof(struct session *));
    assert(values && s->x && s->logits && s->sessions);
    rng_seed(&rng, 1, 1);
    network_initialise(net, INIT_HE, &rng, values);
    for (size_t i = 0; i < (size_t)BATCH * PLANE; i++)
        s->x[i] = rng_uniform(&rng, -2, 2);
    check(model_new(net, &NIH_LABELS, &pre, values, NULL, &s->model, &err), &err);
    check(onnx_write(s->model, onnx, &err), &err);
    network_unref(net);
    check(pool_new(threads, POOL_NORMAL, &s->pool, &err), &err);
    check(session_new(&s->session), &err);
    for (size_t i = 0; i < threads; i++)
        check(session_new(&s->sessions[i]), &err);
    free(values);
}

static void subject_release(struct subject *s)
{
    for (size_t i = 0; i < pool_threads(s->pool); i++)
        session_free(s->sessions[i]);
    session_free(s->session);
    pool_free(s->pool);
    model_unref(s->model);
    free(s->sessions);
    free(s->x);
    free(s->logits);
}

static void one(void *arg)
{
    struct subject *s = arg;

    check(session_run(s->session, s->model, 1, s->x, s->logits), &NOT_FINITE);
}

static void one_shared(void *arg)
{
    struct subject *s = arg;

    check(session_run_shared(s->session, s->model, s->pool, s->x, s->logits), &NOT_FINITE);
}

static void one_of_all(void *arg, size_t i, size_t thread)
{
    struct subject *s = arg;

    check(session_run(s->sessions[thread], s->model, 1, s->x + i * PLANE, s->logits + i * N_NIH_LABELS),
          &NOT_FINITE);
}

static void all_shared(void *arg)
{
    struct subject *s = arg;

    pool_run(s->pool, BATCH, one_of_all, s);
}

static void leave_behind(const struct subject *s, const char *name, const char *folder,
                         const struct buf *onnx)
{
    const struct iovec model = { onnx->data, onnx->len };
    const struct iovec tensors[] = { { s->x, (size_t)BATCH * PLANE * sizeof(float) },
                                     { s->logits, (size_t)BATCH * N_NIH_LABELS * sizeof(float) } };
    struct error err = { 0 };
    char path[512];

    snprintf(path, sizeof path, "%s/%s.onnx", folder, name);
    check(file_replace(path, &model, 1, &err), &err);
    snprintf(path, sizeof path, "%s/%s.raw", folder, name);
    check(file_replace(path, tensors, 2, &err), &err);
}

static void report(json_t *json, const char *name, const char *what, struct timing t, double images,
                   double gflop)
{
    char line[96];

    snprintf(line, sizeof line, "%s, %s", name, what);
    printf("%-40s %9.2f ms  %8.1f images/s  %8.1f GFLOP/s\n", line, t.median * 1e3, images / t.median,
           images / t.median * gflop);
    fflush(stdout);
    json_object_set_new(json, line,
                        json_pack("{s:f,s:f}", "median_ms", t.median * 1e3, "best_ms", t.best * 1e3));
}

int main(int argc, char **argv)
{
    const char *folder = NULL, *path = NULL;
    const size_t threads = cores_available();
    json_t *json = json_pack("{s:s,s:I}", "simd", cpu_simd(), "cores", (json_int_t)threads);

    for (int i = 1; i + 1 < argc; i += 2)
        *(strcmp(argv[i], "--leave") == 0 ? &folder : &path) = argv[i + 1];
    for (size_t i = 0; i < sizeof ARCHITECTURES / sizeof ARCHITECTURES[0]; i++) {
        const char *name = ARCHITECTURES[i].name;
        struct subject s = { 0 };
        struct learner learner;
        struct buf onnx = BUF_INIT(512 << 20);

        subject_make(&s, name, threads, &onnx);
        report(json, name, "batch 1, 1 core", measure(one, &s, 3, 5), 1, ARCHITECTURES[i].gflop);
        report(json, name, "batch 1, all cores", measure(one_shared, &s, 3, 5), 1, ARCHITECTURES[i].gflop);
        report(json, name, "batch 16, all cores", measure(all_shared, &s, 3, 3), BATCH,
               ARCHITECTURES[i].gflop);
        learner_make(&learner, name, s.x, s.pool);
        report(json, name, "training step, batch 16, all cores", measure(learner_step, &learner, 3, 3), BATCH,
               3 * ARCHITECTURES[i].gflop);
        learner_release(&learner);
        if (folder)
            leave_behind(&s, name, folder, &onnx);
        buf_release(&onnx);
        subject_release(&s);
    }
    if (path && json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0) {
        fprintf(stderr, "bench: cannot write '%s'\n", path);
        return EXIT_FAILURE;
    }
    json_decref(json);
    return 0;
}
