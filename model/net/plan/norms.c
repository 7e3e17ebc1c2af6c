/* model/net/plan/norms.c - normalisations by running statistics, and constants: scale and shift, which a convolution before them takes into its
 * weights and bias. One with ReLU before a 1x1 convolution is done while that reads: behind a concatenation, which many read,
 * there is nothing to take it (DenseNet). */
#include "steps.h"

static void behind(struct steps *s, size_t i)
{
    struct step *conv = &s->steps[i], *norm = steps_only_reader(s, i);

    if (conv->norm || !norm || !steps_scales(norm))
        return;
    norm->norm = norm->node;
    norm->node = conv->node;
    norm->from[0] = conv->from[0];
    conv->kind = NULL;
}

static bool reads_plainly(const struct step *s)
{
    return steps_is(s, &LAYER_CONV) && !s->prologue && looks_at_pixels(&s->node->window) &&
           s->node->groups <= 1;
}

static void before(struct steps *s, size_t i)
{
    struct step *norm = &s->steps[i], *relu = steps_only_reader(s, i), *conv;

    if (!steps_is(relu, &LAYER_RELU) || norm->from[0] == 0) /* the image has no panels */
        return;
    conv = steps_only_reader(s, (size_t)(relu - s->steps));
    if (!conv || !reads_plainly(conv))
        return;
    conv->prologue = norm->node;
    conv->from[0] = norm->from[0];
    norm->kind = relu->kind = NULL;
}

void norms(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (steps_is(&s->steps[i], &LAYER_CONV))
            behind(s, i);
    for (size_t i = 1; i < s->n; i++)
        if (steps_scales(&s->steps[i]))
            before(s, i);
}
