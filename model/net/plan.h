/* model/net/plan.h - how the kernels run a network: its layers gathered into blocks, and the memory they need.
 *
 * The layers say what is computed (and their plain loops compute it, as the truth for tests); a plan says how it is
 * computed fast. It recognises grey -> (convolution, ReLU, max-pool) … -> dense, and folds the equal input channels
 * into one, since the three channels of the seed network carry the same grey value. */
#ifndef MODEL_NET_PLAN_H
#define MODEL_NET_PLAN_H

#include "../kernels/kernels.h"
#include "cxrd/network.h"

#include <stdbool.h>

enum { PLAN_MAX_BLOCKS = 6, HEAD_CHUNKS = 16 };

struct plan {
    const struct kernels *kernels;
    size_t image_size;
    size_t n_blocks;
    struct block blocks[PLAN_MAX_BLOCKS];                     /* the first has one input channel */
    size_t weights[PLAN_MAX_BLOCKS], biases[PLAN_MAX_BLOCKS]; /* where they lie in the parameters */
    size_t folded;                    /* input channels of the first block before folding */
    size_t features;                  /* of the head */
    size_t head_channels, head_plane; /* features = channels * plane */
    size_t head_weights, head_bias;
};

/* Errors: ST_INVALID (layers that the kernels cannot run). */
MUST_USE enum status plan_make(const struct network *net, const struct kernels *k, struct plan *ret_plan);

/* Whether what serves one serves the other: the same blocks on the same kernels, wherever their weights lie. */
bool plan_alike(const struct plan *p, const struct plan *q);

size_t plan_tiles(const struct block *b);   /* of one image */
size_t plan_scratch(const struct plan *p);  /* floats that any block's calls need */
size_t plan_winners(const struct block *b); /* bytes of one image: pooled cells by channels */

/* ---- weights as the kernels read them, made from the parameters ---- */

struct prepared {
    float *first; /* [9][O] */
    float *bias[PLAN_MAX_BLOCKS];
    float *u[PLAN_MAX_BLOCKS];  /* NULL for the first block */
    float *ut[PLAN_MAX_BLOCKS]; /* only for training */
    float *head;      /* [14][features], the features channels last, as the last block leaves them */
    float *head_bias; /* [14] */
};

MUST_USE enum status prepared_init(struct prepared *w, const struct plan *p, bool training); /* ST_NOMEM */
void prepared_release(struct prepared *w); /* safe on zeroes */

/* Feature f of the head, channels last, in the file's order [channel][pixel]. */
static inline size_t plan_feature(const struct plan *p, size_t f)
{
    return f % p->head_channels * p->head_plane + f / p->head_channels;
}

struct pool;
void prepared_update(struct prepared *w, const struct plan *p, const float *params, struct pool *pool);

/* ---- activations of up to n images ---- */

struct activations {
    size_t n;
    float *x; /* [n] first block's input, with border */
    float
        *y[PLAN_MAX_BLOCKS]; /* [n] pooled results, as the next step reads them; the last are the features */
    uint8_t *won[PLAN_MAX_BLOCKS]; /* [n] for training; NULL otherwise */
};

MUST_USE enum status activations_init(struct activations *a, const struct plan *p, size_t n, bool training);
void activations_release(struct activations *a); /* safe on zeroes */

/* images [n][S][S] into a->x. */
void activations_input(struct activations *a, const struct plan *p, size_t n, const float *images);

/* All blocks of n images in the calling thread; the head's logits [n][14]. scratch: plan_scratch() floats. */
void forward(const struct plan *p, const struct prepared *w, struct activations *a, size_t n, float *scratch,
             float *ret_logits);

/* The two halves of it: the features, and the logits of features. */
void forward_features(const struct plan *p, const struct prepared *w, struct activations *a, size_t n,
                      float *scratch);
void forward_head(const struct plan *p, const struct prepared *w, const struct activations *a, size_t n,
                  float *ret_logits);

/* The same for one image over the threads of a pool; scratch [threads][plan_scratch()]. The results are the same
 * bits: no sum depends on who computes it. */
void forward_shared(const struct plan *p, const struct prepared *w, struct activations *a, struct pool *pool,
                    float *scratch, float *ret_logits);

#endif
