/* model/kernels/phases.c - see struct phase in graph.h.
 *
 * Along one side, with a stride of s: row a + s m of the input, row m of phase a, is seen by the taps r, r + s, ... of the window, with
 * r = (a + pad) % s; by the j-th of them in the window of result m + q - j, with q = (a + pad) / s. In reverse order tap k looks at
 * result m - (K - 1 - q) + k, K being their number: a convolution with a border of K - 1 - q, or one that begins inside. */
#include "kernels.h"

/* One side of a phase. */
struct side {
    size_t taps, pad, skip; /* skip: results before the first that counts */
    size_t from, to;        /* rows that it reads and writes */
};

static struct side side_of(size_t a, const struct window *k, size_t window, size_t pad, size_t in, size_t out)
{
    const size_t s = k->stride, r = (a + pad) % s, q = (a + pad) / s;
    const size_t taps = r < window ? (window - r + s - 1) / s : 0, skip = q + 1 > taps ? q + 1 - taps : 0;

    return (struct side){ .taps = taps,
                          .pad = taps > q + 1 ? taps - 1 - q : 0,
                          .skip = skip,
                          .from = skip < out ? out - skip : 0,
                          .to = (in - a + s - 1) / s };
}

/* The phase that begins at p's row and column. */
static void phase_fill(const struct geometry *f, struct phase *p)
{
    const struct window *k = &f->window;
    const struct side h = side_of(p->row, k, k->h, k->pad_h, f->in.h, f->out.h);
    const struct side w = side_of(p->column, k, k->w, k->pad_w, f->in.w, f->out.w);

    p->dy = h.skip * f->y.row + w.skip * f->y.pixel;
    p->dx = p->row * f->x.row + p->column * f->x.pixel;
    p->g = (struct geometry){ .in = { f->out.c, h.from, w.from },
                              .out = { f->in.c, h.to, w.to },
                              .window = { h.taps, w.taps, 1, h.pad, w.pad },
                              .x = f->y,
                              .y = f->x };
    p->g.y.row *= k->stride;
    p->g.y.pixel *= k->stride;
    p->g.b = p->g.y;
}

bool phase_next(const struct geometry *forward, struct phase *p)
{
    const size_t s = forward->window.stride;
    const struct shape in = forward->in;
    bool begun = p->g.window.stride > 0;

    for (;; begun = true) {
        if (begun) {
            p->taps += p->g.window.h * p->g.window.w;
            p->column++;
        }
        if (p->column >= s || p->column >= in.w) {
            p->column = 0;
            p->row++;
        }
        if (p->row >= s || p->row >= in.h)
            return false;
        phase_fill(forward, p);
        if (p->g.window.h * p->g.window.w > 0 && p->g.in.h * p->g.in.w > 0)
            return true;
    }
}

size_t phase_tap(const struct geometry *forward, const struct phase *p, size_t tap)
{
    const struct window *k = &forward->window;
    const size_t row = p->g.window.h - 1 - tap / p->g.window.w,
                 column = p->g.window.w - 1 - tap % p->g.window.w;

    return ((p->row + k->pad_h) % k->stride + row * k->stride) * k->w + (p->column + k->pad_w) % k->stride +
           column * k->stride;
}
