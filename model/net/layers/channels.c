/* model/net/layers/channels.c - which channels, in which order; no number changes:
 *   slice    `channels` of them from `first` on
 *   shuffle  those of `groups` equal parts dealt out like cards: the first of each part, then the second of each
 *            (Zhang et al., "ShuffleNet", CVPR 2018) */
#include "check.h"

#include <string.h>

static const char *slice_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = (struct shape){ l->channels, l->in[0].h, l->in[0].w };
    if (l->first > l->in[0].c || l->channels > l->in[0].c - l->first)
        return "the channels asked for are not all there";
    return check_in_and_out(l);
}

static void slice_forward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], float *y, void *tape)
{
    const size_t plane = l->in[0].h * l->in[0].w, size = l->channels * plane;

    (void)params, (void)state, (void)tape;
    for (size_t s = 0; s < n; s++)
        memcpy(y + s * size, x[0] + (s * l->in[0].c + l->first) * plane, size * sizeof *y);
}

static void slice_backward(const struct node *l, size_t n, const float *params, const float *state,
                           const float *const x[], const void *tape, const float *dy, float *const dx[],
                           float *dparams)
{
    const size_t plane = l->in[0].h * l->in[0].w, size = l->channels * plane;

    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    if (!dx[0])
        return;
    memset(dx[0], 0, n * shape_size(l->in[0]) * sizeof *dy);
    for (size_t s = 0; s < n; s++)
        memcpy(dx[0] + (s * l->in[0].c + l->first) * plane, dy + s * size, size * sizeof *dy);
}

static const char *shuffle_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS],
                                 size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = l->in[0];
    if (l->groups == 0 || l->in[0].c % l->groups != 0)
        return "the groups do not divide the channels";
    return check_in_and_out(l);
}

/* Which channel comes at place c. */
static size_t dealt(const struct node *l, size_t c)
{
    return c % l->groups * (l->in[0].c / l->groups) + c / l->groups;
}

static void shuffle_forward(const struct node *l, size_t n, const float *params, const float *state,
                            const float *const x[], float *y, void *tape)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;

    (void)params, (void)state, (void)tape;
    for (size_t i = 0; i < n * C; i++)
        memcpy(y + i * plane, x[0] + (i / C * C + dealt(l, i % C)) * plane, plane * sizeof *y);
}

static void shuffle_backward(const struct node *l, size_t n, const float *params, const float *state,
                             const float *const x[], const void *tape, const float *dy, float *const dx[],
                             float *dparams)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;

    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    for (size_t i = 0; i < n * C && dx[0]; i++)
        memcpy(dx[0] + (i / C * C + dealt(l, i % C)) * plane, dy + i * plane, plane * sizeof *dy);
}

const struct layer_ops LAYER_SLICE = { "slice",        1,
                                       slice_shape,    slice_forward,
                                       slice_backward, TAKES_CHANNELS | TAKES_FIRST };
const struct layer_ops LAYER_SHUFFLE = { "shuffle",        1,           shuffle_shape, shuffle_forward,
                                         shuffle_backward, TAKES_GROUPS };
