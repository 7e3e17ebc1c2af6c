/* model/kernels/pooling.c - the largest cell or the mean of windows, and of whole pictures. */
#include "cell.h"

enum pool_kind { POOL_MAX, POOL_MEAN };

/* The window at a result, for VL channels; x: those of pixel (0, 0). Comparing would lose what is no finite number. */
ALWAYS_INLINE vf pooled(const enum pool_kind kind, const struct geometry *g, const float *x, struct cell at)
{
    const struct window *k = &g->window;
    const struct inside rows = rows_inside(g, at.row), columns = columns_inside(g, at.column);
    const size_t down = k->dilation_h * g->x.row, right = k->dilation_w * g->x.pixel;
    vf best, sum = { 0 };

    x += view_at(&g->x, cell_of_tap(k, at, rows.begin, columns.begin));
    best = load(x);
    for (size_t u = rows.begin; u < rows.end; u++, x += down)
        for (size_t v = 0; v < columns.end - columns.begin; v++) {
            const vf cell = load(x + v * right);

            best = larger(best, cell);
            sum += kind == POOL_MAX ? not_finite(cell) : cell;
        }
    return kind == POOL_MAX ? best + sum : sum / mean_area(k, rows, columns);
}

ALWAYS_INLINE void rows_pooled(const enum pool_kind kind, const struct geometry *g, size_t begin, size_t end,
                               const struct operands *o)
{
    for (size_t c = 0; c < g->out.c; c += P) {
        const size_t used = panel_used(g->out.c, g->unused_out, c);
        const float *x = o->x + c / P * g->x.panel;
        float *y = o->y + c / P * g->y.panel;

        for (size_t i = begin; i < end; i++)
            for (struct cell at = cell_of_row(g->out, i); at.column < g->out.w; at.column++)
                for (size_t j = 0; j < used; j += VL)
                    store(y + view_at(&g->y, at) + j, pooled(kind, g, x + j, at));
    }
}

void KERNEL(max_pool)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                      float *scratch)
{
    (void)scratch;
    rows_pooled(POOL_MAX, g, begin, end, o);
}

void KERNEL(mean_pool)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                       float *scratch)
{
    (void)scratch;
    rows_pooled(POOL_MEAN, g, begin, end, o);
}

/* A row is summed by itself before it joins the others: two short sums lose fewer digits than a long one. */
ALWAYS_INLINE vf picture_sum(const struct geometry *g, const float *x)
{
    vf sum = { 0 };

    for (size_t i = 0; i < g->in.h; i++, x += g->x.row) {
        vf row = { 0 };

        for (size_t j = 0; j < g->in.w; j++)
            row += load(x + j * g->x.pixel);
        sum += row;
    }
    return sum;
}

void KERNEL(global_mean)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                         float *scratch)
{
    const size_t panels = g->in.c / P;
    const float area = (float)(g->in.h * g->in.w);

    (void)scratch;
    for (size_t i = begin; i < end; i++) {
        const float *x = o->x + i / panels * g->x.image + i % panels * g->x.panel;
        float *y = o->y + i / panels * g->y.image + i % panels * g->y.panel;

        for (size_t j = 0; j < panel_used(g->in.c, g->unused_in, i % panels * P); j += VL)
            store(y + j, picture_sum(g, x + j) / area);
    }
}
