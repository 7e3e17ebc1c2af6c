/* model/net/plan/plan.h - how the kernels run a network: a list of ops up to the head, and the head.
 *
 * The layers say what is computed (and their plain loops compute it, as the truth for tests); a plan says how it is computed
 * fast. Small passes make it of the graph, a file each: steps.h. The head is no op: it is a dense layer over the features, which
 * a recipe drops out, numbers beside the picture join, and explanations read. Immutable once it is made. */
#ifndef MODEL_NET_PLAN_PLAN_H
#define MODEL_NET_PLAN_PLAN_H

#include "../ops/op.h"
#include "cxrd/precision.h"

enum { HEAD_CHUNKS = 16, HEAD_LINE = HEAD_CHUNKS * HEAD_VECTOR };

/* Values lie in memories of their own, or in a part of the arena, which others have before and after. */
struct memory {
    size_t size;        /* floats of an image */
    bool asked;         /* in training: somebody reads the slopes of its values, the loss by them */
    bool shared;        /* in the arena, */
    size_t offset;      /* ... from here on */
    size_t first, last; /* ops between which its numbers count */
};

/* The use of a plan: gradients too, with normalisations by the statistics of the images themselves or by the running ones. */
enum purpose { FOR_INFERENCE, FOR_TRAINING, FOR_FROZEN_TRAINING };

struct plan {
    const struct network *net; /* a reference */
    enum purpose purpose;
    enum precision precision;
    const struct kernels *kernels;
    struct value *values; /* [n_values]; value 0 is the image */
    size_t n_values;
    struct memory *memories; /* [n_memories]: what values lie in */
    size_t n_memories;
    size_t arena;          /* floats of an image */
    struct memory *slopes; /* [n_memories]: of the slopes of their values; NULL at inference */
    size_t slopes_arena;   /* floats of an image: all of them lie in it */
    struct op *ops;        /* [n_ops], in their order */
    size_t n_ops;

    size_t head_value; /* what the head reads: its layout has no gaps */
    size_t features;   /* numbers of it */
    size_t row;        /* ... in whole HEAD_LINEs, the rest 0: an image of it, and a finding's weights */

    size_t n_weights, n_sums,
        n_scratch; /* floats: of all ops; of all ops, and the head's bias and inputs; the most of an op */
    size_t bias_sums, inputs_sums; /* where the sums of the head's bias and inputs begin */
};

/*   precision  PRECISION_FLOAT32 but for inference
 * Errors: ST_NOMEM. */
MUST_USE enum status plan_new(const struct network *net, const struct kernels *k, enum purpose purpose,
                              enum precision precision, struct plan **ret_plan);
void plan_free(struct plan *p); /* NULL is fine */

/* Floats that an image takes on its way through. */
size_t plan_image_floats(const struct plan *p);

/* Feature f of the head, as it lies in memory, in the file's order: channel, row, column. */
static inline size_t plan_feature(const struct plan *p, size_t f)
{
    const struct value *v = &p->values[p->head_value];
    const size_t plane = v->shape.h * v->shape.w;

    return v->layout.group == 1 || plane == 1 ? f : f % v->shape.c * plane + f / v->shape.c;
}

#endif
