/* model/net/plan/commute.c - a mean-pool and a 1x1 convolution before it commute: both are linear, the one over places, the other
 * over channels. The other way round the convolution has fewer pixels to look at. A result of one channel is left alone: its pool would
 * run by its layer's loops (choose.c), which know only the channels that the pool had. */
#include "steps.h"

static bool is_pointwise(const struct step *s)
{
    const struct window *w = &s->node->window;

    return steps_is(s, &LAYER_CONV) && looks_at_pixels(w) && w->stride_h == 1 && w->stride_w == 1 &&
           s->node->groups <= 1 && s->out.c > 1;
}

/* The convolution gives its bias where the border of its result would be zero. */
static bool counts_zeros(const struct window *w)
{
    return w->count_include_pad && w->top + w->left + w->bottom + w->right > 0;
}

void commute(struct steps *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct step *conv = &s->steps[i], *pool = is_pointwise(conv) ? steps_only_reader(s, i) : NULL;
        const struct step was = *conv;

        if (!steps_is(pool, &LAYER_MEAN_POOL) || counts_zeros(&pool->node->window))
            continue;
        conv->node = pool->node;
        conv->out = (struct shape){ s->steps[was.from[0]].out.c, pool->out.h, pool->out.w };
        pool->node = was.node;
    }
}
