/* model/net/ops/op.h - what a step of a plan is made of: a table of functions, one file a kind.
 *
 * A layer says what is computed; an op computes it, for one node of the network or for several that go in one pass. It reads and
 * writes values: the activations of a batch, laid out as its kernels read them. It holds no state: weights, values, tape and
 * sums are the caller's, in blocks of which the op knows its own stretch. Every stretch begins at a cache line. */
#ifndef MODEL_NET_OPS_OP_H
#define MODEL_NET_OPS_OP_H

#include "../../kernels/kernels.h"
#include "cxrd/network.h"
#include "sums.h"

/* Where the numbers of one image lie: pixel (row, column) of channel c at
 * origin + row * `row` + column * `pixel` + c / group * `panel` + c % group. Floats between them are 0. */
struct layout {
    size_t origin, row, pixel;
    size_t group, panel; /* channels that lie side by side; from such a group to the next */
    size_t image;        /* from one image of a batch to the next */
};

static inline size_t layout_at(const struct layout *l, size_t c, size_t row, size_t column)
{
    return l->origin + row * l->row + column * l->pixel + c / l->group * l->panel + c % l->group;
}

struct layout layout_planes(struct shape s);               /* [channel][row][column] */
struct layout layout_pixels(struct shape s);               /* [row][column][channel] */
struct layout layout_bordered(struct shape s);             /* pixels within a border, as a block reads them */
struct layout layout_panels(struct shape s, size_t P);     /* [channels / P][row][column][P], whole panels */
struct layout layout_half_panel(struct shape s, size_t P); /* [row][column][P / 2]: of no more channels */

struct value {
    struct shape shape;
    struct layout layout;
    size_t memory; /* which of the plan's; several values may be parts of one */
    bool bordered; /* within zeros that nobody writes */
};

enum { OP_MAX_INPUTS = NODE_MAX_INPUTS };

struct op_kind;

struct op {
    const struct op_kind *kind;
    const struct node *node;     /* whose parameters and geometry it has; NULL: it only moves numbers */
    const struct node *norm;     /* of a convolution: the normalisation behind it; NULL: none */
    const struct node *prologue; /* ... and the one before it, with ReLU */
    enum activation activation;  /* what it ends with */
    const struct node *end;      /* whose activation that is; NULL: none */
    size_t folded;               /* equal input channels that it reads as one */
    size_t x[OP_MAX_INPUTS], y;  /* values */
    size_t n_x;
    bool
        begins[OP_MAX_INPUTS]; /* on the way back it is the first that adds to slopes in the memory of x[i] */
    bool writes; /* ... it writes those of x[0], whatever is there, and fills all of their memory */

    /* Filled in by size(). */
    struct block block;  /* of those that are one */
    struct geometry g;   /* of those whose kernels are graph.h's */
    struct shape shape;  /* of a relayout */
    bool trained;        /* its weights are laid out for backward too, or it has some for the slope of x[0] */
    size_t units, most;  /* parts of one image that forward() can do apart; those of a batch in one call */
    size_t grain;        /* a call begins at a multiple of it; 0: anywhere */
    bool by_panel;       /* of a convolution: units are panels of results, */
    size_t kernel_units; /* ... and an image has so many of its kernel's */
    size_t n_prepares, n_collects; /* tasks */
    size_t n_weights, n_sums;      /* floats */
    size_t n_filters;              /* floats: those of n_weights that are a convolution's filters */
    size_t
        group_block;  /* of a convolution in groups: channels that a panel of results sees; 0: all of them */
    bool can_write;   /* backward() can give every number of dx[0] without adding to what is there */
    size_t back;      /* of convolutions: where those of n_weights begin that only backward reads */
    size_t n_scratch; /* floats, of a thread */
    size_t n_tape;    /* bytes, of an image */

    /* Filled in by the plan. */
    size_t weights, sums; /* where its stretches begin */
};

/* The arguments of an op's functions. */
struct op_io {
    const struct kernels *kernels;
    const float *weights;          /* as prepare() left them */
    const float *x[OP_MAX_INPUTS]; /* [n] */
    float *y;                      /* [n] */
    const float *dy;               /* [n]: the loss by y */
    float *dx[OP_MAX_INPUTS];      /* [n]; NULL: not asked */
    uint8_t *tape;                 /* [n][n_tape] that forward leaves for backward; NULL at inference */
    float *sums;                   /* what its parameters' gradients are added up in */
    float *
        statistics; /* [2][C] of a normalisation in training: mean and variance of what it reads; see workspace.h */
    float *scratch;
    const struct layout *x_layout[OP_MAX_INPUTS], *y_layout;
};

/* How a kind wants its values: both sides of it. */
enum lie {
    LIE_PLANES,
    LIE_PIXELS,   /* written with or without a border, as whoever reads it likes */
    LIE_BORDERED, /* read with one */
    LIE_PANELS,   /* read also as pixels, bordered or not, of whole panels */
    LIE_ANY,
};

struct op_kind {
    const char *name;
    enum lie reads, writes;

    /* Geometry and sizes, from the node and its values, which are among `values`. */
    void (*size)(struct op *op, const struct kernels *k, const struct value *values, bool training);

    /* Task 0..n_prepares-1: its part of the weights, from the network's values. NULL: no weights. */
    void (*prepare)(const struct op *op, const struct kernels *k, const float *values, size_t task,
                    float *ret_weights);

    /* Units begin..end-1 of a batch; at most `most`. */
    void (*forward)(const struct op *op, const struct op_io *io, size_t begin, size_t end);

    /* n images: adds to dx and sums; op->writes: dx[0] becomes the slopes. NULL: it is for inference alone. */
    void (*backward)(const struct op *op, const struct op_io *io, size_t n);

    /* Task 0..n_collects-1: its part of the gradients, as the file orders them, from the sums of the whole batch. NULL: it has no
     * parameters. */
    void (*collect)(const struct op *op, const struct kernels *k, const struct sum_tree *sums, size_t task,
                    float *gradients);
};

/* A convolution that is OP_DEPTHWISE's: each channel for itself, into one. */
static inline bool is_depthwise(const struct node *conv)
{
    return conv->groups > 1 && conv->groups == conv->in[0].c && conv->out.c == conv->in[0].c;
}

extern const struct op_kind OP_FIRST;    /* convolution 3x3 of one channel, ReLU, max-pool 2 */
extern const struct op_kind OP_WINOGRAD; /* the same of many channels */
extern const struct op_kind OP_WINOGRAD_INT12, OP_TILES_INT12; /* in integers: for inference alone */
extern const struct op_kind OP_JOIN; /* a concatenation, whose parts are written where it lies */
extern const struct op_kind OP_CONVOLUTION, OP_TILES,
    OP_DEPTHWISE;                             /* any; by Winograd; a channel for itself */
extern const struct op_kind OP_POOL, OP_MEAN; /* of windows; of whole pictures */
extern const struct op_kind OP_COMBINE, OP_NORM, OP_SCALE, OP_ACTIVATE; /* add and mul; alone */
extern const struct op_kind OP_BATCH_NORM, OP_FROZEN_NORM;              /* in training, by whose statistics */
extern const struct op_kind OP_DENSE;                                   /* not the head, which is no op */
extern const struct op_kind OP_RELAYOUT; /* a value, as its next reader wants it */
extern const struct op_kind OP_PLAIN;    /* any node, by its layer's loops */

#endif
