/* model/onnx/reader.h - what the files of this folder share: a graph of ONNX's on its way into one of ours.
 *
 * The nodes are read in the file's order, which must be one in which every value is made before it is read; so nothing can go in
 * a circle. A value is a constant, whose numbers are known, or an activation: what a node of our network gives. Operators on
 * constants are worked out at once, so that what exporters write about shapes is gone; those on activations add nodes.
 *
 * After the first failure every call does nothing, as in net/graph/graph.h: an operator is a list of calls. */
#ifndef MODEL_ONNX_READER_H
#define MODEL_ONNX_READER_H

#include "../net/graph/graph.h"
#include "messages.h"

#include <stdint.h>

/* ---- values ---- */

enum { ONNX_MAX_RANK = 8, ONNX_MAX_NODES = 8192, ONNX_MAX_VALUES = 65536 };

struct dims {
    size_t rank, at[ONNX_MAX_RANK];
};

/* Every type of number is one of two here: all floating point is float32, all integers and booleans are int64. */
struct constant {
    struct dims dims;
    size_t count;
    const float *floats;     /* NULL: they are integers */
    const int64_t *integers; /* NULL: they are floats */
};

/* The result of a node of our network, seen as a tensor of ONNX's: [batch], then its numbers in the order of the node's shape,
 * [c][h][w]; or, with channels_last, of [h][w][c]: then it has rank 4, or 2, where all are in a row. */
struct view {
    size_t node;
    struct dims dims;
    bool channels_last; /* never of one channel or one cell: there both orders are the same */
};

/* An operation that is not a node yet, because the next one may become a part of it. */
enum lazy_kind {
    LAZY_NONE,
    LAZY_LINEAR, /* a convolution or a dense layer: a scale and a shift behind it go into its weights */
    LAZY_AFFINE, /* scale * x + shift, channel by channel */
    LAZY_CLIP,   /* min(max(scale * x + shift, low), high): ReLU, ReLU6, the gate of hard-swish */
    LAZY_SIGMOID,
    LAZY_PAD, /* a border: the next window's */
};

struct border {
    size_t top, left, bottom, right;
    bool lowest; /* of -infinity or the lowest number, not of zeros */
};

struct lazy {
    enum lazy_kind kind;
    struct node linear; /* its author's part */
    const char *name;   /* of its weights in the file */
    const float *weights, *bias;
    size_t weights_a_result; /* of `weights` */
    size_t n;                /* of scales and shifts: 1, or one a channel */
    const float *scale, *shift;
    float low, high;
    struct border border;
};

enum value_kind { VALUE_UNKNOWN, VALUE_CONSTANT, VALUE_ACTIVATION };

struct value {
    const char *name;
    const Onnx__TensorProto *initialiser; /* what it will be made from when somebody asks */
    bool is_input;                        /* of the graph */
    size_t uses;                          /* by nodes that matter */
    enum value_kind kind;
    struct constant constant;
    struct view
        view; /* of an activation; where it is lazy, `node` is what it will read, and `dims` what comes of it */
    struct lazy lazy;
};

/* ---- the reader ---- */

/* Where the numbers of a node's tensors come from. */
struct source {
    const float *data; /* NULL: zeros */
    size_t n;
};
struct fill {
    struct source params[2], state[2];
};

struct reader {
    const Onnx__GraphProto *graph;
    int64_t opset;
    size_t batch; /* what the file's own batch is; 1 where it leaves that open */
    struct graph *g;
    struct fill *fills;   /* [NETWORK_MAX_NODES] */
    struct value *values; /* [n_values], sorted by name */
    size_t n_values;
    void **blocks; /* [n_blocks]: memory that lives as long as the reader */
    size_t n_blocks, room_blocks, bytes_left;
    const Onnx__NodeProto *node; /* the one that is read, for sentences */
    size_t image; /* our node that stands for the input; its scaling may still move into the preprocessing */
    bool image_alone;                       /* so far nothing but what comes next has read it */
    const float *image_scale, *image_shift; /* [1]: what the file does to its input first */
    enum status st;
    struct error *err;
};

/* Refuse what is being read: "node 'name' (Op): " and the rest. */
void reader_refuse(struct reader *r, const char *format, ...) PRINTF_LIKE(2, 3);
void reader_nomem(struct reader *r);

/* Memory that lives as long as the reader, of which there is so much as the file is large and a little more. NULL: refused. */
void *reader_alloc(struct reader *r, size_t n, size_t size);

/* ---- values.c ---- */

/* All names of the graph, each made once. */
void values_collect(struct reader *r);
struct value *value_find(struct reader *r, const char *name); /* NULL: none */

/* Count what the nodes before `output` need; what it does not need is not read. `needed` is [n_node], all false before. */
void values_count(struct reader *r, struct value *output, bool *needed);

/* Inputs of the node that is read: NULL where it is left out, or refused where nothing has made it yet. */
struct value *node_input(struct reader *r, size_t i);
struct value *node_output(struct reader *r);
const struct constant *input_constant(struct reader *r, size_t i); /* NULL: left out, or no constant */
const struct constant *input_weights(struct reader *r, size_t i,
                                     const char *what); /* refused where it is no constant of floats */

/* The node's output. */
void give_constant(struct reader *r, const struct constant *c);
void give_view(struct reader *r, const struct view *v);
void give_view_of(struct reader *r, size_t result, const struct view *v); /* of several */
void give_lazy(struct reader *r, const struct view *v, const struct lazy *l);

/* ---- constants.c ---- */

size_t dims_count(const struct dims *d);
bool dims_equal(const struct dims *a, const struct dims *b);

/* From the file. Refused: other types, data elsewhere, a shape that is not as large as the data. */
void constant_read(struct reader *r, const Onnx__TensorProto *t, struct constant *ret);

/* A fresh one, of which the caller fills in the numbers: *ret_floats or *ret_integers. False: refused. */
bool constant_floats(struct reader *r, const struct dims *d, struct constant *ret, float **ret_floats);
bool constant_integers(struct reader *r, const struct dims *d, struct constant *ret, int64_t **ret_integers);

/* ---- attributes.c ---- */

/* Refuse attributes whose names are not among the words of `known`, and those that are there twice. */
void attributes_check(struct reader *r, const char *known);
bool attribute_there(struct reader *r, const char *name);
int64_t attribute_integer(struct reader *r, const char *name, int64_t otherwise);
float attribute_float(struct reader *r, const char *name, float otherwise);
size_t attribute_integers(struct reader *r, const char *name, const int64_t **ret); /* 0: it is not there */
bool attribute_is(struct reader *r, const char *name, const char *text);
const Onnx__TensorProto *attribute_tensor(struct reader *r, const char *name);

/* A list of integers, a few for each axis, that is an input of the node or, in older operator sets, an attribute. False: it is not
 * there, or is refused. */
bool integers_of(struct reader *r, size_t input, const char *attribute, size_t *ret_n, const int64_t **ret);

/* An axis as ONNX counts, from the end where it is below 0. */
size_t axis_of(struct reader *r, int64_t axis, size_t rank);

/* ---- views.c ---- */

struct shape view_shape(const struct reader *r, const struct view *v); /* of its node */
struct view view_of(const struct reader *r, size_t node, struct dims dims, bool channels_last);
struct view view_planes(const struct reader *r, size_t node); /* [batch][c][h][w] */
size_t view_channel_axis(const struct view *v);

/* Input i as a node's result; refused where it is a constant. */
struct view input_view(struct reader *r, size_t i);

/* The same, made ready for what looks at planes: rank 4, channels first. */
struct view input_planes(struct reader *r, size_t i);

/* Ready for what treats every channel alike: the axis of channels is the node's. */
struct view view_by_channel(struct reader *r, struct view v);

/* All of a picture's numbers in one row: a node of [n][1][1]. */
struct view view_flat(struct reader *r, struct view v);

/* ---- lazy.c ---- */

/* Add a node; its tensors are called after `weights`, the name that its first one has in the file. */
size_t reader_add(struct reader *r, const struct node *node, const char *weights, const struct fill *fill);

/* Make a node of what was put off. */
void settle(struct reader *r, struct value *v);

/* Put scale * x + shift behind a value; what the node gives. n is 1, or as many as it has channels. */
void give_affine(struct reader *r, struct value *v, size_t n, const float *scale, const float *shift);
void give_clip(struct reader *r, struct value *v, float scale, float shift, float low, float high);
void give_sigmoid(struct reader *r, struct value *v);

/* x times a gate of x itself, which is one kind with us. False: it is not such a product. */
bool give_gated(struct reader *r, struct value *x, struct value *gate);

/* ---- operators ---- */

struct operator
{
    const char *name;
    size_t least, most;               /* inputs */
    const char *attributes;           /* that it may have, between blanks */
    void (*fold)(struct reader * r);  /* of constants alone; NULL: there is no such thing */
    void (*build)(struct reader * r); /* of an activation; NULL: there is no such thing */
    bool many;                        /* results: more than the first may be used */
};

/* The one of that name, or NULL. */
const struct operator* operator_find(const char *name);

/* fold_*.c: of constants. */
void fold_constant(struct reader *r);
void fold_filled(struct reader *r);
void fold_shape(struct reader *r);
void fold_same(struct reader *r);
void fold_dropout(struct reader *r);
void fold_reshape(struct reader *r);
void fold_squeeze(struct reader *r);
void fold_unsqueeze(struct reader *r);
void fold_transpose(struct reader *r);
void fold_gather(struct reader *r);
void fold_slice(struct reader *r);
void fold_concat(struct reader *r);
void fold_expand(struct reader *r);
void fold_cast(struct reader *r);
void fold_add(struct reader *r);
void fold_sub(struct reader *r);
void fold_mul(struct reader *r);
void fold_div(struct reader *r);
void fold_min(struct reader *r);
void fold_max(struct reader *r);
void fold_equal(struct reader *r);
void fold_where(struct reader *r);
void fold_neg(struct reader *r);
void fold_sqrt(struct reader *r);
void fold_floor(struct reader *r);
void fold_ceil(struct reader *r);
void fold_range(struct reader *r);

/* op_*.c: of activations. */
void build_conv(struct reader *r);
void build_gemm(struct reader *r);
void build_matmul(struct reader *r);
void build_norm(struct reader *r);
void build_max_pool(struct reader *r);
void build_average_pool(struct reader *r);
void build_global_average(struct reader *r);
void build_global_max(struct reader *r);
void build_reduce_mean(struct reader *r);
void build_reduce_max(struct reader *r);
void build_pad(struct reader *r);
void build_relu(struct reader *r);
void build_clip(struct reader *r);
void build_sigmoid(struct reader *r);
void build_hard_sigmoid(struct reader *r);
void build_hard_swish(struct reader *r);
void build_leaky_relu(struct reader *r);
void build_neg(struct reader *r);
void build_add(struct reader *r);
void build_sub(struct reader *r);
void build_mul(struct reader *r);
void build_div(struct reader *r);
void build_min(struct reader *r);
void build_max(struct reader *r);
void build_sum(struct reader *r);
void build_concat(struct reader *r);
void build_expand(struct reader *r);
void build_tile(struct reader *r);
void build_same(struct reader *r);
void build_dropout(struct reader *r);
void build_cast(struct reader *r);
void build_reshape(struct reader *r);
void build_flatten(struct reader *r);
void build_squeeze(struct reader *r);
void build_unsqueeze(struct reader *r);
void build_transpose(struct reader *r);
void build_slice(struct reader *r);
void build_split(struct reader *r);

/* shapes.c: what several of them need to know. */
bool reshaped_dims(struct reader *r, const struct dims *from,
                   struct dims *ret); /* Reshape's, from its second input */
bool squeezed_dims(struct reader *r, const struct dims *from, struct dims *ret);
bool unsqueezed_dims(struct reader *r, const struct dims *from, struct dims *ret);
bool flattened_dims(struct reader *r, const struct dims *from, struct dims *ret);
bool permutation_of(struct reader *r, size_t rank, size_t ret_perm[ONNX_MAX_RANK]);
bool broadcast_dims(struct reader *r, const struct dims *a, const struct dims *b, struct dims *ret);

/* ---- build.c ---- */

/* An input of the graph, before reading begins: what it will be is a node of ours that is there already. */
struct onnx_input {
    const char *name;
    struct view view;
};

/* Read all nodes that `output` needs into r->g. `r` has graph, opset, batch, g, fills, err and bytes_left set.
 *   ret  the value, settled unless it is lazy: the caller decides what becomes of it
 * Errors: r->st. reader_release() it either way. */
struct value *reader_build(struct reader *r, const struct onnx_input *inputs, size_t n_inputs,
                           const char *output);
void reader_release(struct reader *r);

/* Copy the numbers of all nodes to where the finished network wants them. */
void reader_fill(const struct reader *r, const struct network *net, float *ret_values);

#endif
