/* model/kernels/elementwise.c - steps that look at one pixel at a time: sum, product, normalisation, activation. */
#include "cell.h"

enum kind { ADD, MULTIPLY, NORM, ACTIVATE };

/* n vectors of a panel of a row: x, y and b point at its first pixel, scale and shift at its channels'. */
ALWAYS_INLINE void row_combined(const enum kind kind, const size_t n, const struct geometry *g,
                                const struct operands *o)
{
    vf scale[NV], shift[NV];

    for (size_t i = 0; i < n && kind == NORM; i++) {
        scale[i] = load(o->scale + i * VL);
        shift[i] = load(o->shift + i * VL);
    }
    for (size_t j = 0; j < g->out.w; j++)
        for (size_t i = 0; i < n; i++) {
            vf v = load(o->x + j * g->x.pixel + i * VL);

            if (kind == ADD)
                v += load(o->b + j * g->b.pixel + i * VL);
            if (kind == MULTIPLY)
                v *= load(o->b + j * g->b.pixel + i * VL);
            if (kind == NORM)
                v = v * scale[i] + shift[i];
            store(o->y + j * g->y.pixel + i * VL, activated(v, g->activation, g));
        }
}

ALWAYS_INLINE void rows_combined(const enum kind kind, const struct geometry *g, size_t begin, size_t end,
                                 const struct operands *o)
{
    for (size_t c = 0; c < g->out.c; c += P)
        for (size_t i = begin; i < end; i++) {
            const struct cell at = cell_of_row(g->out, i);
            struct operands row = { .x = o->x + view_at(&g->x, at) + c / P * g->x.panel,
                                    .y = o->y + view_at(&g->y, at) + c / P * g->y.panel };

            if (kind == ADD || kind == MULTIPLY)
                row.b = o->b + view_at(&g->b, at) + c / P * g->b.panel;
            if (kind == NORM) {
                row.scale = o->scale + c;
                row.shift = o->shift + c;
            }
            if (panel_used(g->out.c, g->unused_out, c) == P)
                row_combined(kind, NV, g, &row);
            else
                row_combined(kind, 1, g, &row);
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
