/* model/net/plan/fold.c - a convolution of channels that are all equal is one of a single channel, whose weights are their sum:
 * the networks of colour pictures get the same grey value three times. Only of the image, whose slope nobody asks for. */
#include "steps.h"

size_t steps_reads_image(const struct steps *s, const struct step *step)
{
    const struct node *from = s->steps[step->from[0]].node;

    if (s->steps[0].out.c > 1)
        return 0;
    if (from->ops == &LAYER_IMAGE)
        return 1;
    return from->ops == &LAYER_REPLICATE && from->from[0] == 0 ? from->out.c : 0;
}

void fold(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *step = &s->steps[i];

        if ((step->kind != &OP_FIRST && step->kind != &OP_CONVOLUTION) || step->from[0] == 0 ||
            step->node->groups > 1 || step->prologue || steps_reads_image(s, step) == 0)
            continue;
        step->folded = steps_reads_image(s, step);
        s->steps[step->from[0]].readers--;
        step->from[0] = 0;
        s->steps[0].readers++;
    }
}
