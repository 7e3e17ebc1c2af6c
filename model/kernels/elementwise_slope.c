/* model/kernels/elementwise_slope.c - the way back of steps that look at one pixel at a time. */
#include "cell.h"

ALWAYS_INLINE vf sigmoid_of(vf x) { return 1 / (1 + exp_of_minus(x)); }

ALWAYS_INLINE vf slope_at(vf x, vf dy, const enum activation activation, const struct geometry *g)
{
    switch (activation) {
    case ACT_RELU: return where(x > 0, dy);
    case ACT_RELU6: return where((x > 0) & (x < 6), dy);
    case ACT_HARD_SWISH: return where(x >= 3, dy) + where((x > -3) & (x < 3), dy * (2 * x + 3) / 6);
    case ACT_HARD_SIGMOID: return where((x > -3) & (x < 3), dy / 6);
    case ACT_SIGMOID: return dy * sigmoid_of(x) * sigmoid_of(-x); /* neither is rounded to 0 by the other */
    case ACT_SILU: return dy * sigmoid_of(x) * (1 + x * sigmoid_of(-x));
    case ACT_CLIP: return where((x > g->low) & (x < g->high), dy);
    case ACT_LEAKY_RELU: return where(x > 0, dy) + where(~(x > 0), dy * g->slope);
    case ACT_NONE: break;
    }
    return dy;
}

enum kind { ADD, MULTIPLY, ACTIVATE };

/* A panel of a row: x, dy and so on point at its first pixel. */
ALWAYS_INLINE void row_back(const enum kind kind, const enum activation activation, const struct geometry *g,
                            const struct slopes *s)
{
    for (size_t j = 0; j < g->out.w; j++)
        for (size_t i = 0; i < P; i += VL) {
            float *dx = s->dx + j * g->x.pixel + i;
            const vf dy = load(s->dy + j * g->y.pixel + i);

            if (kind == ADD)
                store(dx, load(dx) + slope_before(g, s->y + j * g->y.pixel + i, s->dy + j * g->y.pixel + i));
            else if (kind == MULTIPLY)
                store(dx, load(dx) + dy * load(s->b + j * g->b.pixel + i));
            else
                store(dx, load(dx) + slope_at(load(s->x + j * g->x.pixel + i), dy, activation, g));
        }
}

ALWAYS_INLINE void rows_back(const enum kind kind, const enum activation activation, const struct geometry *g,
                             size_t begin, size_t end, const struct slopes *s)
{
    for (size_t c = 0; c < g->out.c / P; c++)
        for (size_t i = begin; i < end; i++) {
            const struct cell at = cell_of_row(g->out, i);
            const size_t x = view_at(&g->x, at) + c * g->x.panel;
            struct slopes row = { .dy = s->dy + view_at(&g->y, at) + c * g->y.panel, .dx = s->dx + x };

            if (kind == ADD)
                row.y = s->y + view_at(&g->y, at) + c * g->y.panel;
            else if (kind == MULTIPLY)
                row.b = s->b + view_at(&g->b, at) + c * g->b.panel;
            else
                row.x = s->x + x;
            row_back(kind, activation, g, &row);
        }
}

void KERNEL(add_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                       float *scratch)
{
    (void)scratch;
    rows_back(ADD, ACT_NONE, g, begin, end, s);
}

void KERNEL(multiply_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                            float *scratch)
{
    (void)scratch;
    rows_back(MULTIPLY, ACT_NONE, g, begin, end, s);
}

void KERNEL(activate_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                            float *scratch)
{
    (void)scratch;
    if (g->activation == ACT_RELU)
        rows_back(ACTIVATE, ACT_RELU, g, begin, end, s);
    else
        rows_back(ACTIVATE, g->activation, g, begin, end, s);
}
