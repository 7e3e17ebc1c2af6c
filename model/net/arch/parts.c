/* model/net/arch/parts.c - what several architectures have in common, see arch.h. */
#include "arch.h"

size_t arch_colours(struct graph *g)
{
    const struct node replicate = { .ops = &LAYER_REPLICATE,
                                    .from = { IMAGE },
                                    .channels = g->net->channels };

    return g->net->nodes[IMAGE].out.c == g->net->channels ? (size_t)IMAGE : graph_add(g, &replicate, NULL);
}

size_t arch_conv_norm(struct graph *g, size_t from, const char *conv, const char *norm, size_t channels,
                      size_t kernel, size_t stride, size_t groups, const struct layer_ops *ops)
{
    const size_t c = graph_conv(g, from, conv, channels, kernel, stride, groups), n = graph_norm(g, c, norm);

    return ops ? graph_apply(g, ops, n) : n;
}

void arch_head(struct graph *g, size_t from, const char *name)
{
    const size_t part = g->net->nodes[from].out.h / HEAD_SIDE;
    size_t at = from;

    if (g->net->head == HEAD_GAP)
        at = graph_apply(g, &LAYER_FLATTEN, graph_apply(g, &LAYER_GLOBAL_POOL, from));
    else if (g->net->head == HEAD_4X4 && part > 1)
        at = graph_pool(g, &LAYER_MEAN_POOL, from, part, part, 0);
    graph_dense(g, at, name, g->net->n_labels);
}
