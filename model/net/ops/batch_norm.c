/* model/net/ops/batch_norm.c - normalisations in training: by the statistics of the images themselves, and the way back through
 * them; or by the running ones, which are constants then. Either with the ReLU behind it.
 *
 * weights  [2][C'] weight, bias; with running statistics [2][C'] moments besides      sums  the node's parameters
 * tape     [2][C'] moments, once for all images                                       unit  an image
 * C' is C in whole panels; moments are the mean, and 1 / sqrt(variance + epsilon). */
#include "graph_op.h"

#include "../layer.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { COEFFICIENTS = 3 }; /* of a channel, while dx is made */

static void moments_of(double mean, double variance, double epsilon, float *ret_mean, float *ret_inverse)
{
    *ret_mean = (float)mean;
    *ret_inverse = (float)(1 / sqrt(variance + epsilon));
}

static void size(struct op *op, const struct kernels *k, const struct value *values)
{
    graph_geometry(op, k, values);
    op->units = 1;
    op->most = SIZE_MAX; /* all of them at once */
    op->n_prepares = 1;
    op->n_sums = op->node->n_params;
    op->n_collects = 1;
    op->n_scratch = (2 * sizeof(double) / sizeof(float) + COEFFICIENTS) * op->g.out.c;
}

static void batch_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    size(op, k, values);
    op->n_weights = 2 * op->g.out.c;
    op->n_tape = (2 * op->g.out.c * sizeof(float) + 63) / 64 * 64;
}

static void frozen_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)training;
    size(op, k, values);
    op->n_weights = 4 * op->g.out.c;
}

static void batch_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                          float *ret_weights)
{
    const size_t C = op->node->out.c;

    (void)k, (void)task;
    memcpy(ret_weights, values + op->node->params, C * sizeof(float));
    memcpy(ret_weights + op->g.out.c, values + op->node->params + C, C * sizeof(float));
}

static void frozen_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                           float *ret_weights)
{
    const size_t C = op->node->out.c;
    const float *state = values + op->node->state;
    float *moments = ret_weights + 2 * op->g.out.c;

    batch_prepare(op, k, values, task, ret_weights);
    for (size_t c = 0; c < C; c++)
        moments_of((double)state[c], (double)state[C + c], op->node->epsilon, moments + c,
                   moments + op->g.out.c + c);
}

/* y = (x - mean) * weight / sqrt(variance + epsilon) + bias, of n images. */
static void normalise(const struct op *op, const struct op_io *io, const float *moments, size_t n,
                      const float *x, float *y)
{
    const size_t C = op->g.out.c;
    float *scale = io->scratch;

    for (size_t c = 0; c < C; c++)
        scale[c] = io->weights[c] * moments[C + c];
    io->kernels->batch_norm(&op->g, n, x, moments, scale, io->weights + C, y);
}

/* Mean and variance from a channel's sums over `count` values: into the tape, and for a caller that keeps running statistics. */
static void take_moments(const struct op *op, const struct op_io *io, const double *sums, size_t count)
{
    const size_t C = op->g.out.c, own = op->node->out.c;
    float *moments = (float *)(void *)io->tape;

    for (size_t c = 0; c < own; c++) {
        const double mean = sums[c] / (double)count; /* a NaN shows in it, which fmax() would lose */
        const double variance = fmax(sums[C + c] / (double)count - mean * mean, 0);

        moments_of(mean, variance, op->node->epsilon, moments + c, moments + C + c);
        io->statistics[c] = (float)mean;
        io->statistics[own + c] = (float)variance;
    }
}

static void batch_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);
    const size_t n = end - begin;
    double *sums = (double *)(void *)io->scratch;

    memset(io->tape, 0, op->n_tape);
    io->kernels->batch_sums(&op->g, n, o.x, sums);
    take_moments(op, io, sums, n * op->g.out.h * op->g.out.w);
    normalise(op, io, (const float *)(const void *)io->tape, n, o.x, o.y);
}

static void frozen_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = graph_operands(op, io);

    normalise(op, io, io->weights + 2 * op->g.out.c, end - begin, o.x + begin * op->g.x.image,
              o.y + begin * op->g.y.image);
}

/* dx = weight / sqrt(v + epsilon) (dy - mean of dy - xhat * mean of dy xhat), xhat = (x - mean) / sqrt(v + epsilon); of constants
 * the means are left out: count is INFINITY then. */
static void slopes(const struct op *op, const struct op_io *io, const float *moments, size_t n, double count)
{
    const struct operands o = graph_operands(op, io);
    const size_t C = op->g.out.c, own = op->node->out.c;
    double *sums = (double *)(void *)io->scratch;
    float *scale = io->scratch + 2 * C * sizeof *sums / sizeof *scale, *by_x = scale + C, *shift = by_x + C;

    io->kernels->batch_slope_sums(&op->g, n, o.x, o.y, io->dy + io->y_layout->origin, moments, sums);
    memset(scale, 0, COEFFICIENTS * C * sizeof *scale);
    for (size_t c = 0; c < own; c++) {
        const double inverse = (double)moments[C + c], factor = (double)io->weights[c] * inverse;

        io->sums[c] += (float)(sums[C + c] * inverse);
        io->sums[own + c] += (float)sums[c];
        scale[c] = (float)factor;
        by_x[c] = (float)(-factor * inverse * inverse * sums[C + c] / count);
        shift[c] = (float)(-factor * sums[c] / count);
    }
    if (io->dx[0])
        io->kernels->batch_slopes(&op->g, n, o.x, o.y, io->dy + io->y_layout->origin, moments, scale, by_x,
                                  shift, io->dx[0] + io->x_layout[0]->origin);
}

static void batch_backward(const struct op *op, const struct op_io *io, size_t n)
{
    slopes(op, io, (const float *)(const void *)io->tape, n, (double)(n * op->g.out.h * op->g.out.w));
}

static void frozen_backward(const struct op *op, const struct op_io *io, size_t n)
{
    slopes(op, io, io->weights + 2 * op->g.out.c, n, INFINITY);
}

static void collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums, size_t task,
                    float *gradients)
{
    (void)k, (void)task;
    memcpy(gradients + op->node->params, sum_tree_add(sums, op->sums, op->n_sums),
           op->n_sums * sizeof(float));
}

const struct op_kind OP_BATCH_NORM = { "batch_norm",  LIE_PANELS,    LIE_PANELS,     batch_size,
                                       batch_prepare, batch_forward, batch_backward, collect };
const struct op_kind OP_FROZEN_NORM = { "frozen_norm",  LIE_PANELS,     LIE_PANELS,      frozen_size,
                                        frozen_prepare, frozen_forward, frozen_backward, collect };
