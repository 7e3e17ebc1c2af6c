/* model/net/arch/arch.h - the authors of networks: each adds the nodes of its architecture up to its head, for an image
 * size that architectures.c has found to fit. Tensors have the names that torchvision gives them, where the architecture is one of
 * theirs; where the first convolution has three channels and the image one, all of them get its grey value. */
#ifndef MODEL_NET_ARCH_ARCH_H
#define MODEL_NET_ARCH_ARCH_H

#include "../graph/graph.h"

enum { IMAGE = 0 /* node */, HEAD_SIDE = 4 };

void arch_cnn4(struct graph *g);
void arch_mlp(struct graph *g);
void arch_densenet121(struct graph *g);
void arch_resnet18(struct graph *g);
void arch_resnet50(struct graph *g);
void arch_mobilenet_v2(struct graph *g);
void arch_shufflenet_v2_x0_5(struct graph *g);
void arch_shufflenet_v2_x1_0(struct graph *g);
void arch_shufflenet_v2_x1_5(struct graph *g);
void arch_shufflenet_v2_x2_0(struct graph *g);

/* The beginning that several share: the image in as many channels as the network's first convolution sees. */
size_t arch_colours(struct graph *g);

/* Convolution without a bias, normalisation and `ops` after it, NULL: nothing. */
size_t arch_conv_norm(struct graph *g, size_t from, const char *conv, const char *norm, size_t channels,
                      size_t kernel, size_t stride, size_t groups, const struct layer_ops *ops);

/* The end: what the network's head asks for of the last features, and the dense layer. */
void arch_head(struct graph *g, size_t from, const char *name);

#endif
