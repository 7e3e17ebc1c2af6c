/* model/net/ops/graph_op.c - see graph_op.h. */
#include "graph_op.h"

#include "../layer.h"

#include <assert.h>
#include <math.h>

static struct view view_of(const struct layout *l, size_t P)
{
    return (struct view){
        .pixel = l->pixel, .row = l->row, .panel = l->group == P ? l->panel : P, .image = l->image
    };
}

/* The image, where a convolution reads it, is as thin as it is. */
static struct shape padded(const struct value *v, size_t P)
{
    const bool thin = v->layout.pixel == v->shape.c && v->layout.group < P;

    return (struct shape){ thin ? v->shape.c : whole_panels(v->shape.c, P), v->shape.h, v->shape.w };
}

void graph_geometry(struct op *op, const struct kernels *k, const struct value *values)
{
    const struct value *x = &values[op->x[0]], *y = &values[op->y];

    op->g = (struct geometry){ .in = padded(x, k->panel),
                               .out = padded(y, k->panel),
                               .window = op->node->window,
                               .x = view_of(&x->layout, k->panel),
                               .y = view_of(&y->layout, k->panel),
                               .activation = op->activation };
    op->g.unused_in = op->g.in.c - (op->g.in.c < x->shape.c ? op->g.in.c : x->shape.c);
    op->g.unused_out = op->g.out.c - y->shape.c;
    if (op->end) {
        op->g.low = (float)op->end->low;
        op->g.high = (float)op->end->high;
        op->g.slope = (float)op->end->slope;
    }
    if (op->n_x > 1)
        op->g.b = view_of(&values[op->x[1]].layout, k->panel);
}

struct operands graph_operands(const struct op *op, const struct op_io *io)
{
    return (struct operands){ .x = io->x[0] + io->x_layout[0]->origin,
                              .b = op->n_x > 1 ? io->x[1] + io->x_layout[1]->origin : NULL,
                              .y = io->y + io->y_layout->origin };
}

/* Whether a result's channel is made of the same channel alone. */
static bool by_channel(const struct node *node) { return node->ops != &LAYER_CONV || is_depthwise(node); }

enum { FEW_PIXELS = 256, FEW_PANELS = 4 };

void graph_share_channels(struct op *op, size_t P)
{
    const struct shape s = by_channel(op->node) ? op->g.in : op->g.out;
    const size_t pixels = s.h * s.w;

    op->kernel_units = op->units;
    if (pixels > FEW_PIXELS || (pixels >= (size_t)2 * STRIP && op->g.out.c < FEW_PANELS * P))
        return;
    op->units = op->g.out.c / P;
    op->grain = 1;
    op->by_panel = true;
}

/* Panels begin..end-1 of an image as a step of their own. */
static void panels_forward(const struct op *op, const struct op_io *io, graph_kernel *kernel,
                           struct operands o, size_t per_result, size_t image, size_t begin, size_t end)
{
    const size_t P = io->kernels->panel, n = op->kernel_units;
    struct geometry g = op->g;

    g.out.c = (end - begin) * P;
    g.unused_out = end == op->units ? g.unused_out : 0;
    if (by_channel(op->node)) {
        g.in.c = g.out.c;
        g.unused_in = g.unused_out;
        o.x += begin * g.x.panel;
    }
    o.w = o.w ? o.w + begin * P * per_result : NULL;
    o.bias = o.bias ? o.bias + begin * P : NULL;
    o.b = o.b ? o.b + begin * g.b.panel : NULL;
    o.y += begin * g.y.panel;
    kernel(&g, image * n, (image + 1) * n, &o, io->scratch);
}

void graph_units(const struct op *op, const struct op_io *io, graph_kernel *kernel, const struct operands *o,
                 size_t per_result, size_t begin, size_t end)
{
    const size_t image = begin / op->units;

    assert(!op->by_panel || begin % op->units == 0 || end <= (image + 1) * op->units);
    if (!op->by_panel)
        kernel(&op->g, begin, end, o, io->scratch);
    else if (begin % op->units == 0 && end % op->units == 0)
        kernel(&op->g, image * op->kernel_units, end / op->units * op->kernel_units, o, io->scratch);
    else
        panels_forward(op, io, kernel, *o, per_result, image, begin % op->units, end - image * op->units);
}

struct slopes graph_slopes(const struct op *op, const struct op_io *io, size_t k)
{
    const struct operands o = graph_operands(op, io);

    return (struct slopes){ .x = o.x,
                            .b = o.b,
                            .y = o.y,
                            .dy = io->dy + io->y_layout->origin,
                            .dx = io->dx[k] ? io->dx[k] + io->x_layout[k]->origin : NULL };
}

double norm_scale(const struct node *norm, const float *values, size_t c)
{
    const float *state = values + norm->state;

    if (norm->ops == &LAYER_SCALE)
        return (double)state[c];
    return (double)values[norm->params + c] / sqrt((double)state[norm->out.c + c] + norm->epsilon);
}

void norm_coefficients(const struct node *norm, const float *values, const float *bias, float *ret_scale,
                       float *ret_shift)
{
    const size_t C = norm->out.c;
    const bool constant = norm->ops == &LAYER_SCALE;
    const float *state = values + norm->state, *added = constant ? state + C : values + norm->params + C;

    for (size_t c = 0; c < C; c++) {
        const double scale = norm_scale(norm, values, c);
        const double centre = (constant ? 0 : (double)state[c]) - (bias ? (double)bias[c] : 0);

        ret_scale[c] = (float)scale;
        ret_shift[c] = (float)((double)added[c] - centre * scale);
    }
}
