/* model/kernels/phases.c - see struct phase in graph.h.
 *
 * Along one side, with a stride of s and taps d apart: row a + s m of the input, row m of phase a, is seen by those taps u of the
 * window for which s divides a + pad - u d. They are every `step`-th from the first, r, on, s dividing step d; the j-th of them sees
 * it in the window of result m + q - j D, with q = (a + pad - r d) / s and D = step d / s. In reverse order tap k looks at result
 * m - ((K - 1) D - q) + k D, K being their number: a convolution of dilation D with a border of (K - 1) D - q, or one that begins
 * inside. */
#include "kernels.h"

#include <assert.h>

/* One side of a window, and of what it looks at. */
struct along {
    size_t taps, stride, dilation, pad, in, out;
};

static struct along rows_of(const struct geometry *g)
{
    const struct window *k = &g->window;

    return (struct along){ k->h, k->stride_h, k->dilation_h, k->top, g->in.h, g->out.h };
}

static struct along columns_of(const struct geometry *g)
{
    const struct window *k = &g->window;

    return (struct along){ k->w, k->stride_w, k->dilation_w, k->left, g->in.w, g->out.w };
}

/* One side of a phase. */
struct side {
    size_t taps, dilation, pad, skip; /* skip: results before the first that counts */
    size_t first, step;               /* taps of the forward window that are its own */
    size_t from, to;                  /* rows that it reads and writes */
};

static struct side side_of(size_t a, const struct along *k)
{
    struct side s = {
        .first = k->taps, .step = 1, .dilation = 1, .to = (k->in - a + k->stride - 1) / k->stride
    };
    ptrdiff_t border;

    for (size_t u = 0; u < k->taps; u++) {
        if ((a + k->pad) % k->stride != u * k->dilation % k->stride)
            continue;
        if (s.taps == 0)
            s.first = u;
        if (s.taps == 1)
            s.step = u - s.first;
        s.taps++;
    }
    if (s.taps > 1)
        s.dilation = s.step * k->dilation / k->stride;
    border = ((ptrdiff_t)s.taps - 1) * (ptrdiff_t)s.dilation -
             ((ptrdiff_t)(a + k->pad) - (ptrdiff_t)(s.first * k->dilation)) / (ptrdiff_t)k->stride;
    s.pad = border > 0 ? (size_t)border : 0;
    s.skip = border < 0 ? (size_t)-border : 0;
    s.from = s.skip < k->out ? k->out - s.skip : 0;
    return s;
}

/* The phase that begins at p's row and column. */
static void phase_fill(const struct geometry *f, struct phase *p)
{
    const struct along rows = rows_of(f), columns = columns_of(f);
    const struct side h = side_of(p->row, &rows), w = side_of(p->column, &columns);

    p->dy = h.skip * f->y.row + w.skip * f->y.pixel;
    p->dx = p->row * f->x.row + p->column * f->x.pixel;
    p->g = (struct geometry){ .in = { f->out.c, h.from, w.from },
                              .out = { f->in.c, h.to, w.to },
                              .window = WINDOW(h.taps, w.taps, 1, h.pad, w.pad),
                              .x = f->y,
                              .y = f->x };
    p->g.window.dilation_h = h.dilation;
    p->g.window.dilation_w = w.dilation;
    p->g.y.row *= f->window.stride_h;
    p->g.y.pixel *= f->window.stride_w;
    p->g.b = p->g.y;
}

bool phase_next(const struct geometry *forward, struct phase *p)
{
    const struct window *k = &forward->window;
    const struct shape in = forward->in;
    bool begun = p->g.window.stride_h > 0;

    for (;; begun = true) {
        if (begun) {
            p->taps += p->g.window.h * p->g.window.w;
            p->column++;
        }
        if (p->column >= k->stride_w || p->column >= in.w) {
            p->column = 0;
            p->row++;
        }
        if (p->row >= k->stride_h || p->row >= in.h)
            return false;
        phase_fill(forward, p);
        if (p->g.window.h * p->g.window.w > 0 && p->g.in.h * p->g.in.w > 0)
            return true;
    }
}

size_t phase_tap(const struct geometry *forward, const struct phase *p, size_t tap)
{
    const struct along rows = rows_of(forward), columns = columns_of(forward);
    const struct side h = side_of(p->row, &rows), w = side_of(p->column, &columns);

    assert(w.taps > 0);
    return (h.first + (h.taps - 1 - tap / w.taps) * h.step) * forward->window.w + w.first +
           (w.taps - 1 - tap % w.taps) * w.step;
}
