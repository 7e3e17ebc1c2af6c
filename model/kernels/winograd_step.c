/* model/kernels/winograd_step.c - F(4x4, 3x3) as a step of a graph, forward and backward: from view to view, without a pool. See
 * winograd.c. */
#include "int12.h"

#include <assert.h>

/* The first result of a tile of the batch. */
ALWAYS_INLINE struct cell cell_of_tile(const struct geometry *g, size_t tile)
{
    const struct shape tiles = { 0, (g->out.h + T4 - 1) / T4, (g->out.w + T4 - 1) / T4 };
    const struct cell at = cell_of_pixel(tiles, tile);

    return (struct cell){ at.image, at.row * T4, at.column * T4 };
}

/* Where a tile's inputs lie. */
struct tile_at {
    ptrdiff_t first; /* its first input, which need not be inside */
    struct tile_inside in;
    bool whole; /* all of it is inside */
};

ALWAYS_INLINE struct tile_at tile_at(const struct geometry *g, struct cell at)
{
    const struct window *k = &g->window;
    const ptrdiff_t top = (ptrdiff_t)at.row - (ptrdiff_t)k->top;
    const ptrdiff_t left = (ptrdiff_t)at.column - (ptrdiff_t)k->left;
    struct tile_at t = {
        (ptrdiff_t)(at.image * g->x.image) + top * (ptrdiff_t)g->x.row + left * (ptrdiff_t)g->x.pixel,
        { inside_of(at.row, T6, 1, 1, k->top, g->in.h), inside_of(at.column, T6, 1, 1, k->left, g->in.w) },
        false
    };

    t.whole = t.in.rows.end - t.in.rows.begin == T6 && t.in.columns.end - t.in.columns.begin == T6;
    return t;
}

ALWAYS_INLINE void tile_inputs(const struct geometry *g, const float *x, const struct tile_inside *in,
                               float *v, size_t T, size_t step)
{
    for (size_t c = 0; c < g->in.c; c += VL)
        input_tile(x + c / P * g->x.panel + c % P, g->x.row, g->x.pixel, in,
                   v + panel_at(c / P, T, 0) + c % P, step);
}

static void input_transform(const struct geometry *g, size_t begin, size_t T, const float *x, float *v)
{
    const size_t step = matrix_step(T, g->in.c);

    for (size_t t = 0; t < T; t++, v += P) {
        const struct tile_at at = tile_at(g, cell_of_tile(g, begin + t));

        if (at.whole)
            tile_inputs(g, x + at.first, NULL, v, T, step);
        else
            tile_inputs(g, x + at.first, &at.in, v, T, step);
    }
}

/* A tile's results for VL channels: y and b point at the first. */
ALWAYS_INLINE void tile_results(const struct geometry *g, vf r[T4][T4], size_t rows, size_t columns,
                                const float *b, float *y)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            if (b)
                r[i][j] += load(b + i * g->b.row + j * g->b.pixel);
            store(y + i * g->y.row + j * g->y.pixel, activated(r[i][j], g->activation, g));
        }
}

static void output_transform(const struct geometry *g, size_t begin, size_t T, const float *m,
                             const struct operands *o)
{
    const size_t step = matrix_step(T, g->out.c);

    for (size_t t = 0; t < T; t++) {
        const struct cell at = cell_of_tile(g, begin + t);
        const size_t rows = g->out.h - at.row, columns = g->out.w - at.column;
        float *y = o->y + view_at(&g->y, at);
        const float *b = o->b ? o->b + view_at(&g->b, at) : NULL;

        for (size_t c = 0; c < g->out.c; c += VL) {
            vf r[T4][T4];

            result_tile(m + panel_at(c / P, T, t) + c % P, step, load(o->bias + c), r);
            tile_results(g, r, rows < T4 ? rows : T4, columns < T4 ? columns : T4,
                         b ? b + c / P * g->b.panel + c % P : NULL, y + c / P * g->y.panel + c % P);
        }
    }
}

static bool is_for_tiles(const struct geometry *g)
{
    const struct window *k = &g->window;

    return k->h == 3 && k->w == 3 && k->stride_h == 1 && k->stride_w == 1 && k->dilation_h == 1 &&
           k->dilation_w == 1 && g->in.c % P == 0;
}

void KERNEL(winograd)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                      float *scratch)
{
    const size_t C = g->in.c, O = g->out.c;

    assert(is_for_tiles(g) && !o->scale);
    for (size_t i = begin; i < end; i += TILE_BLOCK) {
        const size_t T = end - i < TILE_BLOCK ? end - i : TILE_BLOCK;
        float *v = scratch, *m = scratch + WINOGRAD_POINTS * matrix_step(T, C);

        input_transform(g, i, T, o->x, v);
        for (size_t p = 0; p < WINOGRAD_POINTS; p++)
            KERNEL(gemm_nn)
        (T, C, O, v + p * matrix_step(T, C), o->w + p * g->w_step, m + p * matrix_step(T, O));
        output_transform(g, i, T, m, o);
    }
}

static void input_round(const struct geometry *g, size_t begin, size_t T, const float *x,
                        const struct int12_scratch *s)
{
    const size_t step = matrix_step(1, g->in.c);

    for (size_t t = 0; t < T; t++) {
        const struct tile_at at = tile_at(g, cell_of_tile(g, begin + t));

        if (at.whole)
            tile_inputs(g, x + at.first, NULL, s->tile, 1, step);
        else
            tile_inputs(g, x + at.first, &at.in, s->tile, 1, step);
        tile_round(s, T, g->in.c, t);
    }
}

void KERNEL(winograd_int12)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                            float *scratch)
{
    const size_t C = g->in.c, O = g->out.c;

    assert(is_for_tiles(g) && !o->scale);
    for (size_t i = begin; i < end; i += TILE_BLOCK) {
        const size_t T = end - i < TILE_BLOCK ? end - i : TILE_BLOCK;
        const struct int12_scratch s = int12_scratch(scratch, T, C, O);

        input_round(g, i, T, o->x, &s);
        int12_multiply(&s, T, C, O, &o->int12);
        output_transform(g, i, T, s.m, o);
    }
}

/* ---- backward ---- */

/* D for VL channels of a tile, and its slopes' sum for the bias; dy points at its first result. */
ALWAYS_INLINE vf tile_slopes(const struct geometry *g, const float *dy, size_t rows, size_t columns, float *d,
                             size_t step)
{
    vf y[T4][T4], sum = { 0 };

    for (size_t i = 0; i < T4; i++)
        for (size_t j = 0; j < T4; j++) {
            y[i][j] = i < rows && j < columns ? load(dy + i * g->y.row + j * g->y.pixel) : (vf){ 0 };
            sum += y[i][j];
        }
    slope_tile(y, d, step);
    return sum;
}

static void slope_transform(const struct geometry *g, size_t begin, size_t T, const struct slopes *s,
                            float *d)
{
    const size_t step = matrix_step(T, g->out.c);

    for (size_t t = 0; t < T; t++) {
        const struct cell at = cell_of_tile(g, begin + t);
        const float *dy = s->dy + view_at(&g->y, at);

        for (size_t c = 0; c < g->out.c; c += VL) {
            const vf sum = tile_slopes(g, dy + c / P * g->y.panel + c % P, g->out.h - at.row,
                                       g->out.w - at.column, d + panel_at(c / P, T, t) + c % P, step);

            if (s->dbias)
                store(s->dbias + c, load(s->dbias + c) + sum);
        }
    }
}

static void data_transform(const struct geometry *g, size_t begin, size_t T, const float *dv, float *dx)
{
    const size_t step = matrix_step(T, g->in.c);

    for (size_t t = 0; t < T; t++, dv += P) {
        const struct tile_at at = tile_at(g, cell_of_tile(g, begin + t));

        for (size_t c = 0; c < g->in.c; c += VL)
            data_tile(dv + panel_at(c / P, T, 0) + c % P, step, g->x.row, g->x.pixel,
                      at.whole ? NULL : &at.in, dx + at.first + c / P * g->x.panel + c % P);
    }
}

void KERNEL(winograd_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                            float *scratch)
{
    const size_t C = g->in.c, O = g->out.c;

    for (size_t i = begin; i < end; i += TILE_BLOCK) {
        const size_t T = end - i < TILE_BLOCK ? end - i : TILE_BLOCK;
        const size_t v_step = matrix_step(T, C), d_step = matrix_step(T, O);
        float *v = scratch, *d = v + WINOGRAD_POINTS * v_step;

        input_transform(g, i, T, s->x, v);
        slope_transform(g, i, T, s, d);
        for (size_t p = 0; p < WINOGRAD_POINTS; p++) {
            KERNEL(gemm_tn)(T, C, O, v + p * v_step, d + p * d_step, s->dw + p * C * O);
            if (s->dx) /* V is done with: dV takes its place */
                KERNEL(gemm_nn)(T, O, C, d + p * d_step, s->w + p * C * O, v + p * v_step);
        }
        if (s->dx)
            data_transform(g, i, T, v, s->dx);
    }
}
