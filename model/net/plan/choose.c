/* model/net/plan/choose.c - which kernel does what no other pass has given to one: in training those that know the way back. */
#include "steps.h"

enum { FEW_PIXELS = 64, MANY_FILTERS = 1 << 16 };

static bool whole(size_t channels, size_t P) { return channels % P == 0; }

/* Winograd's filters are four times as large, and to read them takes its time where few pixels share them: at 512 -> 512 channels
 * of 7 x 7 it took 0.85 of the time of a plain convolution, for 28 MB more, where 256 -> 256 of 14 x 14 took 0.37. */
static bool is_for_winograd(const struct steps *s, const struct step *step)
{
    const struct node *conv = step->node;
    const struct window *w = &conv->window;
    const size_t C = conv->in[0].c, O = conv->out.c;

    return conv->groups <= 1 && w->h == 3 && w->w == 3 && w->stride_h == 1 && w->stride_w == 1 &&
           w->dilation_h == 1 && w->dilation_w == 1 && !step->prologue && whole(C, s->panel) &&
           whole(O, s->panel) && (step->out.h * step->out.w >= FEW_PIXELS || C * O < MANY_FILTERS);
}

static const struct op_kind *convolution_kind(const struct steps *s, const struct step *step)
{
    if (is_depthwise(step->node))
        return &OP_DEPTHWISE;
    return is_for_winograd(s, step) ? &OP_TILES : &OP_CONVOLUTION;
}

static const struct {
    const struct layer_ops *layer;
    const struct op_kind *kind;
    enum activation activation;
} KINDS[] = {
    { &LAYER_NORM, &OP_NORM, ACT_NONE },
    { &LAYER_RELU, &OP_ACTIVATE, ACT_RELU },
    { &LAYER_RELU6, &OP_ACTIVATE, ACT_RELU6 },
    { &LAYER_SIGMOID, &OP_ACTIVATE, ACT_SIGMOID },
    { &LAYER_SILU, &OP_ACTIVATE, ACT_SILU },
    { &LAYER_HARD_SWISH, &OP_ACTIVATE, ACT_HARD_SWISH },
    { &LAYER_MAX_POOL, &OP_POOL, ACT_NONE },
    { &LAYER_MEAN_POOL, &OP_POOL, ACT_NONE },
    { &LAYER_GLOBAL_POOL, &OP_MEAN, ACT_NONE },
    { &LAYER_ADD, &OP_COMBINE, ACT_NONE },
    { &LAYER_MUL, &OP_COMBINE, ACT_NONE },
    { &LAYER_DENSE, &OP_DENSE, ACT_NONE },
    { &LAYER_SCALE, &OP_SCALE, ACT_NONE },
    { &LAYER_CLIP, &OP_ACTIVATE, ACT_CLIP },
    { &LAYER_HARD_SIGMOID, &OP_ACTIVATE, ACT_HARD_SIGMOID },
    { &LAYER_LEAKY_RELU, &OP_ACTIVATE, ACT_LEAKY_RELU },
};
enum { N_KINDS = sizeof KINDS / sizeof KINDS[0] };

enum activation activation_of(const struct layer_ops *layer)
{
    for (size_t k = 0; k < N_KINDS; k++)
        if (KINDS[k].layer == layer)
            return KINDS[k].activation;
    return ACT_NONE;
}

static void choose_for_training(struct steps *s, enum purpose purpose)
{
    for (size_t i = 1; i < s->n; i++)
        if (steps_is(&s->steps[i], &LAYER_NORM))
            s->steps[i].kind = purpose == FOR_TRAINING ? &OP_BATCH_NORM : &OP_FROZEN_NORM;
}

void choose(struct steps *s, enum purpose purpose)
{
    const bool training = purpose != FOR_INFERENCE;

    if (training)
        choose_for_training(s, purpose);
    for (size_t i = 1; i < s->n; i++) {
        struct step *step = &s->steps[i];

        if (step->node->in[0].c == 1 && step->activation == ACT_NONE && !steps_is(step, &LAYER_CONV) &&
            !steps_is(step, &LAYER_DENSE))
            continue; /* it would be a channel of a panel and nothing beside it */
        if (steps_is(step, &LAYER_CONV))
            step->kind = convolution_kind(s, step);
        else if (steps_is(step, &LAYER_CONCAT) && whole(step->node->in[0].c, s->panel))
            step->kind = &OP_JOIN;
        for (size_t k = 0; k < N_KINDS; k++)
            if (steps_is(step, KINDS[k].layer) && (!training || KINDS[k].kind->backward)) {
                step->kind = KINDS[k].kind;
                if (step->activation == ACT_NONE && KINDS[k].activation != ACT_NONE) {
                    step->activation = KINDS[k].activation;
                    step->end = step->node;
                }
            }
    }
}
