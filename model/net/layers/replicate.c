/* model/net/layers/replicate.c - one grey channel into `channels` equal ones: networks are often made for colour. */
#include "check.h"

#include <string.h>

static const char *replicate_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS],
                                   size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    if (l->in[0].c != 1)
        return "the input has not one channel";
    l->out = (struct shape){ l->channels, l->in[0].h, l->in[0].w };
    return check_in_and_out(l);
}

static void replicate_forward(const struct node *l, size_t n, const float *params, const float *state,
                              const float *const x[], float *y, void *tape)
{
    const size_t plane = shape_size(l->in[0]);

    (void)params, (void)state, (void)tape;
    for (size_t s = 0; s < n; s++)
        for (size_t c = 0; c < l->out.c; c++, y += plane)
            memcpy(y, x[0] + s * plane, plane * sizeof *y);
}

static void replicate_backward(const struct node *l, size_t n, const float *params, const float *state,
                               const float *const x[], const void *tape, const float *dy, float *const dx[],
                               float *dparams)
{
    const size_t plane = shape_size(l->in[0]);

    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    if (!dx[0])
        return;
    memset(dx[0], 0, n * plane * sizeof *dx[0]);
    for (size_t s = 0; s < n; s++)
        for (size_t c = 0; c < l->out.c; c++)
            for (size_t i = 0; i < plane; i++)
                dx[0][s * plane + i] += *dy++;
}

const struct layer_ops LAYER_REPLICATE = { "replicate",        1,
                                           replicate_shape,    replicate_forward,
                                           replicate_backward, TAKES_CHANNELS };
