/* model/net/plan/steps.h - a plan while the passes make it: a step a node, up to the head.
 *
 *   steps_init  every node by its layer's loops
 *   fuse        nodes that a kernel does in one pass
 *   fold        equal input channels read as one, by the kernels that can
 *   drop        nodes that nobody reads any more
 *   place       layouts, and ops that change them where two do not agree */
#ifndef MODEL_NET_PLAN_STEPS_H
#define MODEL_NET_PLAN_STEPS_H

#include "plan.h"

struct step {
    const struct op_kind *kind;           /* NULL: another step does it, or nobody reads it */
    const struct node *node;              /* whose parameters it has */
    size_t from[NODE_MAX_INPUTS], n_from; /* nodes that it reads */
    size_t folded;
    size_t readers; /* steps that read its result; the head is one */
};

struct steps {
    const struct network *net;
    size_t n;           /* nodes before the head; step 0 is the image */
    struct step *steps; /* [n], owned */
};

MUST_USE enum status steps_init(struct steps *s, const struct network *net); /* ST_NOMEM */
void steps_release(struct steps *s);

/* The node that the head reads. */
static inline size_t steps_last(const struct steps *s) { return s->net->nodes[s->n].from[0]; }

/* How often a step reads the image: in so many equal channels. 0: it reads something else. */
size_t steps_reads_image(const struct steps *s, const struct step *step);

void fuse(struct steps *s);
void fold(struct steps *s);
void drop(struct steps *s);

/* Values and ops of the plan, which holds its network and kernels. Errors: ST_NOMEM. */
MUST_USE enum status place(const struct steps *s, bool training, struct plan *p);

#endif
