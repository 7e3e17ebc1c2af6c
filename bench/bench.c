/* bench/bench.c - how fast is the engine on this machine? Forward passes, training steps, the way in; medians of many
 * runs beside what the processor could do at most, as a table and as JSON.
 *
 *   bench [--json FILE] [--weights FILE --tensors FILE] [--table FILE] IMAGE.png [IMAGE.png...]
 *
 * The first picture is decoded again and again; all of them together stand for a data set that is read. --weights and
 * --tensors leave behind what it ran, so that other programs can be measured on the same numbers, and can be seen to
 * give the same answers. */
#include "bench.h"

#include "cxrd/clock.h"
#include "cxrd/cores.h"
#include "cxrd/cpu.h"
#include "cxrd/file.h"
#include "cxrd/labels.h"
#include "cxrd/model.h"
#include "cxrd/session.h"
#include "cxrd/training.h"
#include "cxrd/version.h"
#include "cxrd/weights.h"
#include "model/image/png.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SIZE = 256, PLANE = SIZE * SIZE, BATCH = 32, SHARDS = 16 };

/* Multiplications and additions of one image, by the definition of a convolution: what rates are quoted in, whatever
 * is really executed. Three input channels for the first layer. */
static const double FORWARD_GFLOP = 2e-9 * (65536.0 * 27 * 32 + 16384.0 * 9 * 32 * 64 +
                                            4096.0 * 9 * 64 * 128 + 1024.0 * 9 * 128 * 256 + 65536.0 * 14);

struct bench_thread {
    struct session *session;
    uint8_t grey[PLANE];
};

struct subject {
    struct model *model;
    struct pool *pool;
    struct session *session;      /* of the caller */
    struct bench_thread *threads; /* [threads of the pool] */
    float *x, *y;                 /* [BATCH][PLANE], [BATCH][14] */
    float *logits;                /* [BATCH][14] */
    struct training *training;
    struct pool *training_pool; /* borrowed */
    struct adam adam;
    struct file_bytes picture;
    bool only_libpng;
    char **paths; /* [n_paths] of all pictures */
    size_t n_paths;
};

static void check(enum status st, const struct error *err)
{
    if (st == ST_OK)
        return;
    fprintf(stderr, "bench: %s\n", err && err->text[0] ? err->text : status_text(st));
    exit(EXIT_FAILURE);
}

/* ---- what is measured ---- */

static void forward_1(void *arg)
{
    struct subject *s = arg;

    check(session_run(s->session, s->model, 1, s->x, s->logits), NULL);
}

static void forward_1_shared(void *arg)
{
    struct subject *s = arg;

    check(session_run_shared(s->session, s->model, s->pool, s->x, s->logits), NULL);
}

static void forward_32(void *arg)
{
    struct subject *s = arg;

    check(session_run(s->session, s->model, BATCH, s->x, s->logits), NULL);
}

enum { GROUP = 2 }; /* images a task takes, as sessions like them */

static void forward_task(void *arg, size_t task, size_t thread)
{
    struct subject *s = arg;

    check(session_run(s->threads[thread].session, s->model, GROUP, s->x + task * GROUP * PLANE,
                      s->logits + task * GROUP * N_NIH_LABELS),
          NULL);
}

static void forward_32_shared(void *arg)
{
    struct subject *s = arg;

    pool_run(s->pool, BATCH / GROUP, forward_task, s);
}

static void training_step(void *arg)
{
    struct subject *s = arg;
    const struct adam_group all = { 0, s->adam.n, 1e-5, 0 };
    double loss;

    check(training_gradient(s->training, BATCH, s->x, s->y, s->logits, &loss), NULL);
    adam_update(&s->adam, training_gradients(s->training), 1, &all, 1, s->training_pool,
                training_params(s->training));
}

static void decode(void *arg)
{
    struct subject *s = arg;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    check(png_decode(s->picture.data, s->picture.size, &IMAGE_LIMITS, s->only_libpng, &img, &err), &err);
    image_release(&img);
}

static void resize(void *arg)
{
    static uint8_t grey[PLANE], pixels[1024 * 1024];
    const struct image img = { 1024, 1024, pixels, 1, 8 };
    const struct preprocess pre = { SIZE, RESIZE_AREA, 128, 64 };
    struct subject *s = arg;

    preprocess_resize(&img, &pre, grey);
    preprocess_scale(grey, PLANE, &pre, s->x);
}

/* The work of the first epoch on each picture before it can compute: read, decode, resize. */
static void way_in_task(void *arg, size_t task, size_t thread)
{
    const struct preprocess pre = { SIZE, RESIZE_AREA, 128, 64 };
    struct subject *s = arg;
    struct file_bytes file = FILE_BYTES_INIT;
    struct image img = IMAGE_INIT;
    struct error err = { 0 };

    check(file_read(s->paths[task], 64 << 20, &file, &err), &err);
    check(image_decode(file.data, file.size, &IMAGE_READER_PNG, &img, &err), &err);
    preprocess_resize(&img, &pre, s->threads[thread].grey);
    image_release(&img);
    file_bytes_release(&file);
}

static void way_in(void *arg)
{
    struct subject *s = arg;

    pool_run(s->pool, s->n_paths, way_in_task, s);
}

/* ---- the subject ---- */

static void subject_make(struct subject *s, size_t threads, char **paths, size_t n_paths)
{
    const struct preprocess pre = { SIZE, RESIZE_AREA, 128, 64 };
    struct error err = { 0 };
    const struct network *net;
    struct rng rng;
    float *params;

    check(network_new(&(struct network_spec){ "cnn4", SIZE, N_NIH_LABELS, 0 }, &net, &err), &err);
    params = malloc(net->n_params * sizeof *params);
    s->x = malloc(BATCH * PLANE * sizeof *s->x);
    s->y = calloc(BATCH * N_NIH_LABELS, sizeof *s->y);
    s->logits = malloc(BATCH * N_NIH_LABELS * sizeof *s->logits);
    s->threads = calloc(threads, sizeof *s->threads);
    assert(params && s->x && s->y && s->logits && s->threads);
    rng_seed(&rng, 1, 1);
    network_initialise(net, INIT_HE, &rng, params);
    for (size_t i = 0; i < BATCH * PLANE; i++)
        s->x[i] = rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < BATCH * N_NIH_LABELS; i++)
        s->y[i] = (float)(rng_below(&rng, 10) == 0);
    check(model_new(net, &NIH_LABELS, &pre, params, NULL, &s->model, &err), &err);
    network_unref(net);
    check(pool_new(threads, POOL_NORMAL, &s->pool, &err), &err);
    check(session_new(&s->session), NULL);
    for (size_t i = 0; i < threads; i++)
        check(session_new(&s->threads[i].session), NULL);
    check(file_read(paths[0], 64 << 20, &s->picture, &err), &err);
    s->paths = paths;
    s->n_paths = n_paths;
    free(params);
}

/* A training with this many threads, from the model's weights. */
static void training_make(struct subject *s, struct pool *pool)
{
    const struct network *net = model_network(s->model);
    struct error err = { 0 };

    check(training_new(net, SHARDS, BATCH, NORMS_BATCH, pool, NULL, &s->training, &err), &err);
    s->training_pool = pool;
    check(adam_init(&s->adam, net->n_params, &err), &err);
    memcpy(training_params(s->training), model_params(s->model), net->n_params * sizeof(float));
}

static void training_drop(struct subject *s)
{
    training_free(s->training);
    adam_release(&s->adam);
}

/* ---- the report ---- */

struct report {
    json_t *json;
    double peak_1, peak_all;
};

/* One line. images: of one run; gflop: by definition, of one image, 0 for what is not arithmetic. */
static void report_line(struct report *r, const char *name, const struct timing *t, double images,
                        double gflop, double peak)
{
    const double rate = images / t->median, gflops = rate * gflop;

    if (gflop > 0)
        printf("%-34s %9.3f %9.3f %9.1f %9.1f %6.0f %%\n", name, t->median * 1e3, t->p99 * 1e3, rate, gflops,
               100 * gflops / peak);
    else
        printf("%-34s %9.3f %9.3f %9.1f\n", name, t->median * 1e3, t->p99 * 1e3, rate);
    fflush(stdout);
    json_object_set_new(r->json, name,
                        json_pack("{s:f,s:f,s:f,s:f,s:I}", "median_ms", t->median * 1e3, "p99_ms",
                                  t->p99 * 1e3, "images_per_s", rate, "gflops", gflops, "runs",
                                  (json_int_t)t->runs));
}

/* The same forward pass in integers. */
static void report_narrow(struct subject *s, struct report *r, const char *name, void (*fn)(void *arg),
                          double seconds)
{
    struct subject narrow = *s;
    struct timing_pair t;

    check(model_in_precision(s->model, PRECISION_INT12, &narrow.model, NULL), NULL);
    check(session_new(&narrow.session), NULL);
    t = measure_pair(fn, s, &narrow, seconds, 5);
    printf("%-34s %9.3f against %.3f ms in float32: %.2f times as fast, %.2f by the best times\n", name,
           t.b.median * 1e3, t.a.median * 1e3, t.a.median / t.b.median, t.a.best / t.b.best);
    json_object_set_new(r->json, name,
                        json_pack("{s:f,s:f,s:f}", "median_ms", t.b.median * 1e3, "ratio",
                                  t.a.median / t.b.median, "ratio_of_best", t.a.best / t.b.best));
    session_free(narrow.session);
    model_unref(narrow.model);
}

static void run(struct subject *s, struct report *r, double seconds)
{
    struct timing t;

    t = measure(forward_1, s, seconds, 20);
    report_line(r, "forward, batch 1, 1 core", &t, 1, FORWARD_GFLOP, r->peak_1);
    t = measure(forward_1_shared, s, seconds, 20);
    report_line(r, "forward, batch 1, all cores", &t, 1, FORWARD_GFLOP, r->peak_all);
    t = measure(forward_32, s, seconds, 5);
    report_line(r, "forward, batch 32, 1 core", &t, BATCH, FORWARD_GFLOP, r->peak_1);
    t = measure(forward_32_shared, s, seconds, 5);
    report_line(r, "forward, batch 32, all cores", &t, BATCH, FORWARD_GFLOP, r->peak_all);
    report_narrow(s, r, "int12, forward, batch 1, 1 core", forward_1, seconds);
    report_narrow(s, r, "int12, forward, batch 32, 1 core", forward_32, seconds);
    training_make(s, NULL);
    t = measure(training_step, s, seconds, 5);
    report_line(r, "training step, batch 32, 1 core", &t, BATCH, 3 * FORWARD_GFLOP, r->peak_1);
    training_drop(s);
    training_make(s, s->pool);
    t = measure(training_step, s, seconds, 5);
    report_line(r, "training step, batch 32, all cores", &t, BATCH, 3 * FORWARD_GFLOP, r->peak_all);
    training_drop(s);
    s->only_libpng = true;
    t = measure(decode, s, seconds, 20);
    report_line(r, "decode, libpng", &t, 1, 0, 0);
    s->only_libpng = false;
    t = measure(decode, s, seconds, 20);
    report_line(r, "decode", &t, 1, 0, 0);
    t = measure(resize, s, seconds, 20);
    report_line(r, "resize 1024 to 256 and scale", &t, 1, 0, 0);
    t = measure(way_in, s, seconds, 3);
    report_line(r, "read, decode, resize, all cores", &t, (double)s->n_paths, 0, 0);
}

/* The data that the others are measured on: the weights, and x [32][256][256], y [32][14], logits [32][14] as raw float32. */
static void leave_behind(struct subject *s, const char *weights, const char *tensors)
{
    const struct iovec parts[] = { { s->x, BATCH * PLANE * sizeof(float) },
                                   { s->y, BATCH * N_NIH_LABELS * sizeof(float) },
                                   { s->logits, BATCH * N_NIH_LABELS * sizeof(float) } };
    struct error err = { 0 };

    forward_32(s);
    check(weights_save(s->model, weights, &err), &err);
    check(file_replace(tensors, parts, 3, &err), &err);
}

static void save_json(json_t *json, const char *path)
{
    if (json_dump_file(json, path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0) {
        fprintf(stderr, "bench: cannot write '%s'\n", path);
        exit(EXIT_FAILURE);
    }
}

int main(int argc, char **argv)
{
    const char *json = NULL, *weights = NULL, *tensors = NULL, *table = NULL;
    const size_t threads = cores_available();
    struct subject s = { 0 };
    struct report r = { 0 };
    struct rusage usage;
    char now[CLOCK_TEXT_SIZE];

    int i;

    for (i = 1; i + 1 < argc; i += 2) {
        const char **place = strcmp(argv[i], "--json") == 0      ? &json
                             : strcmp(argv[i], "--weights") == 0 ? &weights
                             : strcmp(argv[i], "--tensors") == 0 ? &tensors
                             : strcmp(argv[i], "--table") == 0   ? &table
                                                                 : NULL;

        if (!place)
            break;
        *place = argv[i + 1];
    }
    if (i >= argc || !weights != !tensors) {
        fprintf(
            stderr,
            "bench [--json FILE] [--weights FILE --tensors FILE] [--table FILE] IMAGE.png [IMAGE.png...]\n");
        return 2;
    }
    subject_make(&s, threads, argv + i, (size_t)(argc - i));
    if (weights)
        leave_behind(&s, weights, tensors);
    r.peak_1 = peak_gflops();
    r.peak_all = peak_gflops_shared(threads);
    r.json = json_pack("{s:s,s:s,s:s,s:s,s:I,s:f,s:f}", "date", clock_utc(now), "build", CXRD_BUILD, "simd",
                       cpu_simd(), "blas", cpu_blas(), "cores", (json_int_t)threads, "peak_gflops_1",
                       r.peak_1, "peak_gflops_all", r.peak_all);
    printf("%s, %zu cores, %s; peak %.0f GFLOP/s on one, %.0f on all\n\n", cpu_simd(), threads, cpu_blas(),
           r.peak_1, r.peak_all);
    printf("%-34s %9s %9s %9s %9s %8s\n", "", "median ms", "p99 ms", "images/s", "GFLOP/s", "of peak");
    run(&s, &r, 3);
    if (table) {
        const struct timing t = measure_table(table, 3);

        report_line(&r, "table read, filtered and split", &t, 1, 0, 0);
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("\nGFLOP by the definition of a convolution (%.2f an image forward, three times that a training "
           "step): a share of\n"
           "the peak above 100 %% is what Winograd's algorithm leaves out. Peak memory %ld MB.\n",
           FORWARD_GFLOP, usage.ru_maxrss / 1024);
    if (json)
        save_json(r.json, json);
    return EXIT_SUCCESS;
}
