/* model/net/plan/fuse.c - convolution 3x3 -> ReLU -> max-pool 2 in one pass: the full-resolution result never exists. */
#include "steps.h"

static bool looks_at(const struct window *w, size_t side, size_t stride, size_t pad)
{
    return w->h == side && w->w == side && w->stride_h == stride && w->stride_w == stride && w->top == pad &&
           w->left == pad && w->bottom == pad && w->right == pad && w->dilation_h == 1 && w->dilation_w == 1;
}

/* The kernels that take such a convolution, or NULL. */
static const struct op_kind *block_kind(const struct steps *s, const struct step *step)
{
    const struct node *conv = step->node;
    const struct shape in = conv->in[0];

    if (conv->ops != &LAYER_CONV || !looks_at(&conv->window, 3, 1, 1) || conv->groups > 1 || !conv->bias ||
        in.h % 2 != 0 || in.w % 2 != 0 || conv->out.c % MAX_PANEL != 0)
        return NULL;
    if (steps_reads_image(s, step) > 0)
        return in.h <= FIRST_MAX_SIDE && in.w <= FIRST_MAX_SIDE ? &OP_FIRST : NULL;
    return in.c % MAX_PANEL == 0 ? &OP_WINOGRAD : NULL;
}

/* The only reader of step i, if it is of that layer. */
static struct step *only(const struct steps *s, size_t i, const struct layer_ops *ops)
{
    struct step *reader = steps_only_reader(s, i);

    return steps_is(reader, ops) ? reader : NULL;
}

void fuse(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *conv = &s->steps[i], *relu, *pool;
        const struct op_kind *kind = conv->kind ? block_kind(s, conv) : NULL;

        relu = kind ? only(s, i, &LAYER_RELU) : NULL;
        pool = relu ? only(s, (size_t)(relu - s->steps), &LAYER_MAX_POOL) : NULL;
        if (!pool || !looks_at(&pool->node->window, 2, 2, 0))
            continue;
        pool->kind = kind;
        pool->node = conv->node;
        pool->from[0] = conv->from[0];
        conv->kind = relu->kind = NULL;
    }
}
