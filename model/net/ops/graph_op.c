/* model/net/ops/graph_op.c - see graph_op.h. */
#include "graph_op.h"

#include "../layer.h"

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
    const bool thin = v->layout.pixel == v->shape.c && v->shape.c < P;

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
