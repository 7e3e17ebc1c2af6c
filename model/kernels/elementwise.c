/* model/kernels/elementwise.c - steps that look at one pixel at a time: sum, product, normalisation, activation. */
#include "cell.h"

#include <math.h>

static float sigmoid(float x)
{
    const float e = expf(-fabsf(x)); /* never overflows */

    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

static vf sigmoids(vf v)
{
    for (size_t i = 0; i < VL; i++)
        v[i] = sigmoid(v[i]);
    return v;
}

ALWAYS_INLINE vf activated(vf v, enum activation activation)
{
    if (activation == ACT_SIGMOID)
        return sigmoids(v) + not_finite(v);
    if (activation == ACT_SILU)
        return v * sigmoids(v); /* -inf * 0 is NaN */
    if (activation == ACT_HARD_SWISH)
        return v * (clipped(v + 3, ACT_RELU6) / 6);
    return clipped(v, activation);
}

enum kind { ADD, MULTIPLY, NORM, ACTIVATE };

/* VL channels of a row: x, y and b point at its first pixel, scale and shift at the channels'. */
ALWAYS_INLINE void row_combined(const enum kind kind, const struct geometry *g, const struct operands *o)
{
    const vf scale = kind == NORM ? load(o->scale) : (vf){ 0 }, shift = kind == NORM ? load(o->shift) : scale;

    for (size_t j = 0; j < g->out.w; j++) {
        vf v = load(o->x + j * g->x.pixel);

        if (kind == ADD)
            v += load(o->b + j * g->b.pixel);
        if (kind == MULTIPLY)
            v *= load(o->b + j * g->b.pixel);
        if (kind == NORM)
            v = v * scale + shift;
        store(o->y + j * g->y.pixel, activated(v, g->activation));
    }
}

ALWAYS_INLINE void rows_combined(const enum kind kind, const struct geometry *g, size_t begin, size_t end,
                                 const struct operands *o)
{
    for (size_t c = 0; c < g->out.c; c += VL)
        for (size_t i = begin; i < end; i++) {
            const struct cell at = cell_of_row(g->out, i);
            struct operands row = { .x = o->x + view_at(&g->x, at) + c / P * g->x.panel + c % P,
                                    .y = o->y + view_at(&g->y, at) + c / P * g->y.panel + c % P };

            if (kind == ADD || kind == MULTIPLY)
                row.b = o->b + view_at(&g->b, at) + c / P * g->b.panel + c % P;
            if (kind == NORM) {
                row.scale = o->scale + c;
                row.shift = o->shift + c;
            }
            row_combined(kind, g, &row);
        }
}

#define ELEMENTWISE(name, kind)                                                                     \
    void KERNEL(name)(const struct geometry *g, size_t begin, size_t end, const struct operands *o, \
                      float *scratch)                                                               \
    {                                                                                               \
        (void)scratch;                                                                              \
        rows_combined(kind, g, begin, end, o);                                                      \
    }

ELEMENTWISE(add, ADD)
ELEMENTWISE(multiply, MULTIPLY)
ELEMENTWISE(norm, NORM)
ELEMENTWISE(activate, ACTIVATE)
