/* model/net/arch/resnet.c - residual networks (He et al., "Deep Residual Learning for Image Recognition", CVPR 2016), as
 * torchvision has them: a bottleneck's stride lies in its 3x3 convolution. */
#include "arch.h"

#include <stdio.h>

enum { STAGES = 4, FIRST_CHANNELS = 64, EXPANSION = 4 /* of a bottleneck */ };

struct family {
    size_t blocks[STAGES];
    bool bottleneck; /* 1x1, 3x3, 1x1; otherwise 3x3, 3x3 */
};

static const struct family RESNET18 = { { 2, 2, 2, 2 }, false }, RESNET50 = { { 3, 4, 6, 3 }, true };

struct place {
    char prefix[48]; /* "layer1.0" */
    size_t in, channels, stride;
};

/* Convolution number i of a block, with its normalisation. */
static size_t step(struct graph *g, size_t from, const struct place *p, size_t i, size_t channels,
                   size_t kernel, size_t stride, const struct layer_ops *ops)
{
    char norm[80];

    snprintf(norm, sizeof norm, "%s.bn%zu", p->prefix, i);
    return arch_conv_norm(g, from, graph_name(g, "%s.conv%zu", p->prefix, i), norm, channels, kernel, stride,
                          1, ops);
}

/* The shortcut around the convolutions: the input, brought to the result's shape. */
static size_t shortcut(struct graph *g, size_t from, const struct place *p, size_t out)
{
    char norm[80];

    if (p->stride == 1 && p->in == out)
        return from;
    snprintf(norm, sizeof norm, "%s.downsample.1", p->prefix);
    return arch_conv_norm(g, from, graph_name(g, "%s.downsample.0", p->prefix), norm, out, 1, p->stride, 1,
                          NULL);
}

static size_t block_add(struct graph *g, size_t from, const struct family *f, const struct place *p)
{
    const size_t out = p->channels * (f->bottleneck ? EXPANSION : 1);
    size_t at = from;

    if (f->bottleneck) {
        at = step(g, at, p, 1, p->channels, 1, 1, &LAYER_RELU);
        at = step(g, at, p, 2, p->channels, 3, p->stride, &LAYER_RELU);
        at = step(g, at, p, 3, out, 1, 1, NULL);
    } else {
        at = step(g, at, p, 1, p->channels, 3, p->stride, &LAYER_RELU);
        at = step(g, at, p, 2, out, 3, 1, NULL);
    }
    return graph_apply(g, &LAYER_RELU, graph_join(g, &LAYER_ADD, at, shortcut(g, from, p, out)));
}

static void resnet(struct graph *g, const struct family *f)
{
    struct place p = { .in = FIRST_CHANNELS };
    size_t at = arch_conv_norm(g, arch_colours(g), "conv1", "bn1", FIRST_CHANNELS, 7, 2, 1, &LAYER_RELU);

    at = graph_pool(g, &LAYER_MAX_POOL, at, 3, 2, 1);
    for (size_t stage = 0; stage < STAGES; stage++)
        for (size_t i = 0; i < f->blocks[stage]; i++) {
            snprintf(p.prefix, sizeof p.prefix, "layer%zu.%zu", stage + 1, i);
            p.channels = (size_t)FIRST_CHANNELS << stage;
            p.stride = stage > 0 && i == 0 ? 2 : 1;
            at = block_add(g, at, f, &p);
            p.in = p.channels * (f->bottleneck ? EXPANSION : 1);
        }
    arch_head(g, at, "fc");
}

void arch_resnet18(struct graph *g) { resnet(g, &RESNET18); }
void arch_resnet50(struct graph *g) { resnet(g, &RESNET50); }
