/* model/kernels/depthwise.c - convolution of each channel by itself: a vector is a pixel's channels, nothing is summed across
 * it. Windows of 3x3 and 5x5 have loops of their own, in which a cell is read once for all results that see it. Of the others a row's
 * pixels go by in tiles of four where their windows lie inside the picture from left to right, else one by one. */
#include "cell.h"

enum { PIXELS = 4 };

/* `n` pixels of a panel, or of its first half; x: the first cell of the first one's window, which need not be inside. */
ALWAYS_INLINE void tile_sum(const size_t n, bool half, const struct geometry *g, const float *x,
                            struct inside rows, struct inside columns, const float *w, vf sum[PIXELS][NV])
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
                if (!half)
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
    size_t used; /* floats of the panel */
};

ALWAYS_INLINE void tile(const size_t n, const struct geometry *g, const struct row *row, size_t column,
                        struct inside columns)
{
    const ptrdiff_t left = (ptrdiff_t)(column * g->window.stride_w) - (ptrdiff_t)g->window.left;
    vf sum[PIXELS][NV];

    tile_sum(n, row->used < P, g, row->x + left * (ptrdiff_t)g->x.pixel, row->rows, columns, row->w, sum);
    for (size_t r = 0; r < n; r++)
        for (size_t j = 0; j < row->used / VL; j++) {
            vf v = sum[r][j] + load(row->bias + j * VL);

            if (row->b)
                v += load(row->b + (column + r) * g->b.pixel + j * VL);
            store(row->y + (column + r) * g->y.pixel + j * VL, activated(v, g->activation, g));
        }
}

/* Any window and activation. */
static void row_any(const struct geometry *g, const struct row *row)
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

/* ---- windows of K x K without gaps, with strides of S along a row, and frequent activations ---- */

enum { RUN = 7 }; /* results: the sides of pictures of 224 pixels and their halves are multiples of it */

/* sum[r] of `n` results of a row from `column` on: VL channels from the panel's j on. */
ALWAYS_INLINE void run_sum(const size_t n, const size_t K, const size_t S, const struct geometry *g,
                           const struct row *row, size_t j, size_t column, vf sum[RUN])
{
    const size_t left = column * S - g->window.left; /* wraps, and is then too large */
    const float *x = row->x + (ptrdiff_t)left * (ptrdiff_t)g->x.pixel + j;

#pragma GCC unroll 8
    for (size_t r = 0; r < n; r++)
        sum[r] = (vf){ 0 };
    for (size_t u = row->rows.begin; u < row->rows.end; u++) {
        const float *cells = x + u * g->x.row, *taps = row->w + u * K * P + j;

#pragma GCC unroll 32
        for (size_t v = 0; v < (n - 1) * S + K; v++) {
            vf cell;

            if (left + v >= g->in.w)
                continue;
            cell = load(cells + v * g->x.pixel);
#pragma GCC unroll 8
            for (size_t r = 0; r < n; r++)
                if (v >= r * S && v - r * S < K)
                    sum[r] += load(taps + (v - r * S) * P) * cell;
        }
    }
}

ALWAYS_INLINE void run_finish(const size_t n, const enum activation activation, const struct geometry *g,
                              const struct row *row, size_t j, size_t column, vf sum[RUN])
{
    const vf bias = load(row->bias + j);

#pragma GCC unroll 8
    for (size_t r = 0; r < n; r++) {
        vf v = sum[r] + bias;

        if (row->b)
            v += load(row->b + (column + r) * g->b.pixel + j);
        store(row->y + (column + r) * g->y.pixel + j, activated(v, activation, g));
    }
}

ALWAYS_INLINE void run(const size_t n, const size_t K, const size_t S, const struct geometry *g,
                       const struct row *row, size_t j, size_t column)
{
    vf sum[RUN];

    run_sum(n, K, S, g, row, j, column, sum);
    if (g->activation == ACT_RELU)
        run_finish(n, ACT_RELU, g, row, j, column, sum);
    else if (g->activation == ACT_RELU6)
        run_finish(n, ACT_RELU6, g, row, j, column, sum);
    else if (g->activation == ACT_SILU)
        run_finish(n, ACT_SILU, g, row, j, column, sum);
    else if (g->activation == ACT_HARD_SWISH)
        run_finish(n, ACT_HARD_SWISH, g, row, j, column, sum);
    else
        run_finish(n, ACT_NONE, g, row, j, column, sum);
}

ALWAYS_INLINE void row_forward(const size_t K, const size_t S, const struct geometry *g,
                               const struct row *row)
{
    for (size_t j = 0; j < row->used; j += VL) {
        size_t column = 0;

        for (; column + RUN <= g->out.w; column += RUN)
            run(RUN, K, S, g, row, j, column);
        for (; column < g->out.w; column++)
            run(1, K, S, g, row, j, column);
    }
}

static void row_3_1(const struct geometry *g, const struct row *row) { row_forward(3, 1, g, row); }
static void row_3_2(const struct geometry *g, const struct row *row) { row_forward(3, 2, g, row); }
static void row_5_1(const struct geometry *g, const struct row *row) { row_forward(5, 1, g, row); }
static void row_5_2(const struct geometry *g, const struct row *row) { row_forward(5, 2, g, row); }

typedef void row_function(const struct geometry *g, const struct row *row);

static row_function *function_of(const struct geometry *g)
{
    static row_function *const FUNCTIONS[2][2] = { { row_3_1, row_3_2 }, { row_5_1, row_5_2 } };
    const struct window *k = &g->window;

    if (k->h != k->w || (k->w != 3 && k->w != 5) || k->dilation_h != 1 || k->dilation_w != 1 ||
        k->stride_w > 2 || !is_frequent(g->activation))
        return row_any;
    return FUNCTIONS[k->w == 5][k->stride_w - 1];
}

void KERNEL(depthwise)(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                       float *scratch)
{
    const struct window *k = &g->window;
    row_function *const row_of = function_of(g);

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
                .used = panel_used(g->out.c, g->unused_out, c),
            };

            row_of(g, &row);
        }
}
