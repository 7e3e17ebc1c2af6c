/* model/net/plan/forward.h - the forward pass: the values of up to n images, and the ops that fill them. */
#ifndef MODEL_NET_PLAN_FORWARD_H
#define MODEL_NET_PLAN_FORWARD_H

#include "prepared.h"

struct activations {
    size_t n;
    size_t n_memories, n_tapes;
    float *arena;     /* [n] */
    float **memories; /* of the plan, each [n]; NULL for those in the arena */
    float **values;   /* [values of the plan]: the memory that each lies in */
    uint8_t **tapes;  /* [ops], each [n]; for training only */
    float *
        statistics; /* [n_state of the network]: where normalisations by them leave those of the images; borrowed */
};

MUST_USE enum status activations_init(struct activations *a, const struct plan *p, size_t n, bool training);
void activations_release(struct activations *a); /* safe on zeroes */

/* images [n][channels][S][S] into value 0. */
void activations_input(struct activations *a, const struct plan *p, size_t n, const float *images);

/* The arguments of op i, less sums and scratch. */
struct op_io forward_io(const struct plan *p, const struct prepared *w, const struct activations *a,
                        size_t i);

/* The features of n images, in the calling thread: the plan's head_value. And the head's logits [n][labels] of features [n][row].
 * scratch: n_scratch floats of the plan. */
void forward_features(const struct plan *p, const struct prepared *w, struct activations *a, size_t n,
                      float *scratch);
void forward_head(const struct plan *p, const struct prepared *w, const float *features, size_t n,
                  float *ret_logits);

/* Both. */
void forward(const struct plan *p, const struct prepared *w, struct activations *a, size_t n, float *scratch,
             float *ret_logits);

/* The same for one image over the threads of a pool; scratch [threads][n_scratch]. The results are the same bits: no sum
 * depends on who computes it. */
void forward_shared(const struct plan *p, const struct prepared *w, struct activations *a, struct pool *pool,
                    float *scratch, float *ret_logits);

#endif
