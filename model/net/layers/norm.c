/* model/net/layers/norm.c - normalisation of each channel (Ioffe & Szegedy, "Batch normalization", ICML 2015), any shape:
 *   y = xhat w + b,  xhat = (x - m) / sqrt(v + epsilon)
 * params = w [c], then b [c]; state = the running means m [c], then the running variances v [c].
 * With a state m and v are constants, in backward too. Without one they are the mean and the (biased) variance over
 * [n][h][w], and the slope goes through both:
 *   dx = w / sqrt(v + epsilon) (dy - mean of dy - xhat * mean of dy xhat).
 * The tape is of use without a state: m and 1 / sqrt(v + epsilon) of each channel as doubles, once a batch. tape_bytes holds
 * all of it, so n * tape_bytes suffices for every n >= 1. */
#include "check.h"

#include <math.h>

/* The numbers that a channel is normalised by. */
struct moments {
    double mean, scale; /* 1 / sqrt(v + epsilon) */
};

static const char *norm_shape(struct node *l, struct described tensors[LAYER_MAX_TENSORS], size_t *n_tensors)
{
    const size_t C = l->in[0].c;

    if (!(l->epsilon > 0 && l->epsilon < 1))
        return "epsilon must lie between 0 and 1";
    l->out = l->in[0];
    l->tape_bytes = C * sizeof(struct moments);
    tensors[0] = (struct described){ "weight", { .rank = 1, .dims = { C }, .initial = 1 } };
    tensors[1] = (struct described){ "bias", { .rank = 1, .dims = { C } } };
    tensors[2] = (struct described){ "running_mean", { .rank = 1, .dims = { C }, .state = true } };
    tensors[3] =
        (struct described){ "running_var",
                            { .rank = 1, .dims = { C }, .initial = 1, .state = true, .variance = true } };
    *n_tensors = 4;
    return check_in_and_out(l);
}

/* The first value of a channel in sample s. */
static size_t plane_at(const struct node *l, size_t s, size_t c)
{
    return (s * l->in[0].c + c) * l->in[0].h * l->in[0].w;
}

static struct moments moments_of_state(const struct node *l, const float *state, size_t c)
{
    return (struct moments){ (double)state[c], 1 / sqrt((double)state[l->in[0].c + c] + l->epsilon) };
}

static struct moments moments_of_batch(const struct node *l, size_t n, const float *x, size_t c)
{
    const size_t plane = l->in[0].h * l->in[0].w;
    double mean = 0, variance = 0;

    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < plane; i++)
            mean += (double)x[plane_at(l, s, c) + i];
    mean /= (double)(n * plane);
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < plane; i++) {
            const double d = (double)x[plane_at(l, s, c) + i] - mean;

            variance += d * d;
        }
    return (struct moments){ mean, 1 / sqrt(variance / (double)(n * plane) + l->epsilon) };
}

static void norm_forward(const struct node *l, size_t n, const float *params, const float *state,
                         const float *const x[], float *y, void *tape)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;
    struct moments *kept = tape;

    for (size_t c = 0; c < C; c++) {
        const struct moments m = state ? moments_of_state(l, state, c) : moments_of_batch(l, n, x[0], c);

        for (size_t s = 0; s < n; s++)
            for (size_t i = plane_at(l, s, c); i < plane_at(l, s, c) + plane; i++)
                y[i] =
                    (float)(((double)x[0][i] - m.mean) * m.scale * (double)params[c] + (double)params[C + c]);
        if (kept)
            kept[c] = m;
    }
}

/* Sums over a channel: of dy, and of dy xhat. */
struct slopes {
    double dy, dy_xhat;
};

static struct slopes slopes_of(const struct node *l, size_t n, const float *x, const float *dy, size_t c,
                               struct moments m)
{
    const size_t plane = l->in[0].h * l->in[0].w;
    struct slopes sums = { 0 };

    for (size_t s = 0; s < n; s++)
        for (size_t i = plane_at(l, s, c); i < plane_at(l, s, c) + plane; i++) {
            sums.dy += (double)dy[i];
            sums.dy_xhat += (double)dy[i] * (((double)x[i] - m.mean) * m.scale);
        }
    return sums;
}

static void norm_backward(const struct node *l, size_t n, const float *params, const float *state,
                          const float *const x[], const void *tape, const float *dy, float *const dx[],
                          float *dparams)
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;
    const double count = (double)(n * plane);
    const struct moments *kept = tape;

    for (size_t c = 0; c < C; c++) {
        const struct moments m = state ? moments_of_state(l, state, c) : kept[c];
        const struct slopes sums = slopes_of(l, n, x[0], dy, c, m);
        struct slopes mean = { 0 }; /* of what x changes in the statistics; running ones are constants */

        if (!state)
            mean = (struct slopes){ sums.dy / count, sums.dy_xhat / count };
        dparams[c] += (float)sums.dy_xhat;
        dparams[C + c] += (float)sums.dy;
        for (size_t s = 0; s < n && dx[0]; s++)
            for (size_t i = plane_at(l, s, c); i < plane_at(l, s, c) + plane; i++) {
                const double xhat = ((double)x[0][i] - m.mean) * m.scale;

                dx[0][i] =
                    (float)((double)params[c] * m.scale * ((double)dy[i] - mean.dy - xhat * mean.dy_xhat));
            }
    }
}

const struct layer_ops LAYER_NORM = { "norm",        1,
                                      norm_shape,    norm_forward,
                                      norm_backward, TAKES_NAME | TAKES_EPSILON };
