/* model/net/ops/int12.h - Winograd's filters in integers among an op's weights: [36][O] scales, [36] matrices of words. */
#ifndef MODEL_NET_OPS_INT12_H
#define MODEL_NET_OPS_INT12_H

#include "op.h"

static inline size_t int12_floats(size_t C, size_t O)
{
    return WINOGRAD_POINTS * O + WINOGRAD_POINTS * (C * O / 2);
}

static inline struct int12_filters int12_filters(const struct kernels *k, size_t O, const float *weights)
{
    return (struct int12_filters){ .scale = weights,
                                   .words = (const int32_t *)(const void *)(weights + WINOGRAD_POINTS * O),
                                   .products = k->int12_products };
}

/* w and scale as int12_weights() takes them. */
static inline void int12_prepare(const struct kernels *k, size_t C, size_t O, const float *w,
                                 const float *scale, float *ret_weights)
{
    k->int12_weights(C, O, w, scale, (int32_t *)(void *)(ret_weights + WINOGRAD_POINTS * O), ret_weights);
}

#endif
