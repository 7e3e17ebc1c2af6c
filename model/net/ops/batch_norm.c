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

enum { COEFFICIENTS = 4 }; /* of a channel: the scale of y, and three while dx is made */

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
    op->can_write = true;
    op->n_prepares = 1;
    op->n_sums = op->node->n_params;
    op->n_collects = 1;
    op->n_scratch = (2 * sizeof(double) / sizeof(float) + COEFFICIENTS) * k->panel;
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

/* A panel of channels, from `c` on. Values that are needed twice are read panel by panel, since those of all its images have room in
 * the second-level cache, or nearly so, and those of all channels have not. */
struct part {
    struct geometry g;
    size_t c, own; /* the first channel; those that are the node's */
};

static struct part part_of(const struct op *op, const struct op_io *io, size_t c)
{
    const size_t P = io->kernels->panel, left = op->node->out.c - c;
    struct part p = { op->g, c, left < P ? left : P };

    p.g.out.c = P;
    return p;
}

static struct operands part_operands(const struct op *op, const struct op_io *io, const struct part *p)
{
    struct operands o = graph_operands(op, io);

    o.x += p->c / p->g.out.c * p->g.x.panel;
    o.y += p->c / p->g.out.c * p->g.y.panel;
    return o;
}

/* The constants of y = (x - mean) * weight / sqrt(variance + epsilon) + bias.
 *   scale  room for [P] */
static struct batch_constants constants_of(const struct op *op, const struct op_io *io, const struct part *p,
                                           const float *moments, float *scale)
{
    const size_t C = op->g.out.c;
    const float *weights = io->weights + p->c;

    for (size_t c = 0; c < p->g.out.c; c++)
        scale[c] = weights[c] * moments[C + p->c + c];
    return (struct batch_constants){ moments + p->c, scale, weights + C };
}

static void normalise(const struct op *op, const struct op_io *io, const struct part *p, const float *moments,
                      size_t n, const struct operands *o)
{
    const struct batch_constants k = constants_of(op, io, p, moments, io->scratch);

    io->kernels->batch_norm(&p->g, n, o->x, k.mean, k.scale, k.shift, o->y);
}

/* Mean and variance from the sums over `count` values of a channel: into the tape, and for a caller that keeps running statistics. */
static void take_moments(const struct op *op, const struct op_io *io, const struct part *p,
                         const double *sums, size_t count)
{
    float *moments = (float *)(void *)io->tape + p->c, *statistics = io->statistics + p->c;

    for (size_t c = 0; c < p->own; c++) {
        const double mean = sums[c] / (double)count; /* a NaN shows in it, which fmax() would lose */
        const double variance = fmax(sums[p->g.out.c + c] / (double)count - mean * mean, 0);

        moments_of(mean, variance, op->node->epsilon, moments + c, moments + op->g.out.c + c);
        statistics[c] = (float)mean;
        statistics[op->node->out.c + c] = (float)variance;
    }
}

static void batch_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const size_t n = end - begin;
    double *sums = (double *)(void *)io->scratch;

    memset(io->tape, 0, op->n_tape);
    for (size_t c = 0; c < op->g.out.c; c += io->kernels->panel) {
        const struct part p = part_of(op, io, c);
        const struct operands o = part_operands(op, io, &p);

        io->kernels->batch_sums(&p.g, n, o.x, sums);
        take_moments(op, io, &p, sums, n * p.g.out.h * p.g.out.w);
        normalise(op, io, &p, (const float *)(const void *)io->tape, n, &o);
    }
}

static void frozen_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    for (size_t c = 0; c < op->g.out.c; c += io->kernels->panel) {
        const struct part p = part_of(op, io, c);
        struct operands o = part_operands(op, io, &p);

        o.x += begin * p.g.x.image;
        o.y += begin * p.g.y.image;
        normalise(op, io, &p, io->weights + 2 * op->g.out.c, end - begin, &o);
    }
}

/* dx = weight / sqrt(v + epsilon) (dy - mean of dy - xhat * mean of dy xhat), xhat = (x - mean) / sqrt(v + epsilon); of constants
 * the means are left out: count is INFINITY then. */
static void part_slopes(const struct op *op, const struct op_io *io, const struct part *p,
                        const float *moments, size_t n, double count)
{
    const struct operands o = part_operands(op, io, p);
    const float *dy = io->dy + (o.y - io->y), *inverses = moments + op->g.out.c + p->c;
    const size_t P = p->g.out.c, own = op->node->out.c;
    double *sums = (double *)(void *)io->scratch;
    float *room = io->scratch + 2 * P * sizeof *sums / sizeof *room;
    float *scale = room + P, *by_x = scale + P, *shift = by_x + P;
    const struct batch_constants k = constants_of(op, io, p, moments, room), by = { by_x, scale, shift };

    io->kernels->batch_slope_sums(&p->g, n, o.x, dy, &k, sums);
    memset(scale, 0, 3 * P * sizeof *scale);
    for (size_t c = 0; c < p->own; c++) {
        const double inverse = (double)inverses[c], factor = (double)io->weights[p->c + c] * inverse;

        io->sums[p->c + c] += (float)(sums[P + c] * inverse);
        io->sums[own + p->c + c] += (float)sums[c];
        scale[c] = (float)factor;
        by_x[c] = (float)(-factor * inverse * inverse * sums[P + c] / count);
        shift[c] = (float)(-factor * sums[c] / count);
    }
    if (io->dx[0])
        io->kernels->batch_slopes(&p->g, n, o.x, dy, &k, &by, !op->writes, io->dx[0] + (o.x - io->x[0]));
}

static void slopes(const struct op *op, const struct op_io *io, const float *moments, size_t n, double count)
{
    for (size_t c = 0; c < op->g.out.c; c += io->kernels->panel) {
        const struct part p = part_of(op, io, c);

        part_slopes(op, io, &p, moments, n, count);
    }
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
