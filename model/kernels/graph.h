/* model/kernels/graph.h - what the kernels of graphs work on: any convolution, pool or elementwise step, from views to views.
 *
 * All of them have one signature, graph_kernel. A step's work is divided into units, counted over the whole batch, image after
 * image, so that threads can share it; the results are the same bits however it is cut. Each kernel says what its unit is, in
 * kernels.h.
 *
 * Kernels read inside the picture and write inside the picture, nothing else: what a window sees outside counts as zero without
 * being there. A border around a picture is allowed and not needed.
 *
 * NaN and infinity are never lost, of an activation either: no finite result comes of them, or a sum that overflowed would end
 * as an ordinary probability. */
#ifndef MODEL_KERNELS_GRAPH_H
#define MODEL_KERNELS_GRAPH_H

#include "cxrd/network.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where pixel (row, column) of channel c lies, from the first: row * v.row + column * v.pixel + c / P * v.panel + c % P floats.
 * Panels [C/P][row][column][P] have pixel = P, channels last have pixel = C and panel = P. All four are multiples of P, except in
 * a thin picture (see geometry.in). A concatenation is a place in a larger buffer; a pitch of 0 gives all rows, columns or
 * images the same numbers. */
struct view {
    size_t pixel, row, panel; /* pitches in floats */
    size_t image;             /* from an image of the batch to the next */
};

enum activation {
    ACT_NONE,
    ACT_RELU,
    ACT_RELU6,
    ACT_SIGMOID,
    ACT_SILU,
    ACT_HARD_SWISH,
    ACT_HARD_SIGMOID,
    ACT_CLIP,
    ACT_LEAKY_RELU
};

/* Channels are whole panels: the caller rounds them up. Channels beyond the network's own hold zeros in weights and
 * biases, any finite numbers in inputs; in results it is what zeros give, always finite. A second vector of the last panel that is not of the
 * network's at all is neither read nor written, but by Winograd: of 16 channels in panels of 32 it would be half of all that is moved. */
struct geometry {
    struct shape in; /* a convolution also takes a thin picture: fewer channels than a panel, pixel = in.c */
    struct shape out;
    struct window window;         /* of convolutions and pools */
    struct view x, y;             /* input, result */
    struct view b;                /* second operand */
    enum activation activation;   /* pools have none */
    float low, high;              /* of ACT_CLIP */
    float slope;                  /* of ACT_LEAKY_RELU, below 0 */
    size_t w_step;                /* of winograd: from one of the 36 matrices of weights to the next */
    size_t unused_in, unused_out; /* so many of the last channels are beyond the network's; 0: not known */
};

/* A set's products of words, see struct kernels. */
typedef void int12_products(size_t T, size_t K, size_t N, const int32_t *a, const int32_t *b,
                            const float *a_scale, const float *b_scale, float *c);

/* Winograd's filters as int12_weights() leaves them, and what multiplies them: int12_products of the same struct kernels. */
struct int12_filters {
    const int32_t *words;
    const float *scale;
    int12_products *products;
};

/* Pointers to pixel (0, 0) of the batch's first image, and to what is the same for all. Unused ones are NULL.
 *   b             the second operand; of convolutions a residual, added before the activation, or NULL
 *   bias          [out.c]
 *   scale, shift  [in.c], of norm; of a convolution NULL, or with a window of 1x1 without border: it reads
 *                 ReLU(x * scale + shift) in place of x
 *   y             may be b where both have the same view, and x too where the step is elementwise */
struct operands {
    const float *x, *b;
    const float *w, *bias;
    const float *scale, *shift;
    float *y;
    struct int12_filters int12; /* of winograd_int12, in place of w */
};

typedef void graph_kernel(const struct geometry *g, size_t begin, size_t end, const struct operands *o,
                          float *scratch);

/* The way back of a step: what the slope of its result, the loss by it, says of its operands and its weights. All results are
 * added to. Units are those of the step; two calls may not work on the same sums or pictures at once. Channels beyond the
 * network's own get any finite numbers, and none of the others' depend on them.
 *   x, y, b    as the step had them
 *   dy         in the view of y
 *   dx         in the view of x
 *   w          by Winograd the transposed filters, `ut` of weights_transform()
 *   dw, dbias  of the weights and the bias, as each kernel says; dbias NULL: none */
struct slopes {
    const float *x, *y, *b, *dy, *w;
    float *dx, *dw, *dbias;
};

/* Of each channel, for normalisation in training, see kernels.h. */
struct batch_constants {
    const float *mean, *scale, *shift;
};

typedef void slope_kernel(const struct geometry *g, size_t begin, size_t end, const struct slopes *s,
                          float *scratch);

/* ---- weights, once a model is loaded; `panel` is that of struct kernels ---- */

/* A network's own weights w [out][in / groups][taps], taps = window.h * window.w. */
struct filters {
    size_t out, in, groups, taps;
};

/* w, each output times scale[out] unless NULL (a normalisation folded), groups written out as zeros, padded with zeros to
 * g->in.c and g->out.c:
 *   packed   [g->out.c / panel][taps][g->in.c][panel]: for convolution; out.c * in.c * taps floats */
void filters_pack(size_t panel, const struct geometry *g, const struct filters *f, const float *w,
                  const float *scale, float *packed);

/* Groups without most of their zeros: a panel of results sees `block` channels, whole panels, from a place of its own on, and is
 * a convolution for itself. The channels; where they begin for the panel of result `first`; and the filters, one panel's after the other:
 * [out / panel][taps][block][panel]. */
size_t filters_block(size_t panel, const struct filters *f);
size_t filters_block_from(size_t panel, const struct filters *f, size_t block, size_t first);
void filters_pack_blocks(size_t panel, const struct filters *f, size_t block, const float *w,
                         const float *scale, float *packed);

/* w [channels][taps] -> [g->in.c / panel][taps][panel], padded with zeros: for depthwise. */
void filters_pack_depthwise(size_t panel, const struct geometry *g, size_t channels, const float *w,
                            const float *scale, float *packed);

/* ---- the slope of a convolution's input is made of convolutions too ---- */

/* With a stride of s, every s-th row and column of the input is a picture of its own, a phase: it was seen by every s-th tap of the
 * window alone. So its slope is a convolution of stride 1 of the slope of the result, by those taps in reverse order, inputs and
 * results exchanged. */
struct phase {
    struct geometry
        g; /* of that convolution, the slope of the input being both y and b; depthwise ones likewise */
    size_t dy, dx; /* from pixel (0, 0) of the two slopes to those of the pictures that it reads and writes */
    size_t taps;   /* of the phases before it: there are in.c * out.c, or in.c, filters of so many taps */
    size_t row, column; /* of the input, the phase's first */
};

/* The first phase of a convolution, where *p is zero, or the next one; false: there are no more. */
bool phase_next(const struct geometry *forward, struct phase *p);

/* Which tap of the forward window is tap `tap` of the phase's. */
size_t phase_tap(const struct geometry *forward, const struct phase *p, size_t tap);

/* As filters_pack() and filters_pack_depthwise(), for a phase. */
void filters_pack_phase(size_t panel, const struct geometry *forward, const struct phase *p,
                        const struct filters *f, const float *w, float *packed);
void filters_pack_phase_depthwise(size_t panel, const struct geometry *forward, const struct phase *p,
                                  size_t channels, const float *w, float *packed);

/* ---- floats of scratch that a call needs, each thread for itself; the other kernels need none ---- */

size_t convolution_scratch(const struct geometry *g);
size_t winograd_scratch(const struct geometry *g);
size_t filters_slope_scratch(const struct geometry *g);

/* Rows of the matrix that a run of the window gives, see struct kernels: filters_slope(). */
struct slope_matrix {
    size_t runs, rows;
};
struct slope_matrix slope_matrix_of(size_t panel, const struct geometry *g);

#endif
