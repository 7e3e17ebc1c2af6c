/* model/kernels/filters_slope.c - the slope of a convolution's weights: what a tap sees of some pixels, transposed, times the slopes of
 * their results. Both are gathered into panel matrices first, so that the product is gemm_tn, which reads them once for every panel
 * of the other's channels. */
#include "cell.h"

#include <string.h>

/* Some results of the batch, and one after the other what the taps see there. */
struct strip {
    size_t begin, n; /* results, row by row */
    float *x, *dy;   /* [rows / P][n][P], [out.c / P][n][P] */
};

/* The results from the strip's t on that lie in one row; returns how many. */
ALWAYS_INLINE size_t row_part(const struct geometry *g, const struct strip *s, size_t t, struct cell *ret_at)
{
    const size_t left = s->n - t;

    *ret_at = cell_of_pixel(g->out, s->begin + t);
    return left < g->out.w - ret_at->column ? left : g->out.w - ret_at->column;
}

ALWAYS_INLINE void copy_cell(float *to, const float *from)
{
    store(to, load(from));
    store(to + VL, load(from + VL));
}

static void gather_dy(const struct geometry *g, const float *dy, const struct strip *s)
{
    struct cell at;
    size_t count;

    for (size_t t = 0; t < s->n; t += count) {
        count = row_part(g, s, t, &at);
        for (size_t c = 0; c < g->out.c; c += P) {
            const float *from = dy + view_at(&g->y, at) + c / P * g->y.panel;
            float *to = s->dy + panel_at(c / P, s->n, t);

            for (size_t i = 0; i < count; i++)
                copy_cell(to + i * P, from + i * g->y.pixel);
        }
    }
}

/* The pixels that tap (u, v) sees, 0 outside. */
static void gather_tap(const struct geometry *g, const float *x, size_t u, size_t v, const struct strip *s)
{
    static const float zeros[P] __attribute__((aligned(64)));
    const struct window *k = &g->window;
    struct cell at;
    size_t count;

    for (size_t t = 0; t < s->n; t += count) {
        size_t row;

        count = row_part(g, s, t, &at);
        row = cell_of_tap(k, at, u, v).row;
        for (size_t c = 0; c < g->in.c; c += P) {
            const float *from = x + at.image * g->x.image + c / P * g->x.panel;
            float *to = s->x + panel_at(c / P, s->n, t);
            size_t column = cell_of_tap(k, at, u, v).column;

            from += row < g->in.h ? row * g->x.row : 0;
            for (size_t i = 0; i < count; i++, column += k->stride_w)
                copy_cell(to + i * P, row < g->in.h && column < g->in.w ? from + column * g->x.pixel : zeros);
        }
    }
}

/* All that the window at result `t` of the strip sees of a thin picture, as a row of the matrix. */
static void gather_window(const struct geometry *g, const float *x, struct cell at, size_t t,
                          const struct strip *s)
{
    const struct window *k = &g->window;
    const size_t C = g->in.c;
    size_t at_row = 0;

    for (size_t u = 0; u < k->h; u++)
        for (size_t v = 0; v < k->w; v++) {
            const struct cell from = cell_of_tap(k, at, u, v);
            const bool inside = from.row < g->in.h && from.column < g->in.w;

            for (size_t c = 0; c < C; c++, at_row++)
                s->x[panel_at(at_row / P, s->n, t) + at_row % P] = inside ? x[view_at(&g->x, from) + c] : 0;
        }
}

static void gather_thin(const struct geometry *g, const float *x, size_t rows, const struct strip *s)
{
    struct cell at;
    size_t count;

    memset(s->x + panel_at(rows / P - 1, s->n, 0), 0, s->n * P * sizeof *x); /* beyond the last tap */
    for (size_t t = 0; t < s->n; t += count) {
        count = row_part(g, s, t, &at);
        for (size_t i = 0; i < count; i++, at.column++)
            gather_window(g, x, at, t + i, s);
    }
}

static void add_bias(const struct geometry *g, const struct strip *s, float *dbias)
{
    for (size_t c = 0; c < g->out.c; c += VL) {
        const float *dy = s->dy + panel_at(c / P, s->n, 0) + c % P;
        vf sum = { 0 };

        for (size_t t = 0; t < s->n; t++)
            sum += load(dy + t * P);
        store(dbias + c, load(dbias + c) + sum);
    }
}

static void add_strip(const struct geometry *g, const struct slopes *s, const struct strip *strip)
{
    const size_t O = g->out.c, rows = slope_matrix_of(P, g).rows;

    gather_dy(g, s->dy, strip);
    if (s->dbias)
        add_bias(g, strip, s->dbias);
    if (g->in.c < P) {
        gather_thin(g, s->x, rows, strip);
        KERNEL(gemm_tn)(strip->n, rows, O, strip->x, strip->dy, s->dw);
        return;
    }
    for (size_t u = 0; u < g->window.h; u++)
        for (size_t v = 0; v < g->window.w; v++) {
            gather_tap(g, s->x, u, v, strip);
            KERNEL(gemm_tn)
            (strip->n, rows, O, strip->x, strip->dy, s->dw + (u * g->window.w + v) * rows * O);
        }
}

void KERNEL(filters_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                           float *scratch)
{
    const size_t strips = (end - begin + SLOPE_STRIP - 1) / SLOPE_STRIP;
    const size_t rows = slope_matrix_of(P, g).rows;

    for (size_t i = 0; i < strips; i++) {
        const size_t first = begin + (end - begin) * i / strips;
        const struct strip strip = { .begin = first,
                                     .n = begin + (end - begin) * (i + 1) / strips - first,
                                     .x = scratch,
                                     .dy = scratch + SLOPE_STRIP * rows };

        add_strip(g, s, &strip);
    }
}
