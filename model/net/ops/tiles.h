/* model/net/ops/tiles.h - the slopes of Winograd's filters, back into the file's order. */
#ifndef MODEL_NET_OPS_TILES_H
#define MODEL_NET_OPS_TILES_H

#include "op.h"

enum { TILES_COLLECTED = 8 /* input channels a task; divides every panel */ };

/* Task 0..C / TILES_COLLECTED - 1 of a collect(): the sums from place u on, [36] matrices C x O, into dw [O][C][3][3]. */
static inline void tiles_collect(const struct kernels *k, size_t C, size_t O, const struct sum_tree *sums,
                                 size_t u, size_t task, float *dw)
{
    const size_t P = k->panel, rows = WINOGRAD_POINTS * (O / P), first = task * TILES_COLLECTED;

    for (size_t panel = 0; panel < rows; panel++) /* in a panel the channels lie one after the other */
        sum_tree_add(sums, u + (panel * C + first) * P, TILES_COLLECTED * P);
    k->gradient_transform(C, O, sum_tree_at(sums, u), first, first + TILES_COLLECTED, dw);
}

#endif
