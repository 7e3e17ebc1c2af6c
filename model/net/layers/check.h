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

/* What nearly every shape() ends with: the input and the result that it worked out. */
static inline const char *check_in_and_out(const struct node *l)
{
    const char *wrong = check_shape(l->in[0]);

    return wrong ? wrong : check_shape(l->out);
}

/* How many rows and columns a window gives, into out->h and out->w: (side + 2 pad - window) / stride + 1, rounded down. */
static inline const char *check_window(const struct window *w, struct shape in, struct shape *out)
{
    if (w->h == 0 || w->w == 0)
        return "the window is empty";
    if (w->h > LAYER_MAX_WINDOW || w->w > LAYER_MAX_WINDOW)
        return "the window is too large";
    if (w->stride == 0)
        return "the stride is 0";
    if (w->pad_h > LAYER_MAX_WINDOW || w->pad_w > LAYER_MAX_WINDOW)
        return "the border is too wide";
    if (in.h + 2 * w->pad_h < w->h || in.w + 2 * w->pad_w < w->w)
        return "the window is larger than the picture";
    out->h = (in.h + 2 * w->pad_h - w->h) / w->stride + 1;
    out->w = (in.w + 2 * w->pad_w - w->w) / w->stride + 1;
    return NULL;
}

#endif
