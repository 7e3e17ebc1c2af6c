/* model/net/plan/commute.c - a mean-pool and a 1x1 convolution before it commute: both are linear, the one over places, the other
 * over channels. The other way round the convolution has fewer pixels to look at. A result of one channel is left alone: its pool would
 * run by its layer's loops (choose.c), which know only the channels that the pool had. */
#include "steps.h"

static bool is_pointwise(const struct step *s)
{
    const struct window *w = &s->node->window;

    return steps_is(s, &LAYER_CONV) && w->h == 1 && w->w == 1 && w->stride == 1 && w->pad_h == 0 &&
           w->pad_w == 0 && s->node->groups <= 1 && s->out.c > 1;
}

void commute(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *conv = &s->steps[i], *pool = is_pointwise(conv) ? steps_only_reader(s, i) : NULL;
        const struct step was = *conv;

        if (!steps_is(pool, &LAYER_MEAN_POOL))
            continue;
        conv->node = pool->node;
        conv->out = (struct shape){ s->steps[was.from[0]].out.c, pool->out.h, pool->out.w };
        pool->node = was.node;
    }
}
