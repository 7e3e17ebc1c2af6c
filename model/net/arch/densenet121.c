/* model/net/arch/densenet121.c - DenseNet-121 (Huang et al., "Densely Connected Convolutional Networks", CVPR 2017), as
 * torchvision has it: every layer of a dense block reads what all before it in the block gave. */
#include "arch.h"

#include <stdio.h>

enum { GROWTH = 32, BOTTLENECK = 4 * GROWTH, FIRST_CHANNELS = 64, BLOCKS = 4 };

static const size_t LAYERS[BLOCKS] = { 6, 12, 24, 16 };

/* Normalisation and ReLU before a convolution. */
static size_t norm_relu_conv(struct graph *g, size_t from, const char *prefix, const char *which,
                             size_t channels, size_t kernel)
{
    const size_t norm = graph_norm(g, from, graph_name(g, "%s.norm%s", prefix, which));

    return graph_conv(g, graph_apply(g, &LAYER_RELU, norm), graph_name(g, "%s.conv%s", prefix, which),
                      channels, kernel, 1, 1);
}

static size_t dense_layer(struct graph *g, size_t from, size_t block, size_t layer)
{
    char prefix[80];
    size_t at;

    snprintf(prefix, sizeof prefix, "features.denseblock%zu.denselayer%zu", block, layer);
    at = norm_relu_conv(g, from, prefix, "1", BOTTLENECK, 1);
    at = norm_relu_conv(g, at, prefix, "2", GROWTH, 3);
    return graph_join(g, &LAYER_CONCAT, from, at);
}

/* Half the channels, half the sides. */
static size_t transition(struct graph *g, size_t from, size_t block, size_t channels)
{
    char prefix[80];

    snprintf(prefix, sizeof prefix, "features.transition%zu", block);
    return graph_pool(g, &LAYER_MEAN_POOL, norm_relu_conv(g, from, prefix, "", channels / 2, 1), 2, 2, 0);
}

void arch_densenet121(struct graph *g)
{
    size_t channels = FIRST_CHANNELS;
    size_t at = arch_conv_norm(g, arch_colours(g), "features.conv0", "features.norm0", channels, 7, 2, 1,
                               &LAYER_RELU);

    at = graph_pool(g, &LAYER_MAX_POOL, at, 3, 2, 1);
    for (size_t block = 1; block <= BLOCKS; block++) {
        for (size_t layer = 1; layer <= LAYERS[block - 1]; layer++, channels += GROWTH)
            at = dense_layer(g, at, block, layer);
        if (block < BLOCKS) {
            at = transition(g, at, block, channels);
            channels /= 2;
        }
    }
    at = graph_apply(g, &LAYER_RELU, graph_norm(g, at, "features.norm5"));
    arch_head(g, at, "classifier");
}
