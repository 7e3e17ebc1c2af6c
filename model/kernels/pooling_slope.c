/* model/kernels/pooling_slope.c - the way back of pools. Which cell won is seen by comparing once more: that costs less than to keep a
 * byte for each result. */
#include "cell.h"

enum pool_kind { POOL_MAX, POOL_MEAN };

/* One result, VL channels: x and dx point at those of pixel (0, 0). */
ALWAYS_INLINE void add_window(const enum pool_kind kind, const struct geometry *g, const float *x, vf y,
                              vf dy, struct cell at, float *dx)
{
    const struct window *k = &g->window;
    const struct inside rows = rows_inside(g, at.row), columns = columns_inside(g, at.column);
    const size_t down = k->dilation_h * g->x.row, right = k->dilation_w * g->x.pixel;
    const size_t origin = view_at(&g->x, cell_of_tap(k, at, rows.begin, columns.begin));
    const vf share = dy / (kind == POOL_MAX ? 1 : mean_area(k, rows, columns));
    vi open = ~(vi){ 0 }; /* nobody has won yet */

    for (size_t u = 0; u < rows.end - rows.begin; u++)
        for (size_t v = 0; v < columns.end - columns.begin; v++) {
            const size_t cell = origin + u * down + v * right;
            vf slope = share;

            if (kind == POOL_MAX) {
                const vi won = (load(x + cell) == y) & open;

                slope = where(won, share);
                open &= ~won;
            }
            store(dx + cell, load(dx + cell) + slope);
        }
}

ALWAYS_INLINE void rows_back(const enum pool_kind kind, const struct geometry *g, size_t begin, size_t end,
                             const struct slopes *s)
{
    for (size_t c = 0; c < g->out.c; c += VL) {
        const size_t in = c / P * g->x.panel + c % P, out = c / P * g->y.panel + c % P;

        for (size_t i = begin; i < end; i++)
            for (struct cell at = cell_of_row(g->out, i); at.column < g->out.w; at.column++) {
                const size_t from = view_at(&g->y, at) + out;

                add_window(kind, g, kind == POOL_MAX ? s->x + in : NULL,
                           kind == POOL_MAX ? load(s->y + from) : (vf){ 0 }, load(s->dy + from), at,
                           s->dx + in);
            }
    }
}

void KERNEL(max_pool_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                            float *scratch)
{
    (void)scratch;
    rows_back(POOL_MAX, g, begin, end, s);
}

void KERNEL(mean_pool_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                             float *scratch)
{
    (void)scratch;
    rows_back(POOL_MEAN, g, begin, end, s);
}
