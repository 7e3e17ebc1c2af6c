/* model/net/arch/mobilenet_v2.c - MobileNetV2 (Sandler et al., "Inverted Residuals and Linear Bottlenecks", CVPR 2018), as
 * torchvision has it: each block widens its channels, looks at each of them alone, and narrows them again. */
#include "arch.h"

#include <stdio.h>

enum { FIRST_CHANNELS = 32, LAST_CHANNELS = 1280 };

static const struct family {
    size_t widening, channels, blocks, stride; /* of the first block; 1 for the others */
} FAMILIES[] = { { 1, 16, 1, 1 }, { 6, 24, 2, 2 },  { 6, 32, 3, 2 }, { 6, 64, 4, 2 },
                 { 6, 96, 3, 1 }, { 6, 160, 3, 2 }, { 6, 320, 1, 1 } };

/* Convolution, normalisation and ReLU6 number `i` of a block. */
static size_t step(struct graph *g, size_t from, size_t block, size_t i, size_t channels, size_t kernel,
                   size_t stride, size_t groups)
{
    char norm[64];

    snprintf(norm, sizeof norm, "features.%zu.conv.%zu.1", block, i);
    return arch_conv_norm(g, from, graph_name(g, "features.%zu.conv.%zu.0", block, i), norm, channels, kernel,
                          stride, groups, &LAYER_RELU6);
}

static size_t block_add(struct graph *g, size_t from, size_t block, const struct family *f, size_t in,
                        size_t stride)
{
    const size_t wide = in * f->widening;
    char norm[64];
    size_t at = from, i = 0;

    if (f->widening > 1)
        at = step(g, at, block, i++, wide, 1, 1, 1);
    at = step(g, at, block, i++, wide, 3, stride, wide);
    snprintf(norm, sizeof norm, "features.%zu.conv.%zu", block, i + 1);
    at = arch_conv_norm(g, at, graph_name(g, "features.%zu.conv.%zu", block, i), norm, f->channels, 1, 1, 1,
                        NULL);
    return stride == 1 && in == f->channels ? graph_join(g, &LAYER_ADD, from, at) : at;
}

void arch_mobilenet_v2(struct graph *g)
{
    size_t block = 1, in = FIRST_CHANNELS;
    size_t at = arch_conv_norm(g, arch_colours(g), "features.0.0", "features.0.1", FIRST_CHANNELS, 3, 2, 1,
                               &LAYER_RELU6);

    for (size_t f = 0; f < sizeof FAMILIES / sizeof FAMILIES[0]; f++)
        for (size_t i = 0; i < FAMILIES[f].blocks; i++, block++) {
            at = block_add(g, at, block, &FAMILIES[f], in, i == 0 ? FAMILIES[f].stride : 1);
            in = FAMILIES[f].channels;
        }
    at = arch_conv_norm(g, at, "features.18.0", "features.18.1", LAST_CHANNELS, 1, 1, 1, &LAYER_RELU6);
    arch_head(g, at, "classifier.1");
}
