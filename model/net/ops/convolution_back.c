/* model/net/ops/convolution_back.c - see convolution.h. */
#include "convolution.h"

#include <string.h>

/* Filters of a tap. */
static size_t filters(const struct op *op) { return op->g.in.c * (is_depthwise(op->node) ? 1 : op->g.out.c); }

static size_t groups_of(const struct op *op) { return op->node->groups > 1 ? op->node->groups : 1; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }

/* The slope of the image, a thin picture, has no reader. */
void convolution_back_size(struct op *op, const struct kernels *k)
{
    const struct slope_matrix m = slope_matrix_of(k->panel, &op->g);
    struct phase p = { 0 };

    op->trained = op->g.in.c >= k->panel;
    op->can_write = op->g.window.stride_h == 1 && op->g.window.stride_w == 1;
    op->n_collects = op->g.out.c / k->panel;
    op->n_sums =
        op->g.out.c + (is_depthwise(op->node) ? op->g.in.c * taps_of(op) : m.runs * m.rows * op->g.out.c);
    if (!is_depthwise(op->node))
        op->n_scratch = larger(op->n_scratch, filters_slope_scratch(&op->g));
    if (!op->trained)
        return;
    op->back = sums_lines(op->n_weights);
    op->n_weights = op->back + op->g.in.c + taps_of(op) * filters(op);
    while (!is_depthwise(op->node) && phase_next(&op->g, &p))
        op->n_scratch = larger(op->n_scratch, convolution_scratch(&p.g));
}

void convolution_back_prepare(const struct op *op, const struct kernels *k, const float *values,
                              float *ret_weights)
{
    const struct node *conv = op->node;
    const struct filters f = { conv->out.c, conv->in[0].c, groups_of(op), taps_of(op) };
    const float *w = values + conv->params;
    float *packed = ret_weights + op->back + op->g.in.c;
    struct phase p = { 0 };

    while (op->trained && phase_next(&op->g, &p))
        if (is_depthwise(op->node))
            filters_pack_phase_depthwise(k->panel, &op->g, &p, conv->out.c, w, packed + p.taps * filters(op));
        else
            filters_pack_phase(k->panel, &op->g, &p, &f, w, packed + p.taps * filters(op));
}

/* dx += what the phases give, or becomes it where the only phase has every pixel. */
static void data_backward(const struct op *op, const struct op_io *io, const struct slopes *s, size_t n)
{
    const float *zeros = io->weights + op->back;
    struct phase p = { 0 };

    while (phase_next(&op->g, &p)) {
        const struct operands o = { .x = s->dy + p.dy,
                                    .b = op->writes ? NULL : s->dx + p.dx,
                                    .w = zeros + op->g.in.c + p.taps * filters(op),
                                    .bias = zeros,
                                    .y = s->dx + p.dx };

        if (is_depthwise(op->node))
            io->kernels->depthwise(&p.g, 0, n * p.g.out.h, &o, io->scratch);
        else
            io->kernels->convolution(&p.g, 0, n * p.g.out.h * p.g.out.w, &o, io->scratch);
    }
}

void convolution_backward(const struct op *op, const struct op_io *io, size_t n)
{
    struct slopes s = graph_slopes(op, io, 0);

    s.dw = io->sums + op->g.out.c;
    s.dbias = op->node->bias ? io->sums : NULL;
    (is_depthwise(op->node) ? io->kernels->depthwise_slope
                            : io->kernels->filters_slope)(&op->g, 0, n * op->units, &s, io->scratch);
    if (s.dx)
        data_backward(op, io, &s, n);
}

/* ---- back into the file's order; a task is a panel of results ---- */

static void add_task(const struct op *op, size_t P, const struct sum_tree *sums, size_t task)
{
    const struct slope_matrix m = slope_matrix_of(P, &op->g);
    const size_t dw = op->sums + op->g.out.c, size = (is_depthwise(op->node) ? taps_of(op) : m.rows) * P;

    if (op->node->bias)
        sum_tree_add(sums, op->sums + task * P, P);
    if (is_depthwise(op->node))
        sum_tree_add(sums, dw + task * size, size);
    for (size_t run = 0; !is_depthwise(op->node) && run < m.runs; run++)
        sum_tree_add(sums, dw + (run * (op->g.out.c / P) + task) * size, size);
}

/* Where the slopes lie of the weights from channel c, of those that group `group` of results sees, by tap t to the results of a
 * panel: side by side. */
static size_t slopes_at(const struct op *op, size_t P, size_t panel, size_t group, size_t c, size_t t)
{
    const struct slope_matrix m = slope_matrix_of(P, &op->g);
    const size_t channel = op->folded > 1 ? 0 : group * (op->node->in[0].c / groups_of(op)) + c;
    const bool thin = op->g.in.c < P;

    if (is_depthwise(op->node))
        return (panel * taps_of(op) + t) * P;
    return (((thin ? 0 : t) * (op->g.out.c / P) + panel) * m.rows +
            (thin ? t * op->g.in.c + channel : channel)) *
           P;
}

/* Results begin..end-1 of a panel, which are of one group. */
static void collect_results(const struct op *op, size_t P, const float *sum, size_t begin, size_t end,
                            float *gradients)
{
    const struct node *conv = op->node;
    const size_t taps = taps_of(op), C = conv->in[0].c / groups_of(op);
    const size_t group = begin / (conv->out.c / groups_of(op));
    float *dw = gradients + conv->params + begin * C * taps;

    for (size_t c = 0; c < C; c++)
        for (size_t t = 0; t < taps; t++) {
            const float *from = sum + slopes_at(op, P, begin / P, group, c, t) + begin % P;

            for (size_t o = 0; o < end - begin; o++)
                dw[(o * C + c) * taps + t] = from[o];
        }
}

void convolution_collect(const struct op *op, const struct kernels *k, const struct sum_tree *sums,
                         size_t task, float *gradients)
{
    const struct node *conv = op->node;
    const size_t P = k->panel, group = conv->out.c / groups_of(op), first = task * P;
    const size_t end = first + P < conv->out.c ? first + P : conv->out.c;
    const float *bias = sum_tree_at(sums, op->sums);

    add_task(op, P, sums, task);
    if (conv->bias)
        memcpy(gradients + conv->params + conv->n_params - conv->out.c + first, bias + first,
               (end - first) * sizeof *bias);
    for (size_t o = first, next; o < end; o = next) {
        next = is_depthwise(op->node) ? end : (o / group + 1) * group;
        next = next < end ? next : end;
        collect_results(op, P, bias + op->g.out.c, o, next, gradients);
    }
}
