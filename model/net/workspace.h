/* model/net/workspace.h - what one thread needs to take pictures forward and backward, see cxrd/training.h.
 *
 * Between forward and backward a workspace keeps the values and tapes of a few images, nothing else. */
#ifndef MODEL_NET_WORKSPACE_H
#define MODEL_NET_WORKSPACE_H

#include "cxrd/training.h"
#include "plan/forward.h"

enum { WORKSPACE_IMAGES = 4 /* at a time, where no statistics are theirs */ };

struct workspace {
    struct activations activations;
    size_t images; /* that it takes at a time */
    float *slopes; /* [images][slopes_arena of the plan]: the loss by the values, in their layouts */
    float *scratch, *factors; /* factors: of one image's features, for dropout */
};

/* images  the most that it will take at a time
 * Errors: ST_NOMEM. */
MUST_USE enum status workspace_init(struct workspace *workspace, const struct plan *p, size_t images);

/* What workspace_init() allocates, nearly; in double, since no product of it overflows. */
double workspace_bytes(const struct plan *p, size_t images);
void workspace_release(struct workspace *workspace); /* safe on zeroes */

/* The network as all workspaces read it. */
struct trained {
    const struct plan *plan;
    const struct prepared *weights;
    size_t n_inputs;
    const float *inputs; /* "head.inputs.weight" [labels][n_inputs] */
};

/* A batch on its way: what its pictures leave behind. */
struct passage {
    const struct training_batch *batch;
    float *logits;   /* [n][labels] */
    float *dlogits;  /* [n][labels]: the loss by them */
    float *features; /* [n][row of the plan]: what the head saw of each */
};

/* Images i..i+n-1 of a batch, no more than the workspace takes, forward and backward: their gradients, without that of the head's
 * weights, are added to `sums` [n_sums of the plan]. Returns their loss, summed.
 *   ret_statistics  [n_state of the network]: mean and variance of what each normalisation read, where the plan goes by those */
double workspace_run(struct workspace *workspace, const struct trained *net, const struct passage *passage,
                     size_t i, size_t n, float *sums, float *ret_statistics);

#endif
