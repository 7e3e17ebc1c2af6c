/* model/net/statistics.c - see statistics.h. */
#include "statistics.h"

#include "layer.h"

/* Of value `at` of the state, which is a variance of `plane` values an image, or a mean (plane 0). */
static void follow(const struct network *net, const struct shard_statistics *s, size_t at, size_t plane,
                   double momentum, float *state)
{
    double sum = 0, images = 0;

    for (size_t k = 0; k < s->n_shards; k++) {
        const double n = (double)(s->images[k] * plane), value = (double)s->values[k * net->n_state + at];

        if (s->images[k] == 0 || n == 1)
            continue;
        sum += (double)s->images[k] * value * (n > 0 ? n / (n - 1) : 1);
        images += (double)s->images[k];
    }
    if (images > 0)
        state[at] = (float)((1 - momentum) * (double)state[at] + momentum * (sum / images));
}

void statistics_follow(const struct plan *p, const struct shard_statistics *s, double momentum, float *state)
{
    const struct network *net = p->net;

    for (size_t i = 0; i < p->n_ops; i++) {
        const struct node *l = p->ops[i].node;
        const size_t half = l && l->ops == &LAYER_NORM ? l->n_state / 2 : 0,
                     first = l ? l->state - net->n_params : 0;

        for (size_t c = 0; c < half; c++) {
            follow(net, s, first + c, 0, momentum, state);
            follow(net, s, first + half + c, l->in[0].h * l->in[0].w, momentum, state);
        }
    }
}
