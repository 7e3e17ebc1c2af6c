/* model/net/plan/steps.h - a plan while the passes make it: a step a node, up to the head.
 *
 * In the order in which plan_new() calls them (docs/internals/graph.md says why in this one):
 *
 *   steps_init  every node by its layer's loops
 *   alias       nodes that change no number, or do what another did
 *   fuse        blocks that a kernel does in one pass
 *   commute     at inference: a mean-pool before the 1x1 convolution that it follows, a quarter of the products
 *   norms       at inference: normalisations and scales into the convolution before or behind them
 *   endings     sums and activations into the convolution or normalisation before them
 *   choose      the kernel of everything else
 *   narrow      integers for products of float32, where that is asked for
 *   fold        equal input channels read as one, by the kernels that can
 *   drop        nodes that nobody reads any more
 *   place       where values lie, and ops that move them where two do not agree
 *   share       memory; in training that of slopes */
#ifndef MODEL_NET_PLAN_STEPS_H
#define MODEL_NET_PLAN_STEPS_H

#include "../layer.h"
#include "plan.h"

struct step {
    const struct op_kind *kind;         /* NULL: another step does it, or nobody reads it */
    const struct node *node;            /* whose parameters it has */
    const struct node *norm, *prologue; /* as of struct op */
    enum activation activation;
    const struct node *end;               /* whose activation that is */
    size_t from[NODE_MAX_INPUTS], n_from; /* steps whose results it reads */
    size_t folded;
    size_t readers;   /* steps that read its result; the head is one */
    struct shape out; /* of its result */
};

struct steps {
    const struct network *net;
    size_t panel;       /* of the kernels */
    size_t n;           /* nodes before the head; step 0 is the image */
    size_t last;        /* the step that the head reads */
    struct step *steps; /* [n], owned */
};

MUST_USE enum status steps_init(struct steps *s, const struct network *net, size_t panel); /* ST_NOMEM */
void steps_release(struct steps *s);

/* The only step that reads the result of step i; NULL: there are others, or the head is it. */
struct step *steps_only_reader(const struct steps *s, size_t i);

/* How often a step reads the image: in so many equal channels. 0: it reads something else, or the image has several. */
size_t steps_reads_image(const struct steps *s, const struct step *step);

/* Whether it is still as steps_init() made it, of that layer. */
static inline bool steps_is(const struct step *s, const struct layer_ops *ops)
{
    return s && s->kind == &OP_PLAIN && s->node->ops == ops;
}

/* Whether a window is one pixel, and no result is of the border. */
static inline bool looks_at_pixels(const struct window *w)
{
    return w->h == 1 && w->w == 1 && w->top + w->left + w->bottom + w->right == 0;
}

/* The activation that a layer is, ACT_NONE: it is no activation. */
enum activation activation_of(const struct layer_ops *layer);

/* Whether it multiplies a channel by a number and adds one: at inference. */
static inline bool steps_scales(const struct step *s)
{
    return steps_is(s, &LAYER_NORM) || steps_is(s, &LAYER_SCALE);
}

void alias(struct steps *s);
void fuse(struct steps *s);
void commute(struct steps *s);
void norms(struct steps *s);
void endings(struct steps *s, enum purpose purpose);
void choose(struct steps *s, enum purpose purpose);
void narrow(struct steps *s);
void fold(struct steps *s);
void drop(struct steps *s);

/* Values and ops of the plan, which holds its network and kernels. Errors: ST_NOMEM. */
MUST_USE enum status place(const struct steps *s, bool training, struct plan *p);

/* Values of a forward pass share memory where their times do not overlap. Errors: ST_NOMEM. */
MUST_USE enum status share(struct plan *p);

/* The same of the slopes on the way back. Errors: ST_NOMEM. */
MUST_USE enum status share_slopes(struct plan *p);

#endif
