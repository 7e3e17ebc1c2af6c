/* model/kernels/convolution.c - any convolution as matrix products without a copied matrix: a strip of pixels has for each tap
 * a pointer to what the tap sees there (Dukhan, "The indirect convolution algorithm", 2019; zeros where it is outside), and a
 * register tile multiplies by pointers. For 1x1 the pointers are the pixels themselves.
 *
 * Two cases are packed into scratch first. With a scale and a shift: once for all panels of results. A thin picture, one float a
 * pixel: a run is then a row of the window, contiguous where it lies, and packed only where it stands over the edge. */
#include "cell.h"

#include <assert.h>
#include <string.h>

#if VL == 16
enum { MR = 8 };
#else
enum { MR = 6 }; /* see gemm.c */
#endif

_Static_assert(STRIP % MR == 0, "a whole strip has no short tile");

static const float ZEROS[P] __attribute__((aligned(64)));

/* What the results of some pixels are summed over: `runs` times `size` floats, which lie in panels. */
struct strip {
    size_t n; /* pixels */
    size_t runs, size, panel;
    const float **from; /* [runs][STRIP]: a run's first float, or ZEROS */
    float *packed;
    size_t y[STRIP], b[STRIP];
};

static bool is_thin(const struct geometry *g) { return g->in.c < P; }

/* A row of the window in a thin picture. */
static const float *thin_run(const struct geometry *g, const float *x, struct cell at, size_t u,
                             float *packed)
{
    const struct window *k = &g->window;
    const struct inside rows = inside_of(at.row, k->h, k->stride, k->pad_h, g->in.h);
    const struct inside columns = inside_of(at.column, k->w, k->stride, k->pad_w, g->in.w);
    const struct cell first = { at.image, at.row * k->stride + u - k->pad_h,
                                at.column * k->stride + columns.begin - k->pad_w };
    const size_t before = columns.begin * g->in.c, size = (columns.end - columns.begin) * g->in.c;

    if (u < rows.begin || u >= rows.end || size == 0)
        return ZEROS;
    if (size == k->w * g->in.c)
        return x + view_at(&g->x, first);
    memset(packed, 0, k->w * g->in.c * sizeof *packed);
    memcpy(packed + before, x + view_at(&g->x, first), size * sizeof *packed);
    return packed;
}

static void thin_runs(const struct geometry *g, const float *x, struct cell at, size_t t, struct strip *s)
{
    const size_t room = (s->size + P - 1) / P * P;

    for (size_t u = 0; u < s->runs; u++)
        s->from[u * STRIP + t] = thin_run(g, x, at, u, s->packed + (u * STRIP + t) * room);
}

static void runs(const struct geometry *g, const float *x, struct cell at, size_t t, struct strip *s)
{
    const struct window *k = &g->window;
    const float **from = s->from + t;
    const size_t top = at.row * k->stride - k->pad_h, left = at.column * k->stride - k->pad_w;

    for (size_t row = top; row != top + k->h; row++) /* wraps above row 0, and is then >= in.h */
        for (size_t column = left; column != left + k->w; column++, from += STRIP) {
            const bool inside = row < g->in.h && column < g->in.w;

            *from = inside ? x + view_at(&g->x, (struct cell){ at.image, row, column }) : ZEROS;
        }
}

/* ReLU(x * scale + shift) of the strip's pixels, in panels of their own. */
static void strip_normalise(const struct geometry *g, const struct operands *o, struct strip *s)
{
    for (size_t c = 0; c < g->in.c; c += P) {
        const vf scale0 = load(o->scale + c), scale1 = load(o->scale + c + VL);
        const vf shift0 = load(o->shift + c), shift1 = load(o->shift + c + VL);

        for (size_t t = 0; t < s->n; t++) {
            const float *x = s->from[t] + c / P * s->panel;
            float *to = s->packed + (c / P * STRIP + t) * P;

            store(to, clipped(load(x) * scale0 + shift0, ACT_RELU));
            store(to + VL, clipped(load(x + VL) * scale1 + shift1, ACT_RELU));
        }
    }
    for (size_t t = 0; t < s->n; t++)
        s->from[t] = s->packed + t * P;
    s->panel = (size_t)STRIP * P;
}

static struct strip strip_of(const struct geometry *g, float *scratch)
{
    const struct window *k = &g->window;
    struct strip s = { .runs = k->h * k->w, .size = g->in.c, .panel = g->x.panel };

    if (is_thin(g)) {
        s.runs = k->h;
        s.size = k->w * g->in.c;
        s.panel = P;
    }
    s.from = (const float **)(void *)scratch;
    s.packed = scratch + k->h * k->w * STRIP * (sizeof(void *) / sizeof(float));
    return s;
}

static void strip_gather(const struct geometry *g, const struct operands *o, size_t begin, size_t n,
                         struct strip *s)
{
    struct cell at = cell_of_pixel(g->out, begin);

    s->n = n;
    for (size_t t = 0; t < n; t++, cell_step(g->out, &at)) {
        s->y[t] = view_at(&g->y, at);
        s->b[t] = o->b ? view_at(&g->b, at) : 0;
        if (is_thin(g))
            thin_runs(g, o->x, at, t, s);
        else
            runs(g, o->x, at, t, s);
    }
}

ALWAYS_INLINE void tile_sum(const size_t mr, const struct strip *s, size_t t, const float *w, vf sum[8][NV])
{
    const float *const *from = s->from + t;
    const float *a[8];

    for (size_t r = 0; r < mr; r++)
        sum[r][0] = sum[r][1] = (vf){ 0 };
    for (size_t run = 0; run < s->runs; run++, from += STRIP)
        for (size_t k = 0; k < s->size; k += P) {
            const size_t n = s->size - k < P ? s->size - k : P;

            for (size_t r = 0; r < mr; r++)
                a[r] = from[r] == ZEROS ? ZEROS : from[r] + k / P * s->panel;
            for (size_t i = 0; i < n; i++, w += P) {
                const vf w0 = load(w), w1 = load(w + VL);

#pragma GCC unroll 8
                for (size_t r = 0; r < mr; r++) {
                    sum[r][0] += a[r][i] * w0;
                    sum[r][1] += a[r][i] * w1;
                }
            }
        }
}

/* A register tile: `mr` pixels from the strip's t on, by the panel of results from channel c on. */
ALWAYS_INLINE void tile(const size_t mr, const struct geometry *g, const struct operands *o,
                        const struct strip *s, size_t t, size_t c)
{
    const vf bias0 = load(o->bias + c), bias1 = load(o->bias + c + VL);
    float *y = o->y + c / P * g->y.panel;
    const float *b = o->b ? o->b + c / P * g->b.panel : NULL;
    vf sum[8][NV];

    tile_sum(mr, s, t, o->w + c * s->runs * s->size, sum);
#pragma GCC unroll 8
    for (size_t r = 0; r < mr; r++) {
        vf first = sum[r][0] + bias0, second = sum[r][1] + bias1;

        if (b) {
            first += load(b + s->b[t + r]);
            second += load(b + s->b[t + r] + VL);
        }
        store(y + s->y[t + r], clipped(first, g->activation));
        store(y + s->y[t + r] + VL, clipped(second, g->activation));
    }
}

static void strip_multiply(const struct geometry *g, const struct operands *o, const struct strip *s)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        size_t t = 0;

        for (; t + MR <= s->n; t += MR)
            tile(MR, g, o, s, t, c);
        switch (s->n - t) { /* a constant each, so that the sums stay in registers */
        case 1: tile(1, g, o, s, t, c); break;
        case 2: tile(2, g, o, s, t, c); break;
        case 3: tile(3, g, o, s, t, c); break;
        case 4: tile(4, g, o, s, t, c); break;
        case 5: tile(5, g, o, s, t, c); break;
        case 6: tile(6, g, o, s, t, c); break;
        case 7: tile(7, g, o, s, t, c); break;
        default: break;
        }
    }
}

void KERNEL(convolution)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                         float *scratch)
{
    struct strip s = strip_of(g, scratch);

    assert(!o->scale || (s.runs == 1 && !is_thin(g) && g->window.pad_h == 0 && g->window.pad_w == 0));
    for (size_t i = begin; i < end; i += STRIP) {
        s.panel = is_thin(g) ? P : g->x.panel;
        strip_gather(g, o, i, end - i < STRIP ? end - i : STRIP, &s);
        if (o->scale)
            strip_normalise(g, o, &s);
        strip_multiply(g, o, &s);
    }
}
