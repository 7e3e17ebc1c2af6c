/* model/kernels/depthwise_slope.c - the slope of the weights of a convolution of each channel by itself. A row of results is summed by
 * itself before it joins the others: two short sums lose fewer digits than a long one. */
#include "cell.h"

/* The results of a row whose tap v lies inside the picture: begin..end-1. */
ALWAYS_INLINE struct inside columns_of(const struct geometry *g, size_t v)
{
    const struct window *k = &g->window;
    const size_t s = k->stride_w, at = v * k->dilation_w;
    const size_t begin = k->left > at ? (k->left - at + s - 1) / s : 0;
    const size_t end = g->in.w + k->left > at ? (g->in.w + k->left - at + s - 1) / s : 0;

    return (struct inside){ begin, end < g->out.w ? end : g->out.w };
}

/* A panel of a row of results, by one tap: x points at the row that it looks at. */
ALWAYS_INLINE void add_tap(const struct geometry *g, const float *x, const float *dy, size_t v, float *dw)
{
    const struct inside columns = columns_of(g, v);
    const size_t step = g->window.stride_w * g->x.pixel;
    vf sum[NV] = { { 0 } };

    if (columns.begin >= columns.end)
        return;
    x += cell_of_tap(&g->window, (struct cell){ 0, 0, columns.begin }, 0, v).column * g->x.pixel;
    for (size_t j = columns.begin; j < columns.end; j++, x += step)
        for (size_t i = 0; i < NV; i++)
            sum[i] += load(dy + j * g->y.pixel + i * VL) * load(x + i * VL);
    for (size_t i = 0; i < NV; i++)
        store(dw + i * VL, load(dw + i * VL) + sum[i]);
}

ALWAYS_INLINE void add_bias(const struct geometry *g, const float *dy, float *dbias)
{
    vf sum[NV] = { { 0 } };

    for (size_t j = 0; j < g->out.w; j++)
        for (size_t i = 0; i < NV; i++)
            sum[i] += load(dy + j * g->y.pixel + i * VL);
    for (size_t i = 0; i < NV; i++)
        store(dbias + i * VL, load(dbias + i * VL) + sum[i]);
}

void KERNEL(depthwise_slope)(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                             float *scratch)
{
    const struct window *k = &g->window;

    (void)scratch;
    for (size_t c = 0; c < g->out.c; c += P)
        for (size_t i = begin; i < end; i++) {
            const struct cell at = cell_of_row(g->out, i);
            const struct inside rows = rows_inside(g, at.row);
            const float *dy = s->dy + view_at(&g->y, at) + c / P * g->y.panel;

            if (s->dbias)
                add_bias(g, dy, s->dbias + c);
            for (size_t u = rows.begin; u < rows.end; u++) {
                const size_t row = cell_of_tap(k, at, u, 0).row;
                const float *x =
                    s->x + view_at(&g->x, (struct cell){ at.image, row, 0 }) + c / P * g->x.panel;

                for (size_t v = 0; v < k->w; v++)
                    add_tap(g, x, dy, v, s->dw + c * k->h * k->w + (u * k->w + v) * P);
            }
        }
}
