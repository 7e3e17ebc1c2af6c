/* model/net/layers/conv.c - cross-correlation by windows of U x V cells: [n][C][H][W] -> [n][O][h][w].
 *   y[o][i][j] = b[o] + sum over c, u, v of W[o][c][u][v] x[c + the group's first][i*stride + u*dilation - top][j*stride + v*dilation - left],
 * x being 0 outside. W [O][C/groups][U][V], then b [O], where there is one. Channels and results fall into `groups` equal
 * parts, a result sees its own part; as many groups as channels is what is called depthwise.
 * Sums are in double: a weight's slope has h*w terms for each picture, too many for float32 to be the truth. */
#include "check.h"

#include <stdint.h>

/* Sizes of the weights [O][c][u][v], and results in a group. */
struct taps {
    size_t c, u, v, size, group;
};

static size_t groups_of(const struct node *l) { return l->groups ? l->groups : 1; }

static struct taps taps_of(const struct node *l)
{
    const size_t c = l->in[0].c / groups_of(l);

    return (struct taps){ c, l->window.h, l->window.w, c * l->window.h * l->window.w,
                          l->out.c / groups_of(l) };
}

static const char *conv_check(struct node *l)
{
    const char *wrong;

    l->out.c = l->channels;
    wrong = check_window(&l->window, l->in[0], &l->out);
    if (wrong)
        return wrong;
    if (l->in[0].c % groups_of(l) != 0 || l->out.c % groups_of(l) != 0)
        return "the groups do not divide the channels";
    return check_in_and_out(l);
}

static const char *conv_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const char *wrong = conv_check(l);
    struct taps t;

    if (wrong)
        return wrong;
    t = taps_of(l);
    tensors[0] = (struct described){
        "weight",
        { .rank = 4, .dims = { l->out.c, t.c, t.u, t.v }, .fan_in = t.size, .fan_out = t.group * t.u * t.v }
    };
    tensors[1] = (struct described){ "bias", { .rank = 1, .dims = { l->out.c } } };
    *n_tensors = l->bias ? 2 : 1;
    return NULL;
}

/* The sum over the cells of a plane that the window at (i, j) looks at, zero outside, weighted by a kernel. */
static double correlate(const struct node *l, const float *plane, size_t i, size_t j, const float *kernel)
{
    const struct window *k = &l->window;
    const size_t top = i * k->stride_h - k->top, left = j * k->stride_w - k->left;
    double sum = 0;

    for (size_t u = 0, row = top; u < k->h; u++, row += k->dilation_h) /* wraps above row 0, then >= H */
        for (size_t v = 0, column = left; v < k->w; v++, column += k->dilation_w)
            if (row < l->in[0].h && column < l->in[0].w)
                sum += (double)kernel[u * k->w + v] * (double)plane[row * l->in[0].w + column];
    return sum;
}

static void conv_forward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], float *y, void *tape)
{
    const struct taps t = taps_of(l);
    const size_t plane = l->in[0].h * l->in[0].w;
    const float *b = params + l->out.c * t.size, *image = x[0];

    (void)state, (void)tape;
    for (size_t s = 0; s < n; s++, image += l->in[0].c * plane)
        for (size_t o = 0; o < l->out.c; o++)
            for (size_t i = 0; i < l->out.h; i++)
                for (size_t j = 0; j < l->out.w; j++) {
                    double sum = l->bias ? (double)b[o] : 0;

                    for (size_t c = 0; c < t.c; c++)
                        sum += correlate(l, image + (o / t.group * t.c + c) * plane, i, j,
                                         params + o * t.size + c * t.u * t.v);
                    *y++ = (float)sum;
                }
}

/* dW[o][c][u][v] of one picture: the sum over results of the slope times what this tap saw there. */
static double tap_slope(const struct node *l, const float *dy, const float *plane, size_t u, size_t v)
{
    const struct window *k = &l->window;
    double sum = 0;

    for (size_t i = 0; i < l->out.h; i++)
        for (size_t j = 0; j < l->out.w; j++) {
            const size_t row = i * k->stride_h + u * k->dilation_h - k->top;
            const size_t column = j * k->stride_w + v * k->dilation_w - k->left;

            if (row < l->in[0].h && column < l->in[0].w)
                sum += (double)dy[i * l->out.w + j] * (double)plane[row * l->in[0].w + column];
        }
    return sum;
}

/* The window whose tap looks at cell `i`; none, a number beyond all windows, where the stride steps over it.
 *   at  where the tap lies in the window */
static size_t window_at(size_t i, size_t at, size_t pad, size_t stride)
{
    if (i + pad < at || (stride > 1 && (i + pad - at) % stride != 0))
        return SIZE_MAX;
    return stride > 1 ? (i + pad - at) / stride : i + pad - at;
}

/* A pixel's share of the slope by its plane: through every tap that saw it, of every output plane of its group. */
static double pixel_slope(const struct node *l, const float *params, const float *dy, size_t c, size_t i,
                          size_t j)
{
    const struct taps t = taps_of(l);
    const struct window *k = &l->window;
    const size_t first = c / t.c * t.group;
    double sum = 0;

    for (size_t o = first; o < first + t.group; o++)
        for (size_t u = 0; u < t.u; u++) {
            const size_t row = window_at(i, u * k->dilation_h, k->top, k->stride_h);

            for (size_t v = 0; row < l->out.h && v < t.v; v++) {
                const size_t column = window_at(j, v * k->dilation_w, k->left, k->stride_w);

                if (column < l->out.w)
                    sum += (double)dy[(o * l->out.h + row) * l->out.w + column] *
                           (double)params[o * t.size + (c % t.c * t.u + u) * t.v + v];
            }
        }
    return sum;
}

/* One picture's part of the slopes by the weights and the bias. */
static void taps_backward(const struct node *l, const float *x, const float *dy, float *dparams)
{
    const struct taps t = taps_of(l);
    const size_t plane = l->in[0].h * l->in[0].w, cells = l->out.h * l->out.w;
    float *db = dparams + l->out.c * t.size;

    for (size_t o = 0; o < l->out.c && l->bias; o++) {
        double sum = 0;

        for (size_t i = 0; i < cells; i++)
            sum += (double)dy[o * cells + i];
        db[o] += (float)sum;
    }
    for (size_t o = 0; o < l->out.c; o++)
        for (size_t c = 0; c < t.c; c++)
            for (size_t u = 0; u < t.u; u++)
                for (size_t v = 0; v < t.v; v++)
                    *dparams++ +=
                        (float)tap_slope(l, dy + o * cells, x + (o / t.group * t.c + c) * plane, u, v);
}

static void conv_backward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], const void *tape, const float *dy, float *const dx[],
                          float *dparams)
{
    const float *image = x[0];
    float *pixel = dx[0];

    (void)state, (void)tape;
    for (size_t s = 0; s < n; s++, image += shape_size(l->in[0]), dy += shape_size(l->out)) {
        taps_backward(l, image, dy, dparams);
        for (size_t c = 0; c < l->in[0].c && pixel; c++)
            for (size_t i = 0; i < l->in[0].h; i++)
                for (size_t j = 0; j < l->in[0].w; j++)
                    *pixel++ = (float)pixel_slope(l, params, dy, c, i, j);
    }
}

const struct layer_ops LAYER_CONV = {
    "conv",        1,
    conv_shape,    conv_forward,
    conv_backward, TAKES_NAME | TAKES_CHANNELS | TAKES_WINDOW | TAKES_GROUPS | TAKES_BIAS
};
