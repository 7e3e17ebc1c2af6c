/* model/net/layers/dense.c - y = x W' + b.  x [n][I], W [O][I], b [O], y [n][O]; params = W, then b, where there is one. */
#include "check.h"

#include <string.h>

static const char *dense_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const struct shape in = l->in[0];
    const char *wrong;

    l->out = (struct shape){ l->channels, 1, 1 };
    wrong = check_in_and_out(l);
    if (wrong)
        return wrong;
    tensors[0] =
        (struct described){ "weight",
                            { .rank = in.h * in.w > 1 ? 4 : 2, /* of vectors a matrix, as everywhere */
                              .dims = { l->channels, in.c, in.h, in.w },
                              .fan_in = shape_size(in),
                              .fan_out = l->channels } };
    if (tensors[0].tensor.rank == 2)
        tensors[0].tensor.dims[2] = tensors[0].tensor.dims[3] = 0;
    tensors[1] = (struct described){ "bias", { .rank = 1, .dims = { l->channels } } };
    *n_tensors = l->bias ? 2 : 1;
    return NULL;
}

static void bias_gradient(size_t n, size_t O, const float *dy, float *db)
{
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            db[o] += dy[s * O + o];
}

static void dense_forward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], float *y, void *tape)
{
    const size_t I = shape_size(l->in[0]), O = l->out.c;

    (void)state, (void)tape;
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++) {
            double sum = l->bias ? (double)params[O * I + o] : 0;

            for (size_t i = 0; i < I; i++)
                sum += (double)params[o * I + i] * (double)x[0][s * I + i];
            y[s * O + o] = (float)sum;
        }
}

static void dense_backward(const struct node *l, size_t n, const float *params, const float *state,
                           const float *const x[], const void *tape, const float *dy, float *const dx[],
                           float *dparams)
{
    const size_t I = shape_size(l->in[0]), O = l->out.c;

    (void)state, (void)tape;
    if (l->bias)
        bias_gradient(n, O, dy, dparams + O * I);
    if (dx[0])
        memset(dx[0], 0, n * I * sizeof *dx[0]);
    for (size_t s = 0; s < n; s++)
        for (size_t o = 0; o < O; o++)
            for (size_t i = 0; i < I; i++) {
                dparams[o * I + i] += dy[s * O + o] * x[0][s * I + i];
                if (dx[0])
                    dx[0][s * I + i] += dy[s * O + o] * params[o * I + i];
            }
}

const struct layer_ops LAYER_DENSE = { "dense",        1,
                                       dense_shape,    dense_forward,
                                       dense_backward, TAKES_NAME | TAKES_CHANNELS | TAKES_BIAS };
