/* model/net/layers/flatten.c - [n][c][h][w] -> [n][c*h*w][1][1]: the same numbers, every one a channel. */
#include "check.h"

#include <string.h>

static const char *flatten_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS],
                                 size_t *n_tensors)
{
    (void)tensors;
    *n_tensors = 0;
    l->out = (struct shape){ shape_size(l->in[0]), 1, 1 };
    return check_in_and_out(l);
}

static void flatten_forward(const struct node *l, size_t n, const float *params, const float *state,
                            const float *const x[], float *y, void *tape)
{
    (void)params, (void)state, (void)tape;
    memcpy(y, x[0], n * shape_size(l->in[0]) * sizeof *y);
}

static void flatten_backward(const struct node *l, size_t n, const float *params, const float *state,
                             const float *const x[], const void *tape, const float *dy, float *const dx[],
                             float *dparams)
{
    (void)params, (void)state, (void)x, (void)tape, (void)dparams;
    if (dx[0])
        memcpy(dx[0], dy, n * shape_size(l->in[0]) * sizeof *dy);
}

const struct layer_ops LAYER_FLATTEN = { "flatten", 1, flatten_shape, flatten_forward, flatten_backward };
