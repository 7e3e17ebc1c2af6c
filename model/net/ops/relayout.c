/* model/net/ops/relayout.c - a value as its next reader wants it: the same numbers elsewhere. */
#include "op.h"

static void relayout_size(struct op *op, const struct kernels *k, const struct value *values, bool training)
{
    (void)k, (void)training;
    op->shape = values[op->y].shape;
    op->units = op->most = 1;
}

/* The rest of the last panel of channels. Pixels have no panels: another part follows there, or the next pixel. */
static void clear_padding(const struct op *op, const struct layout *to, float *y)
{
    const size_t end = to->panel > 0 ? (op->shape.c + to->group - 1) / to->group * to->group : 0;

    for (size_t c = op->shape.c; c < end; c++)
        for (size_t row = 0; row < op->shape.h; row++)
            for (size_t column = 0; column < op->shape.w; column++)
                y[layout_at(to, c, row, column)] = 0;
}

static void relayout_forward(const struct op *op, const struct op_io *io, size_t begin, size_t end)
{
    const struct layout *from = io->x_layout[0], *to = io->y_layout;

    for (size_t i = begin; i < end; i++) {
        clear_padding(op, to, io->y + i * to->image);
        for (size_t c = 0; c < op->shape.c; c++)
            for (size_t row = 0; row < op->shape.h; row++) {
                const float *x = io->x[0] + i * from->image + layout_at(from, c, row, 0);
                float *y = io->y + i * to->image + layout_at(to, c, row, 0);

                for (size_t column = 0; column < op->shape.w; column++)
                    y[column * to->pixel] = x[column * from->pixel];
            }
    }
}

static void relayout_backward(const struct op *op, const struct op_io *io, size_t n)
{
    const struct layout *from = io->x_layout[0], *to = io->y_layout;

    for (size_t i = 0; i < n && io->dx[0]; i++)
        for (size_t c = 0; c < op->shape.c; c++)
            for (size_t row = 0; row < op->shape.h; row++) {
                float *dx = io->dx[0] + i * from->image + layout_at(from, c, row, 0);
                const float *dy = io->dy + i * to->image + layout_at(to, c, row, 0);

                for (size_t column = 0; column < op->shape.w; column++)
                    dx[column * from->pixel] += dy[column * to->pixel];
            }
}

const struct op_kind OP_RELAYOUT = {
    "relayout", LIE_ANY, LIE_ANY, relayout_size, .forward = relayout_forward, .backward = relayout_backward
};
