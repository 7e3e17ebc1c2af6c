/* model/net/lane.h - what one thread needs to take pictures forward and backward, see cxrd/training.h.
 *
 * Between forward and backward a lane keeps the values and tapes of a few images, nothing else. */
#ifndef MODEL_NET_LANE_H
#define MODEL_NET_LANE_H

#include "cxrd/training.h"
#include "plan/forward.h"

enum { LANE_IMAGES = 4 /* at a time */ };

struct lane {
    struct activations activations;
    size_t n_values;
    float **slopes;           /* [values]: the loss by each, in its layout; NULL: nobody asks */
    float *scratch, *factors; /* factors: of one image's features, for dropout */
};

MUST_USE enum status lane_init(struct lane *lane, const struct plan *p); /* ST_NOMEM */
void lane_release(struct lane *lane);                                    /* safe on zeroes */

/* The network as all lanes read it. */
struct trained {
    const struct plan *plan;
    const struct prepared *weights;
    size_t n_inputs;
    const float *inputs; /* "head.inputs.weight" [14][n_inputs] */
};

/* A batch on its way: what its pictures leave behind. */
struct passage {
    const struct training_batch *batch;
    float *logits;   /* [n][14] */
    float *dlogits;  /* [n][14]: the loss by them */
    float *features; /* [n][row of the plan]: what the head saw of each */
};

/* Images i..i+n-1 of a batch, at most LANE_IMAGES, forward and backward: their gradients, without that of the head's weights,
 * are added to `sums` [n_sums of the plan]. Returns their loss, summed. */
double lane_images(struct lane *lane, const struct trained *net, const struct passage *passage, size_t i,
                   size_t n, float *sums);

#endif
