/* tests/support/double_layers.c - see double_layers.h; compiled as floats_as_doubles.h says. Convolutions, where nearly all time is
 * spent, have loops of their own here, a tap of the window after the other. */
#include "double_layers.h"

#include "model/net/layer.h"

/* A network's own node has the table of floats: the two have a kind's name in common. */
static const struct layer_ops *doubles_of(const struct layer_ops *floats)
{
    for (size_t i = 0; i < N_LAYER_KINDS; i++)
        if (strcmp(LAYER_KINDS[i]->kind, floats->kind) == 0)
            return LAYER_KINDS[i];
    abort();
}

/* Windows begin..end-1 along a side see a cell of the picture by a tap; that of `begin` sees cell `first`. */
struct stretch {
    size_t begin, end, first;
};

static struct stretch stretch_of(size_t at, size_t pad, size_t stride, size_t side, size_t n)
{
    struct stretch s = { .begin = at < pad ? (pad - at + stride - 1) / stride : 0 };

    s.first = s.begin * stride + at - pad;
    for (s.end = s.begin; s.end < n && s.first + (s.end - s.begin) * stride < side;)
        s.end++;
    return s;
}

/* A tap's work on the plane that it sees: all may be NULL but x. */
struct tap {
    double weight;
    const double *x, *dy;
    double *y, *dx;
};

/* y += weight x; dx += weight dy. Returns the sum of dy x. */
static double tap_run(const struct node *l, struct stretch rows, struct stretch columns, const struct tap *t)
{
    const size_t step = l->window.stride_w, n = columns.end - columns.begin;
    double sum = 0;

    for (size_t i = rows.begin; i < rows.end; i++) {
        const size_t in = (rows.first + (i - rows.begin) * l->window.stride_h) * l->in[0].w + columns.first;
        const size_t out = i * l->out.w + columns.begin;

        for (size_t j = 0; t->y && j < n; j++)
            t->y[out + j] += t->weight * t->x[in + j * step];
        for (size_t j = 0; t->dy && j < n; j++)
            sum += t->dy[out + j] * t->x[in + j * step];
        for (size_t j = 0; t->dx && j < n; j++)
            t->dx[in + j * step] += t->weight * t->dy[out + j];
    }
    return sum;
}

static size_t groups_of(const struct node *l) { return l->groups ? l->groups : 1; }

/* One tap of all windows, of every result and channel that it sees. `planes`: those of channel and result 0; weights, dparams: of this
 * tap there. */
static void tap_of_all(const struct node *l, struct stretch rows, struct stretch columns,
                       const double *weights, const struct tap *planes, double *dparams)
{
    const size_t C = l->in[0].c / groups_of(l), O = l->out.c / groups_of(l), taps = l->window.h * l->window.w;
    const size_t in = l->in[0].h * l->in[0].w, out = l->out.h * l->out.w;

    for (size_t o = 0; o < l->out.c; o++)
        for (size_t c = 0; c < C; c++) {
            const size_t from = (o / O * C + c) * in, w = (o * C + c) * taps;
            const struct tap t = { weights[w], planes->x + from, planes->dy ? planes->dy + o * out : NULL,
                                   planes->y ? planes->y + o * out : NULL,
                                   planes->dx ? planes->dx + from : NULL };
            const double slope = tap_run(l, rows, columns, &t);

            if (dparams)
                dparams[w] += slope;
        }
}

static void taps_run(const struct node *l, const double *params, const struct tap *planes, double *dparams)
{
    const struct window *k = &l->window;

    for (size_t u = 0; u < k->h; u++)
        for (size_t v = 0; v < k->w; v++) {
            const struct stretch rows =
                                     stretch_of(u * k->dilation_h, k->top, k->stride_h, l->in[0].h, l->out.h),
                                 columns = stretch_of(v * k->dilation_w, k->left, k->stride_w, l->in[0].w,
                                                      l->out.w);

            if (rows.begin < rows.end && columns.begin < columns.end)
                tap_of_all(l, rows, columns, params + u * k->w + v, planes,
                           dparams ? dparams + u * k->w + v : NULL);
        }
}

static size_t weights_of(const struct node *l)
{
    return l->out.c * (l->in[0].c / groups_of(l)) * l->window.h * l->window.w;
}

static void conv_forward(const struct node *l, size_t n, const double *params, const double *x, double *y)
{
    const size_t cells = l->out.h * l->out.w, size = shape_size(l->out);

    for (size_t i = 0; i < n * size; i++)
        y[i] = l->bias ? params[weights_of(l) + i / cells % l->out.c] : 0;
    for (size_t s = 0; s < n; s++)
        taps_run(l, params, &(struct tap){ .x = x + s * shape_size(l->in[0]), .y = y + s * size }, NULL);
}

static void conv_backward(const struct node *l, size_t n, const double *params, const double *x,
                          const double *dy, double *dx, double *dparams)
{
    const size_t cells = l->out.h * l->out.w, size = shape_size(l->out), in = shape_size(l->in[0]);

    for (size_t i = 0; i < n * size && l->bias; i++)
        dparams[weights_of(l) + i / cells % l->out.c] += dy[i];
    memset(dx, 0, n * in * sizeof *dx);
    for (size_t s = 0; s < n; s++)
        taps_run(l, params, &(struct tap){ .x = x + s * in, .dy = dy + s * size, .dx = dx + s * in },
                 dparams);
}

void double_forward(const struct node *l, size_t n, const double *params, const double *state,
                    const double *const x[], double *y, void *tape)
{
    const struct layer_ops *ops = doubles_of(l->ops);

    if (ops == &LAYER_CONV)
        conv_forward(l, n, params, x[0], y);
    else
        ops->forward(l, n, params, state, x, y, tape);
}

void double_backward(const struct node *l, size_t n, const double *params, const double *state,
                     const double *const x[], const void *tape, const double *dy, double *const dx[],
                     double *dparams)
{
    const struct layer_ops *ops = doubles_of(l->ops);

    if (ops == &LAYER_CONV)
        conv_backward(l, n, params, x[0], dy, dx[0], dparams);
    else
        ops->backward(l, n, params, state, x, tape, dy, dx, dparams);
}
