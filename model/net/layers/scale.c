/* model/net/layers/scale.c - every channel times a constant, plus a constant, any shape: y = x scale[c] + shift[c]. Networks of others
 * have such steps between their layers. state = scale [c], then shift [c]: nobody trains them. */
#include "check.h"

static const char *scale_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const size_t C = l->in[0].c;

    tensors[0] = (struct described){ "scale", { .rank = 1, .dims = { C }, .initial = 1, .state = true } };
    tensors[1] = (struct described){ "shift", { .rank = 1, .dims = { C }, .state = true } };
    *n_tensors = 2;
    l->out = l->in[0];
    return check_in_and_out(l);
}

static void scale_forward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], float *y, void *tape)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;

    (void)params, (void)tape;
    for (size_t i = 0; i < n * C * plane; i++) {
        const size_t c = i / plane % C;

        y[i] = (float)((double)x[0][i] * (double)state[c] + (double)state[C + c]);
    }
}

static void scale_backward(const struct node *l, size_t n, const float *params, const float *state,
                           const float *const x[], const void *tape, const float *dy, float *const dx[],
                           float *dparams)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;

    (void)params, (void)x, (void)tape, (void)dparams;
    for (size_t i = 0; i < n * C * plane && dx[0]; i++)
        dx[0][i] = dy[i] * state[i / plane % C];
}

const struct layer_ops LAYER_SCALE = { "scale", 1, scale_shape, scale_forward, scale_backward, TAKES_NAME };
