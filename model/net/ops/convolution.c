/* model/net/ops/convolution.c - convolutions, at inference with what stands before and behind them: a normalisation behind goes
 * into weights and bias, one before with its ReLU is done while reading, a sum and an activation behind while writing. Their way
 * back is in convolution.h.
 *
 * weights  [O] bias, [C] scale, [C] shift of the one before, the filters as their kernel reads them, and what only preparing
 *          needs: [O] scale, the filters of folded channels
 * sums     by Winograd [O] bias, du as its filters
 * unit     a pixel; by Winograd a tile; a channel for itself a row; of few pixels, but for integers, a panel
 *          of results */
#include "convolution.h"
#include "int12.h"
#include "tiles.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* Where the filters begin. */
static size_t filters_at(const struct op *op) { return op->g.out.c + (op->prologue ? 2 * op->g.in.c : 0); }

/* Filters of `n` floats, in tasks. */
static void sizes(struct op *op, size_t n, size_t n_tasks)
{
    op->n_filters = n;
    op->n_weights = filters_at(op) + n + op->g.out.c;
    if (op->folded > 1)
        op->n_weights += op->node->out.c * taps_of(op);
    op->n_prepares = n_tasks;
}

/* The normalisations as bias, scale and shift; returns the scale of the outputs, or NULL. */
static const float *prepare_norms(const struct op *op, const float *values, float *weights)
{
    const struct node *conv = op->node;
    const float *own = conv->bias ? values + conv->params + conv->n_params - conv->out.c : NULL;
    float *scale = weights + filters_at(op) + op->n_filters;

    if (op->prologue)
        norm_coefficients(op->prologue, values, NULL, weights + op->g.out.c,
                          weights + op->g.out.c + op->g.in.c);
    if (op->norm)
        norm_coefficients(op->norm, values, own, scale, weights);
    else if (own)
        memcpy(weights, own, conv->out.c * sizeof(float));
    return op->norm ? scale : NULL;
}

static struct operands operands_of(const struct op *op, const struct op_io *io)
{
    struct operands o = graph_operands(op, io);

    o.bias = io->weights;
    o.w = io->weights + filters_at(op);
    if (op->prologue) {
        o.scale = io->weights + op->g.out.c;
        o.shift = o.scale + op->g.in.c;
    }
    return o;
}

/* ---- any ---- */

static struct filters filters_of(const struct op *op)
{
    const struct node *conv = op->node;

    return (struct filters){ conv->out.c, op->folded > 1 ? 1 : conv->in[0].c,
                             conv->groups > 1 ? conv->groups : 1, taps_of(op) };
}

/* At inference groups that see few of the channels go a panel of results at a time. */
static size_t block_of(const struct op *op, size_t P, bool training)
{
    const struct filters f = filters_of(op);
    const size_t block = filters_block(P, &f);

    return !training && f.groups > 1 && block < op->g.in.c ? block : 0;
}

static void convolution_size(struct op *op, const struct kernels *k, const struct value *values,
                             bool training)
{
    graph_geometry(op, k, values);
    op->units = op->g.out.h * op->g.out.w;
    op->most = SIZE_MAX;
    op->grain = STRIP;
    op->n_scratch = convolution_scratch(&op->g);
    op->group_block = block_of(op, k->panel, training);
    sizes(op, op->g.out.c * (op->group_block ? op->group_block : op->g.in.c) * taps_of(op), 1);
    if (training)
        convolution_back_size(op, k);
    else if (op->group_block == 0)
        graph_share_channels(op, k->panel);
}

/* w [O][folded][taps] -> [O][1][taps] */
static void fold_filters(const struct op *op, const float *w, float *ret)
{
    const size_t taps = taps_of(op);

    for (size_t o = 0; o < op->node->out.c; o++)
        for (size_t t = 0; t < taps; t++) {
            float sum = 0;

            for (size_t c = 0; c < op->folded; c++)
                sum += w[(o * op->folded + c) * taps + t];
            ret[o * taps + t] = sum;
        }
}

static void convolution_prepare(const struct op *op, const struct kernels *k, const float *values,
                                size_t task, float *ret_weights)
{
    const struct filters f = filters_of(op);
    const float *scale = prepare_norms(op, values, ret_weights), *w = values + op->node->params;
    float *packed = ret_weights + filters_at(op), *folded = packed + op->n_filters + op->g.out.c;

    (void)task;
    if (op->folded > 1) {
        fold_filters(op, w, folded);
        w = folded;
    }
    if (op->group_block > 0)
        filters_pack_blocks(k->panel, &f, op->group_block, w, scale, packed);
    else
        filters_pack(k->panel, &op->g, &f, w, scale, packed);
    convolution_back_prepare(op, k, values, ret_weights);
}

/* Each panel of results by its own channels. */
static void blocks_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const size_t P = io->kernels->panel, block = op->group_block;
    const struct filters f = filters_of(op);
    struct geometry g = op->g;

    g.in.c = block;
    g.out.c = P;
    for (size_t first = 0; first < op->g.out.c; first += P) {
        const size_t from = filters_block_from(P, &f, block, first);
        struct operands o = operands_of(op, io);

        g.unused_in = from + block == op->g.in.c ? op->g.unused_in : 0;
        g.unused_out = first + P == op->g.out.c ? op->g.unused_out : 0;
        o.x += from / P * g.x.panel;
        o.w += first * f.taps * block;
        o.bias += first;
        o.y += first / P * g.y.panel;
        o.b = o.b ? o.b + first / P * g.b.panel : NULL;
        io->kernels->convolution(&g, begin, end, &o, io->scratch);
    }
}

static void convolution_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = operands_of(op, io);

    if (op->group_block > 0)
        blocks_forward(op, io, begin, end);
    else
        graph_units(op, io, io->kernels->convolution, &o, op->g.in.c * taps_of(op), begin, end);
}

const struct op_kind OP_CONVOLUTION = { "convolution",        LIE_PANELS,          LIE_PANELS,
                                        convolution_size,     convolution_prepare, convolution_forward,
                                        convolution_backward, convolution_collect };

/* ---- by Winograd: whole panels of channels ---- */

static void tiles_geometry(struct op *op, const struct kernels *k, const struct value *values)
{
    graph_geometry(op, k, values);
    op->units = (op->g.out.h + WINOGRAD_TILE - 1) / WINOGRAD_TILE *
                ((op->g.out.w + WINOGRAD_TILE - 1) / WINOGRAD_TILE);
    op->most = SIZE_MAX;
    op->n_scratch = winograd_scratch(&op->g);
    op->g.w_step = op->g.in.c * op->g.out.c;
}

static void tiles_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    size_t size;

    tiles_geometry(op, k, values);
    size = WINOGRAD_POINTS * op->g.w_step;
    sizes(op, size, op->g.in.c + 1);
    op->trained = training;
    if (!training) {
        graph_share_channels(op, k->panel);
        return;
    }
    op->back = sums_lines(op->n_weights);
    op->n_weights = op->back + size;
    op->n_sums = op->g.out.c + size;
    op->n_collects = op->g.in.c / TILES_COLLECTED;
}

/* Task 0 is the normalisations; the others are an input channel each. The transform is linear, so a scale may come after it. */
static void tiles_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                          float *ret_weights)
{
    const size_t C = op->g.in.c, O = op->g.out.c, P = k->panel, c = task - 1;
    float *u = ret_weights + filters_at(op);

    if (task == 0) {
        prepare_norms(op, values, ret_weights);
        return;
    }
    k->weights_transform(C, O, values + op->node->params, c, c + 1, u,
                         op->trained ? ret_weights + op->back : NULL);
    if (!op->norm)
        return;
    for (size_t o = 0; o < O; o++) {
        const float scale = (float)norm_scale(op->norm, values, o);

        for (size_t p = 0; p < WINOGRAD_POINTS; p++)
            u[p * C * O + (o / P * C + c) * P + o % P] *= scale;
    }
}

static void tiles_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = operands_of(op, io);

    graph_units(op, io, io->kernels->winograd, &o, op->g.in.c, begin, end);
}

static void tiles_backward(const struct op *op, const struct op_io *io, size_t n)
{
    struct slopes s = graph_slopes(op, io, 0);

    s.w = io->weights + op->back;
    s.dw = io->sums + op->g.out.c;
    s.dbias = op->node->bias ? io->sums : NULL;
    io->kernels->winograd_slope(&op->g, 0, n * op->units, &s, io->scratch);
}

static void tiles_gradient(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                           size_t task, float *gradients)
{
    const struct node *conv = op->node;
    const size_t O = op->g.out.c;

    if (task == 0 && conv->bias)
        memcpy(gradients + conv->params + conv->n_params - O, sum_tree_add(sums, op->sums, O),
               O * sizeof(float));
    tiles_collect(k, op->g.in.c, O, sums, op->sums + O, task, gradients + conv->params);
}

const struct op_kind OP_TILES = { "tiles",       LIE_PANELS,    LIE_PANELS,     tiles_size,
                                  tiles_prepare, tiles_forward, tiles_backward, tiles_gradient };

/* ---- the same in integers ---- */

static void tiles_int12_size(struct op *op, const struct kernels *k, const struct value *values,
                             bool training)
{
    (void)training;
    tiles_geometry(op, k, values);
    sizes(op, int12_floats(op->g.in.c, op->g.out.c), 1);
}

static void tiles_int12_prepare(const struct op *op, const struct kernels *k, const float *values,
                                size_t task, float *ret_weights)
{
    const float *scale = prepare_norms(op, values, ret_weights);

    (void)task;
    int12_prepare(k, op->g.in.c, op->g.out.c, values + op->node->params, scale, ret_weights + filters_at(op));
}

static void tiles_int12_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    struct operands o = operands_of(op, io);

    o.int12 = int12_filters(io->kernels, op->g.out.c, o.w);
    io->kernels->winograd_int12(&op->g, begin, end, &o, io->scratch);
}

const struct op_kind OP_TILES_INT12 = { "tiles int12",    LIE_PANELS,          LIE_PANELS,
                                        tiles_int12_size, tiles_int12_prepare, tiles_int12_forward };

/* ---- a channel for itself ---- */

static void depthwise_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    graph_geometry(op, k, values);
    op->units = op->g.out.h;
    op->most = SIZE_MAX;
    sizes(op, op->g.in.c * taps_of(op), 1);
    if (training)
        convolution_back_size(op, k);
    else
        graph_share_channels(op, k->panel);
}

static void depthwise_prepare(const struct op *op, const struct kernels *k, const float *values, size_t task,
                              float *ret_weights)
{
    const float *scale = prepare_norms(op, values, ret_weights);

    (void)task;
    filters_pack_depthwise(k->panel, &op->g, op->node->out.c, values + op->node->params, scale,
                           ret_weights + filters_at(op));
    convolution_back_prepare(op, k, values, ret_weights);
}

static void depthwise_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct operands o = operands_of(op, io);

    graph_units(op, io, io->kernels->depthwise, &o, taps_of(op), begin, end);
}

const struct op_kind OP_DEPTHWISE = { "depthwise",          LIE_PANELS,         LIE_PANELS,
                                      depthwise_size,       depthwise_prepare,  depthwise_forward,
                                      convolution_backward, convolution_collect };
