/* model/kernels/cell.h - what the kernels of graphs share: where units lie, and activations. */
#ifndef MODEL_KERNELS_CELL_H
#define MODEL_KERNELS_CELL_H

#include "simd.h"

/* A pixel of a batch. */
struct cell {
    size_t image, row, column;
};

ALWAYS_INLINE struct cell cell_of_row(struct shape s, size_t row)
{
    return (struct cell){ row / s.h, row % s.h, 0 };
}

ALWAYS_INLINE struct cell cell_of_pixel(struct shape s, size_t pixel)
{
    struct cell at = cell_of_row(s, pixel / s.w);

    at.column = pixel % s.w;
    return at;
}

/* Floats of the panel from channel c on that are anybody's: its second vector may lie beyond the network's channels. */
ALWAYS_INLINE size_t panel_used(size_t channels, size_t unused, size_t c)
{
    return c + P == channels && unused >= VL ? VL : P;
}

ALWAYS_INLINE size_t view_at(const struct view *v, struct cell at)
{
    return at.image * v->image + at.row * v->row + at.column * v->pixel;
}

/* The part of a window that lies inside the picture, along one side: its cells begin..end-1. */
struct inside {
    size_t begin, end;
};

ALWAYS_INLINE struct inside inside_of(size_t result, size_t window, size_t stride, size_t dilation,
                                      size_t pad, size_t side)
{
    const size_t first = result * stride; /* the window's first cell, counted from the border's begin */
    size_t begin = pad > first ? pad - first : 0, end = side + pad > first ? side + pad - first : 0;

    if (dilation > 1) {
        begin = (begin + dilation - 1) / dilation;
        end = (end + dilation - 1) / dilation;
    }
    end = end < window ? end : window;
    return (struct inside){ begin < end ? begin : end, end };
}

ALWAYS_INLINE struct inside rows_inside(const struct geometry *g, size_t row)
{
    const struct window *k = &g->window;

    return inside_of(row, k->h, k->stride_h, k->dilation_h, k->top, g->in.h);
}

ALWAYS_INLINE struct inside columns_inside(const struct geometry *g, size_t column)
{
    const struct window *k = &g->window;

    return inside_of(column, k->w, k->stride_w, k->dilation_w, k->left, g->in.w);
}

/* The pixel that tap (u, v) of the window at a result reads; outside the picture its number wraps, and is then too large. */
ALWAYS_INLINE struct cell cell_of_tap(const struct window *k, struct cell at, size_t u, size_t v)
{
    return (struct cell){ at.image, at.row * k->stride_h + u * k->dilation_h - k->top,
                          at.column * k->stride_w + v * k->dilation_w - k->left };
}

/* The divisor of a window's sum in a mean. */
ALWAYS_INLINE float mean_area(const struct window *k, struct inside rows, struct inside columns)
{
    if (k->count_include_pad)
        return (float)(k->h * k->w);
    return (float)((rows.end - rows.begin) * (columns.end - columns.begin));
}

/* 0 of finite numbers, NaN of all others: added to a result, it keeps them from being lost. */
ALWAYS_INLINE vf not_finite(vf v) { return v - v; } /* NOLINT(misc-redundant-expression) */

/* NONE, RELU or RELU6. */
ALWAYS_INLINE vf clipped(vf v, enum activation activation)
{
    if (activation == ACT_RELU)
        return larger(v, (vf){ 0 }) + not_finite(v);
    if (activation == ACT_RELU6)
        return smaller(larger(v, (vf){ 0 }), (vf){ 0 } + 6) + not_finite(v);
    return v;
}

/* e to -x, to 2e-7 of it: 2^n times a polynomial in what is left of -x / ln 2, the best of its degree. An x beyond 87 counts as that,
 * of either sign; NaN too. */
ALWAYS_INLINE vf exp_of_minus(vf x)
{
    const vf low = larger(smaller(x, (vf){ 0 } + 87), (vf){ 0 } - 87);
    const vf n = low * -1.44269504f + 12582912; /* 1.5 * 2^23: a whole number in the lowest bits */
    const vf f = low * -1.44269504f - (n - 12582912);
    vf p = (vf){ 0 } + 1.326472731e-3f;

    p = p * f + 9.671512991e-3f;
    p = p * f + 5.550733581e-2f;
    p = p * f + 2.402224243e-1f;
    p = p * f + 6.931470037e-1f;
    p = p * f + 1;
    return (vf)((vi)p + ((vi)n << 23));
}

/* NaN: 0. */
ALWAYS_INLINE vf hard_sigmoid_of(vf v)
{
    return smaller(larger(v * (1.0f / 6) + 0.5f, (vf){ 0 }), (vf){ 0 } + 1);
}

/* Any: fastest where it is known when this is compiled. The limits are g's. */
ALWAYS_INLINE vf activated(vf v, const enum activation activation, const struct geometry *g)
{
    switch (activation) {
    case ACT_SIGMOID: return 1 / (1 + exp_of_minus(v)) + not_finite(v);
    case ACT_SILU: return v / (1 + exp_of_minus(v));
    case ACT_HARD_SWISH: return v * hard_sigmoid_of(v); /* infinity * 0 is NaN */
    case ACT_HARD_SIGMOID: return hard_sigmoid_of(v) + not_finite(v);
    case ACT_CLIP: return smaller(larger(v, (vf){ 0 } + g->low), (vf){ 0 } + g->high) + not_finite(v);
    case ACT_LEAKY_RELU: return (vf)(((vi)v & (v > 0)) | ((vi)(v * g->slope) & ~(v > 0)));
    case ACT_NONE:
    case ACT_RELU:
    case ACT_RELU6: break;
    }
    return clipped(v, activation);
}

/* Those whose results the kernels finish in registers. */
ALWAYS_INLINE bool is_frequent(enum activation a)
{
    return a <= ACT_RELU6 || a == ACT_SILU || a == ACT_HARD_SWISH;
}

/* The slope before the activation, NONE, RELU or RELU6, seen from its result y. */
ALWAYS_INLINE vf slope_before(const struct geometry *g, const float *y, const float *dy)
{
    if (g->activation == ACT_RELU)
        return where(load(y) > 0, load(dy));
    if (g->activation == ACT_RELU6)
        return where((load(y) > 0) & (load(y) < 6), load(dy));
    return load(dy);
}

#endif
