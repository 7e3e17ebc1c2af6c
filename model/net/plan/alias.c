/* model/net/plan/alias.c - flattening one number a channel changes nothing: whoever reads the result reads the input. */
#include "steps.h"

static void read_instead(struct steps *s, size_t old, size_t new)
{
    for (size_t i = old + 1; i < s->n; i++)
        for (size_t k = 0; k < s->steps[i].n_from; k++)
            if (s->steps[i].from[k] == old)
                s->steps[i].from[k] = new;
    if (s->last == old)
        s->last = new;
}

void alias(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *step = &s->steps[i];
        const size_t from = step->from[0];

        if (!steps_is(step, &LAYER_FLATTEN) || step->node->in[0].h * step->node->in[0].w != 1)
            continue;
        read_instead(s, i, from);
        s->steps[from].readers += step->readers - 1;
        step->readers = 0;
        step->kind = NULL;
    }
}
