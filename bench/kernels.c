/* bench/kernels.c - how fast are the kernels of graphs? One thread, the least processor time of many runs, beside the most that
 * the processor can multiply and add: shares of it are what compares machines.
 *
 *   cmake --build --preset release --target bench_kernels && build/release/bench_kernels
 *
 * CXRD_SIMD chooses the instruction set. Rates count the definition's multiplications, so Winograd's may exceed the peak. */
#include "bench.h"

#include "cxrd/rng.h"
#include "model/core/floats.h"
#include "model/kernels/kernels.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum kernel { CONVOLUTION, WINOGRAD, DEPTHWISE };
static const char *const KERNELS[] = { "convolution", "winograd", "depthwise" };

struct row {
    enum kernel kernel;
    size_t n, in, out, side, window, stride;
    bool normalised, residual;
};

static const struct row ROWS[] = {
    /* DenseNet-121: 1x1 behind a normalisation, 3x3 of 128 to 32, and its first */
    { CONVOLUTION, 1, 256, 128, 56, 1, 1, true, false },
    { CONVOLUTION, 1, 512, 128, 28, 1, 1, true, false },
    { CONVOLUTION, 1, 1024, 128, 14, 1, 1, true, false },
    { CONVOLUTION, 1, 1024, 128, 7, 1, 1, true, false },
    { WINOGRAD, 1, 128, 32, 56, 3, 1, false, false },
    { WINOGRAD, 1, 128, 32, 28, 3, 1, false, false },
    { WINOGRAD, 1, 128, 32, 14, 3, 1, false, false },
    { WINOGRAD, 1, 128, 32, 7, 3, 1, false, false },
    { CONVOLUTION, 1, 128, 32, 28, 3, 1, false, false },
    { CONVOLUTION, 1, 1, 64, 224, 7, 2, false, false },
    /* ResNet-50 */
    { CONVOLUTION, 1, 64, 256, 56, 1, 1, false, true },
    { CONVOLUTION, 1, 256, 512, 56, 1, 2, false, false },
    { CONVOLUTION, 1, 128, 128, 56, 3, 2, false, false },
    { CONVOLUTION, 1, 512, 2048, 7, 1, 1, false, true },
    { WINOGRAD, 1, 512, 512, 7, 3, 1, false, false },
    { WINOGRAD, 8, 512, 512, 7, 3, 1, false, false },
    /* MobileNetV2 */
    { CONVOLUTION, 1, 96, 24, 56, 1, 1, false, false },
    { DEPTHWISE, 1, 96, 96, 112, 3, 2, false, false },
    { DEPTHWISE, 1, 192, 192, 28, 3, 1, false, false },
};
enum { N_ROWS = sizeof ROWS / sizeof ROWS[0], RUNS = 50 };

static double thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *drawn(size_t n)
{
    float *v = floats_new(n);
    struct rng rng;

    assert(v);
    rng_seed(&rng, 1, n);
    for (size_t i = 0; i < n; i++)
        v[i] = rng_uniform(&rng, -1, 1);
    return v;
}

static struct view panels(struct shape s, size_t P)
{
    if (s.c < P) /* thin */
        return (struct view){ s.c, s.w * s.c, 0, shape_size(s) };
    return (struct view){ P, s.w * P, s.h * s.w * P, shape_size(s) };
}

static struct geometry geometry_of(const struct row *r, size_t P)
{
    const size_t side = (r->side - 1) / r->stride + 1, pad = r->window / 2;
    const size_t in = r->in < 4 ? r->in : (r->in + P - 1) / P * P, out = (r->out + P - 1) / P * P;
    struct geometry g = { .in = { in, r->side, r->side },
                          .out = { out, side, side },
                          .window = WINDOW(r->window, r->window, r->stride, pad, pad),
                          .activation = ACT_RELU };

    g.x = panels(g.in, P);
    g.y = g.b = panels(g.out, P);
    g.w_step = g.in.c * g.out.c;
    return g;
}

static double least_seconds(const struct row *r, const struct geometry *g, const struct operands *o,
                            float *scratch)
{
    const struct kernels *k = kernels();
    graph_kernel *const kernel[] = { k->convolution, k->winograd, k->depthwise };
    const size_t tiles = (g->out.h + WINOGRAD_TILE - 1) / WINOGRAD_TILE;
    const size_t units[] = { g->out.h * g->out.w, tiles * tiles, g->out.h };
    double least = 1e9;

    for (size_t i = 0; i < RUNS; i++) {
        const double begin = thread_seconds();
        double seconds;

        kernel[r->kernel](g, 0, r->n * units[r->kernel], o, scratch);
        seconds = thread_seconds() - begin;
        least = seconds < least ? seconds : least;
    }
    return least;
}

static double row_seconds(const struct row *r)
{
    const struct geometry g = geometry_of(r, kernels()->panel);
    const size_t taps = r->window * r->window, points = r->kernel == WINOGRAD ? WINOGRAD_POINTS : taps;
    float *x = drawn(r->n * shape_size(g.in)), *b = drawn(r->n * shape_size(g.out)), *bias = drawn(g.out.c);
    float *w = drawn(points * g.out.c * (r->kernel == DEPTHWISE ? 1 : g.in.c)),
          *y = drawn(r->n * shape_size(g.out));
    float *scale = drawn(g.in.c), *scratch = drawn(winograd_scratch(&g) + convolution_scratch(&g));
    const struct operands o = { .x = x,
                                .b = r->residual ? b : NULL,
                                .w = w,
                                .bias = bias,
                                .scale = r->normalised ? scale : NULL,
                                .shift = r->normalised ? scale : NULL,
                                .y = y };
    const double seconds = least_seconds(r, &g, &o, scratch);
    float *const blocks[] = { x, b, bias, w, y, scale, scratch };

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        free(blocks[i]);
    return seconds;
}

int main(void)
{
    const double peak = peak_gflops();

    printf("%s, peak %.1f GFLOP/s\n", kernels()->name, peak);
    printf("kernel       images   in    out   side window stride        ms  GFLOP/s  of peak\n");
    for (size_t i = 0; i < N_ROWS; i++) {
        const struct row *r = &ROWS[i];
        const double side = (double)((r->side - 1) / r->stride + 1), seconds = row_seconds(r);
        const double products = (double)(r->n * r->out * r->window * r->window) * side * side *
                                (r->kernel == DEPTHWISE ? 1 : (double)r->in);

        printf("%-11s %7zu %5zu %5zu %6zu %6zu %6zu %9.3f %8.1f %7.0f%%%s%s\n", KERNELS[r->kernel], r->n,
               r->in, r->out, r->side, r->window, r->stride, seconds * 1e3, 2e-9 * products / seconds,
               200e-9 * products / seconds / peak, r->normalised ? "  normalised" : "",
               r->residual ? "  residual" : "");
    }
    return 0;
}
