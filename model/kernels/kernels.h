/* model/kernels/kernels.h - the arithmetic of the network, once for each instruction set.
 *
 * A block is convolution 3x3 "same" + bias -> ReLU -> max-pool 2, in one pass: the full-resolution result never
 * exists. Convolutions of many channels are done by Winograd's F(4x4, 3x3) (Lavin & Gray, "Fast algorithms for
 * convolutional neural networks", CVPR 2016): with Y = A'[U . V]A, a tile of 4x4 results costs 36 products where the
 * definition needs 144. Summed over channels the 36 products become 36 matrix products.
 *
 * Layouts. Activations are channels last, [row][column][channel], with a border of zeros where a convolution reads
 * over the edge. Matrices are in panels: [columns / P][rows][P], P = struct kernels' `panel`, so that a product reads
 * all of its operands in the order in which they lie. One source is compiled for AVX-512, AVX2+FMA and the plain
 * baseline; kernels() has chosen one when the program starts.
 *
 * All pointers to float are aligned to 64 bytes. Nothing here allocates, fails or keeps state; shapes were checked
 * when the plan was made. */
#ifndef MODEL_KERNELS_KERNELS_H
#define MODEL_KERNELS_KERNELS_H

#include "graph.h"

#include <stddef.h>
#include <stdint.h>

enum {
    WINOGRAD_TILE = 4,                                 /* results a side of a tile */
    WINOGRAD_INPUT = 6,                                /* inputs a side of a tile */
    WINOGRAD_POINTS = WINOGRAD_INPUT * WINOGRAD_INPUT, /* matrix products */
    TILE_BLOCK = 64, /* tiles that are transformed before they are multiplied */
    MAX_PANEL = 32,
    FIRST_MAX_SIDE = 1024, /* of the first block */
    PANEL_PAD = 16,        /* floats between the 36 matrices: keeps them out of the same cache sets */
    HEAD_GROUP = 7,        /* labels of a head that are added up at once */
    HEAD_VECTOR = 16,      /* divides the features of a head */
    NO_WINNER = 4,         /* in place of 0..3: ReLU stopped all four */
    STRIP = 48,            /* pixels that a convolution gathers before it multiplies; */
    LAST_STRIP = 56,  /* of the last ones so many, before a few are left to read all weights for themselves */
    SLOPE_STRIP = 96, /* the same for the slopes of its weights */
    INT12_CHANNELS = 512, /* that Winograd's integers of 12 bits can be summed over in 32 */
};

/* Geometry of a block. Sizes are in floats unless said otherwise. */
struct block {
    size_t h, w, in_c, out_c; /* of the convolution, before pooling; h and w even */
    size_t tiles_y, tiles_x;  /* tiles that cover it; the last may stand over the edge */
    size_t x_row, x_size;     /* a row and an image of the input, with its border */
    size_t y_row, y_size;     /* the same of the pooled result, in the buffer that the next step reads */
    size_t y_border;          /* of that buffer: 1 or 0 pixels */
};

/* Floats of scratch that a block's calls need. */
size_t block_scratch(const struct block *b);

/* Where pixel (0, 0) of a result lies in its image. */
static inline size_t block_y_origin(const struct block *b) { return b->y_border * (b->y_row + b->out_c); }

struct kernels {
    const char *name; /* "avx512", "avx2", "generic" */
    size_t panel;     /* P; divides every channel count of a Winograd block, and the first block's out_c */

    /* ---- weights ---- */

    /* w [O][C][3][3] -> u [36] matrices C x O, and ut [36] matrices O x C unless NULL; for input channels
     * begin..end-1, so that threads can share the work. */
    void (*weights_transform)(size_t C, size_t O, const float *w, size_t begin, size_t end, float *u,
                              float *ut);

    /* du [36] matrices C x O -> dw [O][C][3][3], overwritten; for input channels begin..end-1. */
    void (*gradient_transform)(size_t C, size_t O, const float *du, size_t begin, size_t end, float *dw);

    /* ---- a Winograd block, for tiles begin..end-1 of a batch, at most TILE_BLOCK of them ---- */

    /* x -> pooled y, and for backward which of the four won, `won` [image][h/2][w/2][O]; NULL at inference. */
    void (*block_forward)(const struct block *b, size_t begin, size_t end, const float *x, const float *u,
                          const float *bias, float *y, uint8_t *won, float *scratch);

    /* dy, the gradient of the pooled y, in y's layout -> du and dbias [O], added to, and dx in x's layout, added to
     * (its border too, which nobody reads). ut: of weights_transform(). */
    void (*block_backward)(const struct block *b, size_t begin, size_t end, const float *x, const float *ut,
                           const float *dy, const uint8_t *won, float *du, float *dbias, float *dx,
                           float *scratch);

    /* ---- the same in integers of 12 bits and more, for inference: in_c at most INT12_CHANNELS; see int12.h ---- */

    /* w [O][C][3][3], each result's times scale [O] unless NULL -> words [36] matrices C / 2 x O, and ret_scale [36][O]: a word's
     * two integers times that are U of two input channels. */
    void (*int12_weights)(size_t C, size_t O, const float *w, const float *scale, int32_t *words,
                          float *ret_scale);

    /* c [T x N] = a b a_scale[row] b_scale[column], in this order: a [K / P][T][P / 2] words, b words as a matrix of int12_weights(),
     * c in panels. The integers' sum is exact. */
    int12_products *int12_products;

    /* As block_forward(). */
    void (*block_forward_int12)(const struct block *b, size_t begin, size_t end, const float *x,
                                const struct int12_filters *u, const float *bias, float *y, float *scratch);

    /* ---- the first block: one input channel, directly; w [9][O]; pooled rows begin..end-1 of one image ---- */
    void (*first_forward)(const struct block *b, size_t begin, size_t end, const float *x, const float *w,
                          const float *bias, float *y, uint8_t *won);
    void (*first_backward)(const struct block *b, size_t begin, size_t end, const float *x, const float *dy,
                           const uint8_t *won, float *dw, float *dbias); /* added to */

    /* ---- the head: x [n] pictures by w [labels] rows -> sums [n][labels], overwritten, over `size` features, whole
     * vectors of HEAD_VECTOR; `row`: floats from one picture's features, or one label's weights, to the next ---- */
    void (*head_sums)(size_t n, size_t labels, size_t size, const float *x, const float *w, size_t row,
                      float *sums);

    /* ---- steps of graphs, see graph.h; a unit is ... ---- */

    /* ... a result's pixel (of STRIP at once, so cut at multiples of it). Any window, one group (others:
     * see filters_pack()): y = activation(w * x + bias [+ b]). 1x1 and 3x3 with stride are matrix products. A range of
     * results, whole panels, is a step of its own: smaller out.c, and w, bias, y, b from its first panel. */
    graph_kernel *convolution;

    /* ... a tile of 4x4 results, ceil(h / 4) * ceil(w / 4) an image (of TILE_BLOCK at once). 3x3, stride and dilation 1, any border, else
     * as convolution; w by weights_transform(), its matrices g->w_step apart. No scale and shift. A range of results as
     * of convolution. */
    graph_kernel *winograd;

    /* ... the same in integers of 12 bits, by o->int12. */
    graph_kernel *winograd_int12;

    /* ... a row of results. As convolution, but each channel for itself; b may be NULL. in.c = out.c. */
    graph_kernel *depthwise;

    /* ... a row of results. The largest cell of a window, of those inside the picture; and the mean. No window may be without a cell
     * inside. */
    graph_kernel *max_pool, *mean_pool;

    /* ... a panel of channels, in.c / P an image. The mean of the picture, summed by rows. */
    graph_kernel *global_mean;

    /* ... a row. y = activation(x + b), activation(x * b) (pitches of 0 spread b over pixels), activation(x * scale + shift),
     * activation(x). out alone counts, not in. */
    graph_kernel *add, *multiply, *norm, *activate;

    /* ---- normalisation in training, by the n images themselves; g->out, g->x and g->y count, dx lies as x does and dy as y;
     * what is of a channel is [out.c] ---- */

    /* ret [2][out.c]: x, and x * x, each added up over the images. */
    void (*batch_sums)(const struct geometry *g, size_t n, const float *x, double *ret);

    /* y = activation((x - mean) * scale + shift): NONE, RELU or RELU6. */
    void (*batch_norm)(const struct geometry *g, size_t n, const float *x, const float *mean,
                       const float *scale, const float *shift, float *y);

    /* ret [2][out.c]: dy, and dy * (x - mean), each added up. Here and below dy counts where it came through the activation, which
     * `k`, what batch_norm() had, says of x. */
    void (*batch_slope_sums)(const struct geometry *g, size_t n, const float *x, const float *dy,
                             const struct batch_constants *k, double *ret);

    /* dx += dy * by->scale + (x - k->mean) * by->mean + by->shift; unless `add`, dx becomes it. */
    void (*batch_slopes)(const struct geometry *g, size_t n, const float *x, const float *dy,
                         const struct batch_constants *k, const struct batch_constants *by, bool add,
                         float *dx);

    /* ---- their way back; the slope of a convolution's input is made of convolutions ---- */

    /* x, dy -> dw, a matrix for each run of the window: [runs][out.c / P][rows][P]. A run is a tap with in.c rows; of a thin picture
     * there is one, the whole window, [window.h][window.w][in.c] in whole panels. dbias [out.c]. */
    slope_kernel *filters_slope;

    /* x, dy, w -> dw as weights_transform() has u, dbias [out.c], and dx unless NULL. */
    slope_kernel *winograd_slope;

    /* x, dy -> dw as filters_pack_depthwise() has it, dbias [out.c]. */
    slope_kernel *depthwise_slope;

    /* x, y, dy -> dx: to the cell of the window that won, the first of equal ones; and dy -> dx, an equal share for every cell. The
     * mean of a whole picture is that of a window as large. */
    slope_kernel *max_pool_slope, *mean_pool_slope;

    /* y, dy -> dx: dy where y says that it came through the activation, NONE, RELU or RELU6; for the slope of b exchange x and b. */
    slope_kernel *add_slope;

    /* dy, b -> dx: dy * b. For the slope of b exchange x and b; spread, it adds up the pixels' slopes. */
    slope_kernel *multiply_slope;

    /* x, dy -> dx: by the activation's slope at x. In a kink it is the smaller one in size of its two sides. */
    slope_kernel *activate_slope;
};

/* The set this processor runs, or the one that CXRD_SIMD names: avx512vnni, avx512, avx2 or generic. The first is the second, but for
 * the products of integers, which are the same numbers sooner. */
const struct kernels *kernels(void);

/* By name; NULL where this processor or this build does not have it. For tests. */
const struct kernels *kernels_named(const char *name);

#endif
