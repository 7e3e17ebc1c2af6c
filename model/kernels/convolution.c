/* model/kernels/convolution.c - any convolution as matrix products without a copied matrix: a strip of pixels has for each tap
 * a pointer to what the tap sees there (Dukhan, "The indirect convolution algorithm", 2019; zeros where it is outside), and a
 * register tile multiplies by pointers. For 1x1 the pointers are the pixels themselves.
 *
 * The next panel of channels is asked for before this one is multiplied: no processor guesses a step of 400 kB. Without that
 * 512 channels at 56 x 56 ran at 0.77 of the speed of 256, with it at 0.95.
 *
 * Two cases are packed into scratch first. With a scale and a shift: once for all panels of results. A thin picture, one float a
 * pixel: a run is then a row of the window, contiguous where it lies, and packed only where it stands over the edge. */
#include "cell.h"

#include <assert.h>
#include <string.h>

#if VL == 16
#define MR 8
#else
#define MR 6 /* see gemm.c */
#endif

_Static_assert(STRIP % MR == 0, "a whole strip has no short tile");

static const float ZEROS[P] __attribute__((aligned(64)));

/* The floats that some pixels' results are sums over: `runs` times `size` floats, which lie in panels. */
struct strip {
    size_t n; /* pixels */
    size_t runs, size, panel;
    size_t last;        /* floats of the last panel that count: what is behind them has zeros for weights */
    const float **from; /* [runs][LAST_STRIP]: a run's first float, or ZEROS */
    float *packed;
    size_t y[LAST_STRIP], b[LAST_STRIP];
};

static bool is_thin(const struct geometry *g) { return g->in.c < P; }

/* A row of a window that stands over the edge, or has gaps, in a thin picture: `from` is the first cell inside. Returns ret. */
static const float *pack(const struct geometry *g, const float *from, struct inside columns, size_t size,
                         float *ret)
{
    const size_t C = g->in.c, step = g->window.dilation_w, inside = columns.end - columns.begin;
    const size_t run = step > 1 ? 1 : inside; /* cells side by side */

    memset(ret, 0, size * sizeof *ret);
    for (size_t v = 0; v < inside; v += run)
        memcpy(ret + (columns.begin + v) * C, from + v * step * C, run * C * sizeof *ret);
    return ret;
}

/* Results of a row whose windows lie inside the picture from left to right, and have no gaps. */
static struct inside whole_windows(const struct geometry *g)
{
    const struct window *k = &g->window;
    const size_t begin = (k->left + k->stride_w - 1) / k->stride_w;
    const size_t end = g->in.w + k->left < k->w ? 0 : (g->in.w + k->left - k->w) / k->stride_w + 1;

    return (struct inside){ begin, k->dilation_w > 1 ? 0 : end };
}

/* One of the rows of a window over the strip's pixel t. */
static const float *thin_run(const struct geometry *g, const float *x, struct cell at, size_t u,
                             float *packed)
{
    const struct window *k = &g->window;
    const struct inside columns = columns_inside(g, at.column);
    const float *from;

    if (columns.begin == columns.end)
        return ZEROS;
    from = x + view_at(&g->x, cell_of_tap(k, at, u, columns.begin));
    if (columns.end - columns.begin == k->w && k->dilation_w == 1)
        return from;
    return pack(g, from, columns, k->w * g->in.c, packed);
}

/* `n` pixels of a row of results, from the strip's t on, in a thin picture: runs are the rows of the window. */
static void gather_thin(const struct geometry *g, const float *x, struct cell at, size_t n, size_t t,
                        struct strip *s)
{
    const struct inside rows = rows_inside(g, at.row), whole = whole_windows(g);
    const size_t room = (s->size + P - 1) / P * P, end = at.column + n;

    for (size_t u = 0; u < s->runs; u++) {
        const size_t first = u * LAST_STRIP + t;
        const float **from = s->from + first;
        const bool inside = u >= rows.begin && u < rows.end;

        for (struct cell a = at; a.column < end; a.column++, from++) {
            const size_t i = a.column - at.column;

            if (!inside)
                *from = ZEROS;
            else if (i > 0 && a.column > whole.begin && a.column < whole.end)
                *from = from[-1] + g->window.stride_w * g->x.pixel;
            else
                *from = thin_run(g, x, a, u, s->packed + (first + i) * room);
        }
    }
}

/* The same where runs are single taps. */
static void gather_wide(const struct geometry *g, const float *x, struct cell at, size_t n, size_t t,
                        struct strip *s)
{
    const struct window *k = &g->window;
    const float **from = s->from + t;
    struct cell tap = { at.image, at.row * k->stride_h - k->top,
                        0 }; /* wraps above row 0, and is then >= in.h */

    for (size_t u = 0; u < k->h; u++, tap.row += k->dilation_h)
        for (size_t v = 0; v < k->w; v++, from += LAST_STRIP) {
            const float *row = x + (tap.row < g->in.h ? view_at(&g->x, tap) : 0);
            size_t column = at.column * k->stride_w + v * k->dilation_w - k->left;

            for (size_t i = 0; i < n; i++, column += k->stride_w)
                from[i] = tap.row < g->in.h && column < g->in.w ? row + column * g->x.pixel : ZEROS;
        }
}

/* ReLU(x * scale + shift) of the strip's pixels, in panels of their own. */
static void strip_normalise(const struct geometry *g, const struct operands *o, struct strip *s)
{
    for (size_t c = 0; c < g->in.c; c += P) {
        const bool half = panel_used(g->in.c, g->unused_in, c) < P;
        const vf scale0 = load(o->scale + c), scale1 = load(o->scale + c + VL);
        const vf shift0 = load(o->shift + c), shift1 = load(o->shift + c + VL);

        for (size_t t = 0; t < s->n; t++) {
            const float *x = s->from[t] + c / P * s->panel;
            float *to = s->packed + (c / P * LAST_STRIP + t) * P;

            store(to, clipped(load(x) * scale0 + shift0, ACT_RELU));
            if (!half)
                store(to + VL, clipped(load(x + VL) * scale1 + shift1, ACT_RELU));
        }
    }
    for (size_t t = 0; t < s->n; t++)
        s->from[t] = s->packed + t * P;
    s->panel = (size_t)LAST_STRIP * P;
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
    s.last = s.size - (s.size - 1) / P * P - g->unused_in;
    s.from = (const float **)(void *)scratch;
    s.packed = scratch + k->h * k->w * LAST_STRIP * (sizeof(void *) / sizeof(float));
    return s;
}

/* Pixels begin..begin+n-1 of the batch, row by row of results. */
static void strip_gather(const struct geometry *g, const struct operands *o, size_t begin, size_t n,
                         struct strip *s)
{
    size_t count;

    s->n = n;
    for (size_t t = 0; t < n; t += count) {
        const struct cell at = cell_of_pixel(g->out, begin + t);
        const size_t y = view_at(&g->y, at), b = view_at(&g->b, at);

        count = n - t < g->out.w - at.column ? n - t : g->out.w - at.column;
        for (size_t i = 0; i < count; i++) {
            s->y[t + i] = y + i * g->y.pixel;
            s->b[t + i] = b + i * g->b.pixel;
        }
        (is_thin(g) ? gather_thin : gather_wide)(g, o->x, at, count, t, s);
    }
}

/* sum += the first `n` floats at each of a[mr], times n rows of weights; half: of the panel's first vector alone. */
ALWAYS_INLINE void tile_multiply(const size_t mr, const bool half, size_t n, const float *const a[MR],
                                 const float *w, vf sum[MR][NV])
{
    for (size_t i = 0; i < n; i++, w += P) {
        const vf w0 = load(w), w1 = half ? (vf){ 0 } : load(w + VL);

#pragma GCC unroll 8
        for (size_t r = 0; r < mr; r++) {
            sum[r][0] += a[r][i] * w0;
            if (!half)
                sum[r][1] += a[r][i] * w1;
        }
    }
}

/* One run: sum += its panels. */
ALWAYS_INLINE void tile_run(const size_t mr, const bool half, const struct strip *s, const float *const *from,
                            const float *w, vf sum[MR][NV])
{
    const float *a[MR];

    for (size_t r = 0; r < mr; r++)
        a[r] = from[r];
    for (size_t left = s->size; left > P; left -= P, w += (size_t)P * P) {
        for (size_t i = 0; i < mr * ((P + 15) / 16); i++)
            __builtin_prefetch(a[i % mr] + s->panel + i / mr * 16);
        tile_multiply(mr, half, P, a, w, sum);
        for (size_t r = 0; r < mr; r++)
            a[r] += from[r] == ZEROS ? 0 : s->panel;
    }
    tile_multiply(mr, half, s->last, a, w, sum);
}

ALWAYS_INLINE void tile_sum(const size_t mr, const bool half, const struct strip *s, size_t t, const float *w,
                            vf ret_sum[MR][NV])
{
    vf sum[MR][NV];

    for (size_t r = 0; r < mr; r++)
        sum[r][0] = sum[r][1] = (vf){ 0 };
    for (size_t run = 0; run < s->runs; run++)
        tile_run(mr, half, s, s->from + run * LAST_STRIP + t, w + run * s->size * P, sum);
    for (size_t r = 0; r < mr; r++) {
        ret_sum[r][0] = sum[r][0];
        ret_sum[r][1] = sum[r][1];
    }
}

/* The sums of `mr` pixels from the strip's t on: a constant for each number of pixels, so that the sums stay in registers. */
#if MR == 8
#define MORE_TILES(half)                            \
    case 6: tile_sum(6, half, s, t, w, sum); break; \
    case 7:                                         \
        tile_sum(7, half, s, t, w, sum);            \
        break;
#else
#define MORE_TILES(half)
#endif
#define TILE_SUMS(name, half)                                                                              \
    static __attribute__((noinline)) void name(size_t mr, const struct strip *s, size_t t, const float *w, \
                                               vf sum[MR][NV])                                             \
    {                                                                                                      \
        switch (mr) {                                                                                      \
        case 1: tile_sum(1, half, s, t, w, sum); break;                                                    \
        case 2: tile_sum(2, half, s, t, w, sum); break;                                                    \
        case 3: tile_sum(3, half, s, t, w, sum); break;                                                    \
        case 4: tile_sum(4, half, s, t, w, sum); break;                                                    \
        case 5:                                                                                            \
            tile_sum(5, half, s, t, w, sum);                                                               \
            break;                                                                                         \
            MORE_TILES(half)                                                                               \
        default: tile_sum(MR, half, s, t, w, sum); break;                                                  \
        }                                                                                                  \
    }

TILE_SUMS(tile_sums, false)
TILE_SUMS(tile_halves, true) /* the panel's second vector lies beyond the network's channels */

enum { MANY_WEIGHTS = 1 << 16 };

/* A panel of results, from channel c on. */
struct panel {
    const struct geometry *g;
    const struct strip *s;
    const float *w, *bias, *b;
    float *y;
    size_t ask; /* lines of the next panel's weights, for each P floats of a tile's runs */
};

static struct panel panel_of(const struct geometry *g, const struct operands *o, const struct strip *s,
                             size_t c)
{
    const size_t tiles = (s->n + MR - 1) / MR, weights = g->out.c * s->runs * s->size;

    assert(tiles > 0);
    return (struct panel){ .g = g,
                           .s = s,
                           .ask = weights < MANY_WEIGHTS ? 0 : ((size_t)P * P / 16 + tiles - 1) / tiles,
                           .w = o->w + c * s->runs * s->size,
                           .bias = o->bias + c,
                           .b = o->b ? o->b + c / P * g->b.panel : NULL,
                           .y = o->y + c / P * g->y.panel };
}

/* The ending of a pixel's sums, on the way to the results: VL of the panel's, from j on. */
ALWAYS_INLINE void half_finish(const enum activation activation, const struct panel *p, size_t t, size_t j,
                               vf sum)
{
    sum += load(p->bias + j);
    if (p->b)
        sum += load(p->b + p->s->b[t] + j);
    store(p->y + p->s->y[t] + j, activated(sum, activation, p->g));
}

ALWAYS_INLINE void pixel_finish(const enum activation activation, const bool half, const struct panel *p,
                                size_t t, vf sum0, vf sum1)
{
    half_finish(activation, p, t, 0, sum0);
    if (!half)
        half_finish(activation, p, t, VL, sum1);
}

/* Of fewer pixels, or with an activation that is rare. */
static void any_tile(const struct panel *p, bool half, size_t mr, size_t t)
{
    vf sum[MR][NV];

    (half ? tile_halves : tile_sums)(mr, p->s, t, p->w, sum);
    for (size_t r = 0; r < mr; r++)
        pixel_finish(p->g->activation, half, p, t + r, sum[r][0], sum[r][1]);
}

/* A whole tile, whose sums never leave the registers: what is made of them goes on beside the products of the next. They are variables,
 * since gcc 12 keeps an array of them in memory, which takes as long as 5 channels' products. */
#define FIRST_PIXELS(step, with) \
    step(0, with) step(1, with) step(2, with) step(3, with) step(4, with) step(5, with)
#if MR == 8
#define EACH_PIXEL(step, with) FIRST_PIXELS(step, with) step(6, with) step(7, with)
#else
#define EACH_PIXEL FIRST_PIXELS
#endif
#define PIXEL_BEGIN(r, unused) vf low##r = { 0 }, high##r = { 0 };
#define PIXEL_FROM(r, from)    const float *x##r = (from)[r];
#define PIXEL_ASK(r, panel)            \
    for (size_t i = 0; i < P; i += 16) \
        __builtin_prefetch(x##r + (panel) + i);
#define PIXEL_ADD(r, i)     \
    low##r += x##r[i] * w0; \
    if (!half)              \
        high##r += x##r[i] * w1;
#define PIXEL_NEXT(r, from)   x##r += (from)[r] == ZEROS ? 0 : s->panel;
#define PIXEL_FINISH(r, what) pixel_finish(what, half, p, t + (r), low##r, high##r);

/* NOLINTNEXTLINE(readability-function-*): counted with each pixel's lines written out */
ALWAYS_INLINE void tile_whole(const bool half, const struct panel *p, size_t t)
{
    const struct strip *s = p->s;
    const enum activation activation = p->g->activation;
    const float *w = p->w, *ask = w + s->runs * s->size * P + t / MR * s->runs * (s->size / P) * p->ask * 16;

    EACH_PIXEL(PIXEL_BEGIN, )
    for (size_t run = 0; run < s->runs; run++) {
        const float *const *from = s->from + run * LAST_STRIP + t;

        EACH_PIXEL(PIXEL_FROM, from)
        for (size_t left = s->size;; left -= P) {
            const size_t n = left > P ? P : s->last;

            if (left > P) {
                EACH_PIXEL(PIXEL_ASK, s->panel)
                for (size_t i = 0; i < p->ask; i++, ask += 16)
                    __builtin_prefetch(ask, 0, 2);
            }
            for (size_t i = 0; i < n; i++) {
                const vf w0 = load(w + i * P), w1 = half ? (vf){ 0 } : load(w + i * P + VL);

                EACH_PIXEL(PIXEL_ADD, i)
            }
            if (left <= P)
                break;
            w += (size_t)P * P;
            EACH_PIXEL(PIXEL_NEXT, from)
        }
        w = p->w + (run + 1) * s->size * P;
    }
    if (activation == ACT_RELU) {
        EACH_PIXEL(PIXEL_FINISH, ACT_RELU)
    } else if (activation == ACT_RELU6) {
        EACH_PIXEL(PIXEL_FINISH, ACT_RELU6)
    } else if (activation == ACT_SILU) {
        EACH_PIXEL(PIXEL_FINISH, ACT_SILU)
    } else if (activation == ACT_HARD_SWISH) {
        EACH_PIXEL(PIXEL_FINISH, ACT_HARD_SWISH)
    } else {
        EACH_PIXEL(PIXEL_FINISH, ACT_NONE)
    }
}

static __attribute__((noinline)) void whole_tile(const struct panel *p, size_t t) { tile_whole(false, p, t); }
static __attribute__((noinline)) void whole_half(const struct panel *p, size_t t) { tile_whole(true, p, t); }

static void strip_multiply(const struct geometry *g, const struct operands *o, const struct strip *s)
{
    const bool frequent = is_frequent(g->activation);

    for (size_t c = 0; c < g->out.c; c += P) {
        const struct panel p = panel_of(g, o, s, c);
        const bool half = panel_used(g->out.c, g->unused_out, c) < P;

        for (size_t t = 0; t < s->n; t += MR)
            if (frequent && t + MR <= s->n)
                (half ? whole_half : whole_tile)(&p, t);
            else
                any_tile(&p, half, s->n - t < MR ? s->n - t : MR, t);
    }
}

void KERNEL(convolution)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                         float *scratch)
{
    struct strip s = strip_of(g, scratch);

    assert(!o->scale || (s.runs == 1 && !is_thin(g) && g->window.top == 0 && g->window.left == 0));
    for (size_t i = begin; i < end; i += s.n) {
        s.panel = is_thin(g) ? P : g->x.panel;
        strip_gather(g, o, i, end - i <= LAST_STRIP ? end - i : STRIP, &s);
        if (o->scale)
            strip_normalise(g, o, &s);
        strip_multiply(g, o, &s);
    }
}
