/* model/net/layers/check.h - what the shape() of several kinds refuses. All return NULL, or a few words. */
#ifndef MODEL_NET_LAYERS_CHECK_H
#define MODEL_NET_LAYERS_CHECK_H

#include "../layer.h"

static inline const char *check_shape(struct shape s)
{
    if (s.c == 0 || s.h == 0 || s.w == 0)
        return "a size is 0";
    if (s.c > LAYER_MAX_CHANNELS)
        return "there are too many channels";
    if (s.h > LAYER_MAX_SIDE || s.w > LAYER_MAX_SIDE)
        return "a side is too long";
    return NULL;
}

/* The end of nearly every shape(): the input and the result that it worked out. */
static inline const char *check_in_and_out(const struct node *l)
{
    const char *wrong = check_shape(l->in[0]);

    return wrong ? wrong : check_shape(l->out);
}

/* One of a window's numbers along each side. */
static inline const char *check_pair(size_t h, size_t w, size_t most, const char *zero, const char *large)
{
    if (h == 0 || w == 0)
        return zero;
    return h > most || w > most ? large : NULL;
}

static inline const char *check_borders(const struct window *w)
{
    const size_t most = LAYER_MAX_BORDER;

    return w->top > most || w->left > most || w->bottom > most || w->right > most ? "the border is too wide"
                                                                                  : NULL;
}

/* Cells from a window's first to its last. */
static inline size_t extent_of(size_t cells, size_t dilation) { return (cells - 1) * dilation + 1; }

/* How many rows and columns a window gives, into out->h and out->w: (side + border - extent) / stride + 1, rounded down. */
static inline const char *check_window(const struct window *w, struct shape in, struct shape *out)
{
    const char *wrong =
        check_pair(w->h, w->w, LAYER_MAX_WINDOW, "the window is empty", "the window is too large");

    if (!wrong)
        wrong = check_pair(w->stride_h, w->stride_w, LAYER_MAX_STRIDE, "the stride is 0",
                           "the stride is too long");
    if (!wrong)
        wrong = check_pair(w->dilation_h, w->dilation_w, LAYER_MAX_DILATION, "the dilation is 0",
                           "the dilation is too wide");
    if (!wrong)
        wrong = check_borders(w);
    if (!wrong)
        wrong = check_shape(in);
    if (wrong)
        return wrong;
    const size_t h = in.h + w->top + w->bottom, extent_h = extent_of(w->h, w->dilation_h);
    const size_t columns = in.w + w->left + w->right, extent_w = extent_of(w->w, w->dilation_w);

    if (h < extent_h || columns < extent_w)
        return "the window is larger than the picture";
    out->h = (h - extent_h) / w->stride_h + 1;
    out->w = (columns - extent_w) / w->stride_w + 1;
    return NULL;
}

#endif
