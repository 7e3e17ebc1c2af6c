/* model/net/lane.h - what one thread needs to take pictures forward and backward, see cxrd/training.h.
 *
 * Between forward and backward a lane keeps the values and tapes of a few images, nothing else. */
#ifndef MODEL_NET_LANE_H
#define MODEL_NET_LANE_H

#include "cxrd/training.h"
#include "plan/forward.h"

enum { LANE_IMAGES = 4 /* at a time, where no statistics are theirs */ };

struct lane {
    struct activations activations;
    size_t images; /* that it takes at a time */
    float *slopes; /* [images][slopes_arena of the plan]: the loss by the values, in their layouts */
    float *scratch, *factors; /* factors: of one image's features, for dropout */
};

/* images  the most that it will take at a time
 * Errors: ST_NOMEM. */
MUST_USE enum status lane_init(struct lane *lane, const struct plan *p, size_t images);

/* What lane_init() allocates, nearly; in double, since no product of it overflows. */
double lane_bytes(const struct plan *p, size_t images);
void lane_release(struct lane *lane); /* safe on zeroes */

/* The network as all lanes read it. */
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

/* Images i..i+n-1 of a batch, no more than the lane takes, forward and backward: their gradients, without that of the head's
 * weights, are added to `sums` [n_sums of the plan]. Returns their loss, summed.
 *   ret_statistics  [n_state of the network]: mean and variance of what each normalisation read, where the plan goes by those */
double lane_images(struct lane *lane, const struct trained *net, const struct passage *passage, size_t i,
                   size_t n, float *sums, float *ret_statistics);

#endif
