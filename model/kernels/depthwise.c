/* model/kernels/depthwise.c - convolution of each channel by itself: a vector is a pixel's channels, nothing is summed across
 * it. A row's pixels go by in tiles of four where their windows lie inside the picture from left to right, else one by one. */
#include "cell.h"

enum { PIXELS = 4 };

/* `n` pixels of a panel; x: the first cell of the first one's window, which need not be inside. */
ALWAYS_INLINE void tile_sum(const size_t n, const struct geometry *g, const float *x, struct inside rows,
                            struct inside columns, const float *w, vf sum[PIXELS][NV])
{
    const struct window *k = &g->window;
    const size_t down = k->dilation_h * g->x.row, right = k->dilation_w * g->x.pixel;

    for (size_t r = 0; r < n; r++)
        sum[r][0] = sum[r][1] = (vf){ 0 };
    for (size_t u = rows.begin; u < rows.end; u++)
        for (size_t v = columns.begin; v < columns.end; v++) {
            const float *tap = w + (u * k->w + v) * P, *cell = x + (ptrdiff_t)(u * down + v * right);
            const vf w0 = load(tap), w1 = load(tap + VL);

#pragma GCC unroll 4
            for (size_t r = 0; r < n; r++, cell += k->stride_w * g->x.pixel) {
                sum[r][0] += w0 * load(cell);
                sum[r][1] += w1 * load(cell + VL);
            }
        }
}

/* One panel of a row. */
struct row {
    const float *x; /* the first window's first cell */
    const float *w, *bias, *b;
    float *y;
    struct inside rows;
};

ALWAYS_INLINE void tile(const size_t n, const struct geometry *g, const struct row *row, size_t column,
                        struct inside columns)
{
    const ptrdiff_t left = (ptrdiff_t)(column * g->window.stride_w) - (ptrdiff_t)g->window.left;
    vf sum[PIXELS][NV];

    tile_sum(n, g, row->x + left * (ptrdiff_t)g->x.pixel, row->rows, columns, row->w, sum);
    for (size_t r = 0; r < n; r++)
        for (size_t j = 0; j < NV; j++) {
            vf v = sum[r][j] + load(row->bias + j * VL);

            if (row->b)
                v += load(row->b + (column + r) * g->b.pixel + j * VL);
            store(row->y + (column + r) * g->y.pixel + j * VL, activated(v, g));
        }
}

static void row_forward(const struct geometry *g, const struct row *row)
{
    const struct window *k = &g->window;
    const size_t extent = (k->w - 1) * k->dilation_w + 1;
    size_t column = 0;

    while (column < g->out.w) {
        const size_t last = column + PIXELS - 1;
        const struct inside columns = columns_inside(g, column);

        if (last < g->out.w && columns.begin == 0 && last * k->stride_w + extent <= g->in.w + k->left) {
            tile(PIXELS, g, row, column, columns);
            column += PIXELS;
        } else {
            tile(1, g, row, column, columns);
            column++;
        }
    }
}

void KERNEL(depthwise)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                       float *scratch)
{
    const struct window *k = &g->window;

    (void)scratch;
    for (size_t c = 0; c < g->out.c; c += P)
        for (size_t i = begin; i < end; i++) {
            const struct cell at = cell_of_row(g->out, i);
            const ptrdiff_t top = (ptrdiff_t)(at.row * k->stride_h) - (ptrdiff_t)k->top;
            const struct row row = {
                .x = o->x + (ptrdiff_t)(at.image * g->x.image + c / P * g->x.panel) +
                     top * (ptrdiff_t)g->x.row,
                .w = o->w + c * k->h * k->w,
                .bias = o->bias + c,
                .b = o->b ? o->b + view_at(&g->b, at) + c / P * g->b.panel : NULL,
                .y = o->y + view_at(&g->y, at) + c / P * g->y.panel,
                .rows = rows_inside(g, at.row),
            };

            row_forward(g, &row);
        }
}
