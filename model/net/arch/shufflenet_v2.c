/* model/net/arch/shufflenet_v2.c - ShuffleNetV2 (Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture
 * Design", ECCV 2018), as torchvision has it: a block works on half of the channels, passes the other half by, and deals the two out
 * like cards for the next one. */
#include "arch.h"

#include <stdio.h>

enum { STAGES = 3, FIRST_CHANNELS = 24, HALVES = 2 };

static const size_t BLOCKS[STAGES] = { 4, 8, 4 };

struct family {
    size_t channels[STAGES], last_channels;
};

/* Convolution number i of a branch, with the normalisation behind it. */
static size_t step(struct graph *g, size_t from, const char *branch, size_t i, size_t channels, size_t kernel,
                   size_t stride, size_t groups, const struct layer_ops *ops)
{
    char norm[80];

    snprintf(norm, sizeof norm, "%s.%zu", branch, i + 1);
    return arch_conv_norm(g, from, graph_name(g, "%s.%zu", branch, i), norm, channels, kernel, stride, groups,
                          ops);
}

/* The branch of work: 1x1, depthwise 3x3, 1x1. */
static size_t worked_on(struct graph *g, size_t from, const char *block, size_t half, size_t stride)
{
    char branch[64];
    size_t at;

    snprintf(branch, sizeof branch, "%s.branch2", block);
    at = step(g, from, branch, 0, half, 1, 1, 1, &LAYER_RELU);
    at = step(g, at, branch, 3, half, 3, stride, half, NULL);
    return step(g, at, branch, 5, half, 1, 1, 1, &LAYER_RELU);
}

/* The other branch, of a block that halves the sides. */
static size_t passed_by(struct graph *g, size_t from, const char *block, size_t half)
{
    const size_t in = g->net->nodes[from].out.c;
    char branch[64];
    size_t at;

    snprintf(branch, sizeof branch, "%s.branch1", block);
    at = step(g, from, branch, 0, in, 3, 2, in, NULL);
    return step(g, at, branch, 2, half, 1, 1, 1, &LAYER_RELU);
}

static size_t part(struct graph *g, size_t from, size_t first, size_t channels)
{
    const struct node slice = { .ops = &LAYER_SLICE, .from = { from }, .first = first, .channels = channels };

    return graph_add(g, &slice, NULL);
}

static size_t block_add(struct graph *g, size_t from, const char *block, size_t half, bool halves_sides)
{
    const size_t by = halves_sides ? passed_by(g, from, block, half) : part(g, from, 0, half);
    const size_t to_work_on = halves_sides ? from : part(g, from, half, half);
    const struct node shuffle = { .ops = &LAYER_SHUFFLE,
                                  .from = { graph_join(
                                      g, &LAYER_CONCAT, by,
                                      worked_on(g, to_work_on, block, half, halves_sides ? 2 : 1)) },
                                  .groups = HALVES };

    return graph_add(g, &shuffle, NULL);
}

static void shufflenet(struct graph *g, const struct family *f)
{
    char block[32];
    size_t at =
        arch_conv_norm(g, arch_colours(g), "conv1.0", "conv1.1", FIRST_CHANNELS, 3, 2, 1, &LAYER_RELU);

    at = graph_pool(g, &LAYER_MAX_POOL, at, 3, 2, 1);
    for (size_t stage = 0; stage < STAGES; stage++)
        for (size_t i = 0; i < BLOCKS[stage]; i++) {
            snprintf(block, sizeof block, "stage%zu.%zu", stage + 2, i);
            at = block_add(g, at, block, f->channels[stage] / HALVES, i == 0);
        }
    at = arch_conv_norm(g, at, "conv5.0", "conv5.1", f->last_channels, 1, 1, 1, &LAYER_RELU);
    arch_head(g, at, "fc");
}

void arch_shufflenet_v2_x0_5(struct graph *g) { shufflenet(g, &(struct family){ { 48, 96, 192 }, 1024 }); }

void arch_shufflenet_v2_x1_0(struct graph *g) { shufflenet(g, &(struct family){ { 116, 232, 464 }, 1024 }); }

void arch_shufflenet_v2_x1_5(struct graph *g) { shufflenet(g, &(struct family){ { 176, 352, 704 }, 1024 }); }

void arch_shufflenet_v2_x2_0(struct graph *g) { shufflenet(g, &(struct family){ { 244, 488, 976 }, 2048 }); }
