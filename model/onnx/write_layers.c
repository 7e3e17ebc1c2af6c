/* model/onnx/write_layers.c - what each kind of layer is in ONNX, operator set 13, which has no HardSwish.
 *
 * A vector, [c][1][1] here, is [n][c] to ONNX's Gemm and [n][c][1][1] to its convolutions and pools: a result has whichever of
 * the two forms its operator gives, and gets the other when somebody asks for it. */
#include "write_layers.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { MAX_INPUTS = 8 };

/* The name of a result in either form, NULL: not there (yet). */
struct result {
    const char *flat, *planes;
};

struct layers {
    struct writer *w;
    const struct network *net;
    const float *values;
    const char *logits;
    struct result *results; /* [n_nodes] */
    size_t tensors;         /* that have been written: they come in the order of the nodes */
    const char *vector;     /* the shape of one, a constant; NULL: nobody has asked for it */
};

/* ---- forms of a result ---- */

static const char *flat(struct layers *l, size_t node)
{
    struct result *r = &l->results[node];

    if (!r->flat) {
        r->flat = writer_node(l->w, "Flatten", writer_name(l->w, "flat_%zu", node), 1, &r->planes);
        writer_int(l->w, "axis", 1);
    }
    return r->flat;
}

static const char *planes(struct layers *l, size_t node)
{
    static const int64_t VECTOR[] = { 0 /* as many as there are */, -1 /* all others */, 1, 1 };
    struct result *r = &l->results[node];

    if (r->planes)
        return r->planes;
    if (!l->vector)
        l->vector = writer_int64s(l->w, "vector", VECTOR, 1, (size_t[]){ 4 });
    r->planes = writer_node(l->w, "Reshape", writer_name(l->w, "planes_%zu", node), 2,
                            (const char *[]){ r->flat, l->vector });
    return r->planes;
}

/* As it is: for what does the same to every number. */
static const char *any(struct layers *l, size_t node)
{
    return l->results[node].planes ? l->results[node].planes : l->results[node].flat;
}

static struct result in_form_of(const struct layers *l, size_t node, const char *name)
{
    if (l->results[node].planes)
        return (struct result){ .planes = name };
    return (struct result){ .flat = name };
}

/* ---- what several kinds have ---- */

/* The name of a node's result. */
static const char *name_of(struct layers *l, size_t i)
{
    return i + 1 == l->net->n_nodes ? l->logits : writer_name(l->w, "%s_%zu", l->net->nodes[i].ops->kind, i);
}

/* Write the node's tensors and append their names; of a dense layer's weights every row is one. */
static size_t put_tensors(struct layers *l, const struct node *node, const char *inputs[MAX_INPUTS], size_t n)
{
    size_t left = node->n_params + node->n_state;

    while (left > 0) {
        const struct tensor *t = &l->net->tensors[l->tensors++];
        const bool rows = node->ops == &LAYER_DENSE && t->rank > 1;

        assert(n < MAX_INPUTS && t->count <= left);
        left -= t->count;
        inputs[n++] = writer_floats(l->w, t->name, l->values + t->offset, rows ? 2 : t->rank,
                                    rows ? (size_t[]){ t->dims[0], t->count / t->dims[0] } : t->dims);
    }
    return n;
}

/* How much of a border the windows along a side need behind it: what they do not reach, some runtimes refuse. */
static int64_t behind(size_t n, size_t stride, size_t cells, size_t dilation, size_t before, size_t side)
{
    const size_t reach = (n - 1) * stride + (cells - 1) * dilation + 1;

    return reach > side + before ? (int64_t)(reach - side - before) : 0;
}

/* The border of a node's windows as ONNX has it: top, left, bottom, right. */
static void border_of(const struct node *node, int64_t ret[4])
{
    const struct window *k = &node->window;

    ret[0] = (int64_t)k->top;
    ret[1] = (int64_t)k->left;
    ret[2] = behind(node->out.h, k->stride_h, k->h, k->dilation_h, k->top, node->in[0].h);
    ret[3] = behind(node->out.w, k->stride_w, k->w, k->dilation_w, k->left, node->in[0].w);
}

static bool dilated(const struct window *k) { return k->dilation_h > 1 || k->dilation_w > 1; }

/*   border  NULL: none */
static void put_window(struct writer *w, const struct window *k, const int64_t border[4])
{
    writer_ints(w, "kernel_shape", 2, (int64_t[]){ (int64_t)k->h, (int64_t)k->w });
    writer_ints(w, "strides", 2, (int64_t[]){ (int64_t)k->stride_h, (int64_t)k->stride_w });
    if (border)
        writer_ints(w, "pads", 4, border);
    if (dilated(k))
        writer_ints(w, "dilations", 2, (int64_t[]){ (int64_t)k->dilation_h, (int64_t)k->dilation_w });
}

/* ---- the kinds ---- */

static struct result put_conv(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const char *inputs[MAX_INPUTS] = { planes(l, node->from[0]) };
    const size_t n = put_tensors(l, node, inputs, 1);
    const struct result r = { .planes = writer_node(l->w, op, name_of(l, i), n, inputs) };
    int64_t border[4];

    border_of(node, border);
    put_window(l->w, &node->window, border);
    writer_int(l->w, "group", node->groups ? (int64_t)node->groups : 1);
    return r;
}

static struct result put_norm(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const char *inputs[MAX_INPUTS] = { planes(l, node->from[0]) };
    const size_t n = put_tensors(l, node, inputs, 1);
    const struct result r = { .planes = writer_node(l->w, op, name_of(l, i), n, inputs) };

    writer_float(l->w, "epsilon", (float)node->epsilon);
    return r;
}

static struct result put_dense(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const char *inputs[MAX_INPUTS] = { flat(l, node->from[0]) };
    const size_t n = put_tensors(l, node, inputs, 1);
    const struct result r = { .flat = writer_node(l->w, op, name_of(l, i), n, inputs) };

    writer_int(l->w, "transB", 1);
    return r;
}

/* The planes within a border of -infinity, which never wins. ONNX Runtime refuses a window with a border that is wider than it has
 * cells, as one with gaps may have it. */
static const char *put_border(struct layers *l, size_t i, const char *x, const int64_t border[4])
{
    int64_t *pads = writer_alloc(l->w, 8 * sizeof *pads);

    if (pads)
        for (size_t side = 0; side < 4; side++) /* first of each dimension, then last */
            pads[side / 2 * 4 + 2 + side % 2] = border[side];
    return writer_node(
        l->w, "Pad", writer_name(l->w, "bordered_%zu", i), 3,
        (const char *[]){ x,
                          writer_int64s(l->w, writer_name(l->w, "border_%zu", i), pads, 1, (size_t[]){ 8 }),
                          writer_number(l->w, -INFINITY) });
}

static struct result put_max_pool(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const bool gaps = dilated(&node->window);
    const char *x = planes(l, node->from[0]);
    struct result r = { 0 };
    int64_t border[4];

    border_of(node, border);
    if (gaps)
        x = put_border(l, i, x, border);
    r.planes = writer_node(l->w, op, name_of(l, i), 1, &x);
    put_window(l->w, &node->window, gaps ? NULL : border);
    return r;
}

/* One number for each window along a side: one over the cells that count.
 *   side  of the picture; SIZE_MAX: those of the border count */
static const char *put_shares(struct layers *l, const char *name, size_t n, size_t cells, size_t stride,
                              size_t dilation, size_t before, size_t side, bool across)
{
    float *shares = writer_alloc(l->w, n * sizeof *shares);

    for (size_t i = 0; i < n && shares; i++) {
        size_t count = 0;

        for (size_t u = 0; u < cells; u++) /* wraps before the first, and is then >= */
            count += side == SIZE_MAX || i * stride + u * dilation - before < side;
        shares[i] = 1.0f / (float)count;
    }
    return writer_floats(l->w, name, shares, 2, across ? (size_t[]){ 1, n } : (size_t[]){ n, 1 });
}

static const char *put_reshape(struct layers *l, const char *name, const char *x, struct shape to)
{
    int64_t *shape = writer_alloc(l->w, 4 * sizeof *shape);
    const char *constant = writer_name(l->w, "%s_shape", name);

    if (shape) {
        shape[0] = -1;
        shape[1] = (int64_t)to.c;
        shape[2] = (int64_t)to.h;
        shape[3] = (int64_t)to.w;
    }
    return writer_node(l->w, "Reshape", name, 2,
                       (const char *[]){ x, writer_int64s(l->w, constant, shape, 1, (size_t[]){ 4 }) });
}

/* The mean of windows with gaps, which this operator set does not have: each plane as a picture of its own, the sums by a
 * convolution with ones, times the share of a cell. */
static struct result put_mean_with_gaps(struct layers *l, size_t i)
{
    const struct node *node = &l->net->nodes[i];
    const struct window *k = &node->window;
    const struct shape in = node->in[0];
    const bool all = k->count_include_pad;
    float *ones = writer_alloc(l->w, k->h * k->w * sizeof *ones);
    const char *x;
    int64_t border[4];

    for (size_t c = 0; c < k->h * k->w && ones; c++)
        ones[c] = 1;
    x = put_reshape(l, writer_name(l->w, "apart_%zu", i), planes(l, node->from[0]),
                    (struct shape){ 1, in.h, in.w });
    x = writer_node(l->w, "Conv", writer_name(l->w, "sums_%zu", i), 2,
                    (const char *[]){ x, writer_floats(l->w, writer_name(l->w, "ones_%zu", i), ones, 4,
                                                       (size_t[]){ 1, 1, k->h, k->w }) });
    border_of(node, border);
    put_window(l->w, k, border);
    x = writer_node(
        l->w, "Mul", writer_name(l->w, "row_means_%zu", i), 2,
        (const char *[]){ x, put_shares(l, writer_name(l->w, "row_shares_%zu", i), node->out.h, k->h,
                                        k->stride_h, k->dilation_h, k->top, all ? SIZE_MAX : in.h, false) });
    x = writer_node(
        l->w, "Mul", writer_name(l->w, "means_%zu", i), 2,
        (const char *[]){ x, put_shares(l, writer_name(l->w, "column_shares_%zu", i), node->out.w, k->w,
                                        k->stride_w, k->dilation_w, k->left, all ? SIZE_MAX : in.w, true) });
    return (struct result){ .planes = put_reshape(l, name_of(l, i), x, node->out) };
}

static struct result put_mean_pool(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const char *x;
    struct result r = { 0 };
    int64_t border[4];

    if (dilated(&node->window))
        return put_mean_with_gaps(l, i);
    x = planes(l, node->from[0]);
    border_of(node, border);
    r.planes = writer_node(l->w, op, name_of(l, i), 1, &x);
    put_window(l->w, &node->window, border);
    writer_int(l->w, "count_include_pad", node->window.count_include_pad);
    return r;
}

static struct result put_global_pool(struct layers *l, size_t i, const char *op)
{
    const char *x = planes(l, l->net->nodes[i].from[0]);

    return (struct result){ .planes = writer_node(l->w, op, name_of(l, i), 1, &x) };
}

static struct result put_flatten(struct layers *l, size_t i, const char *op)
{
    (void)op;
    return (struct result){ .flat = flat(l, l->net->nodes[i].from[0]) };
}

static struct result put_replicate(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const char **inputs = writer_alloc(l->w, node->out.c * sizeof *inputs);
    const char *name = name_of(l, i);

    for (size_t c = 0; c < node->out.c && inputs; c++)
        inputs[c] = planes(l, node->from[0]);
    writer_node(l->w, op, name, inputs ? node->out.c : 0, inputs);
    writer_int(l->w, "axis", 1);
    return (struct result){ .planes = name };
}

/* One number to one number. */
static struct result put_activation(struct layers *l, size_t i, const char *op)
{
    const size_t from = l->net->nodes[i].from[0];
    const char *x = any(l, from);

    return in_form_of(l, from, writer_node(l->w, op, name_of(l, i), 1, &x));
}

static struct result put_clip(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const bool bounded = node->ops == &LAYER_CLIP;
    const char *inputs[] = { any(l, node->from[0]), writer_number(l->w, bounded ? (float)node->low : 0),
                             writer_number(l->w, bounded ? (float)node->high : 6) };

    return in_form_of(l, node->from[0], writer_node(l->w, op, name_of(l, i), 3, inputs));
}

static struct result put_leaky(struct layers *l, size_t i, const char *op)
{
    const struct result r = put_activation(l, i, op);

    writer_float(l->w, "alpha", (float)l->net->nodes[i].slope);
    return r;
}

/* relu6(x + 3) / 6, of the latest node. */
static void put_hard_sigmoid_numbers(struct layers *l)
{
    writer_float(l->w, "alpha", 1.0f / 6);
    writer_float(l->w, "beta", 0.5f);
}

static struct result put_hard_sigmoid(struct layers *l, size_t i, const char *op)
{
    const struct result r = put_activation(l, i, op);

    put_hard_sigmoid_numbers(l);
    return r;
}

/* Each channel times a number and plus one: they stand in a column where behind a channel there are rows and columns. */
static struct result put_scale(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const struct tensor *scale = &l->net->tensors[l->tensors++], *shift = &l->net->tensors[l->tensors++];
    const size_t rank = l->results[node->from[0]].planes ? 3 : 1, dims[] = { node->out.c, 1, 1 };
    const char *times[] = { any(l, node->from[0]),
                            writer_floats(l->w, scale->name, l->values + scale->offset, rank, dims) };
    const char *plus[] = { writer_node(l->w, "Mul", writer_name(l->w, "scaled_%zu", i), 2, times),
                           writer_floats(l->w, shift->name, l->values + shift->offset, rank, dims) };

    return in_form_of(l, node->from[0], writer_node(l->w, op, name_of(l, i), 2, plus));
}

/* x times what `op` makes of it. */
static struct result put_gated(struct layers *l, size_t i, const char *op)
{
    const size_t from = l->net->nodes[i].from[0];
    const char *inputs[] = { any(l, from), writer_name(l->w, "gate_%zu", i) };

    writer_node(l->w, op, inputs[1], 1, inputs);
    if (l->net->nodes[i].ops == &LAYER_HARD_SWISH)
        put_hard_sigmoid_numbers(l);
    return in_form_of(l, from, writer_node(l->w, "Mul", name_of(l, i), 2, inputs));
}

/* Two results into one. */
static struct result put_join(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const struct result *a = &l->results[node->from[0]], *b = &l->results[node->from[1]];
    const bool vectors = !(a->planes && b->planes) && a->flat && b->flat;
    const char *(*form)(struct layers *, size_t) = vectors ? flat : planes;
    const char *inputs[] = { form(l, node->from[0]), form(l, node->from[1]) };
    const char *name = writer_node(l->w, op, name_of(l, i), 2, inputs);

    if (node->ops == &LAYER_CONCAT)
        writer_int(l->w, "axis", 1);
    if (vectors)
        return (struct result){ .flat = name };
    return (struct result){ .planes = name };
}

/* A constant list of node i's own. */
static const char *put_numbers(struct layers *l, const char *format, size_t i, size_t n,
                               const int64_t *values)
{
    int64_t *kept = writer_alloc(l->w, n * sizeof *kept);

    if (kept)
        memcpy(kept, values, n * sizeof *kept);
    return writer_int64s(l->w, writer_name(l->w, format, i), kept, 1, &n);
}

/* Channels first to first + channels; they have one axis in either form. */
static struct result put_slice(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const int64_t first = (int64_t)node->first, end = (int64_t)(node->first + node->channels), axis = 1;
    const char *inputs[] = { any(l, node->from[0]), put_numbers(l, "first_%zu", i, 1, &first),
                             put_numbers(l, "end_%zu", i, 1, &end), put_numbers(l, "axis_%zu", i, 1, &axis) };

    return in_form_of(l, node->from[0], writer_node(l->w, op, name_of(l, i), 4, inputs));
}

/* [groups][channels of each] the other way round. */
static struct result put_shuffle(struct layers *l, size_t i, const char *op)
{
    const struct node *node = &l->net->nodes[i];
    const int64_t c = (int64_t)node->out.c, h = (int64_t)node->out.h, w = (int64_t)node->out.w;
    const int64_t groups = (int64_t)node->groups, all = 0 /* as many as there are */;
    const char *parts[] = { planes(l, node->from[0]),
                            put_numbers(l, "parts_%zu", i, 5, (int64_t[]){ all, groups, c / groups, h, w }) };
    const char *parted = writer_node(l->w, "Reshape", writer_name(l->w, "parted_%zu", i), 2, parts);
    const char *dealt[] = { writer_node(l->w, op, writer_name(l->w, "dealt_%zu", i), 1, &parted), NULL };

    writer_ints(l->w, "perm", 5, (int64_t[]){ 0, 2, 1, 3, 4 });
    dealt[1] = put_numbers(l, "whole_%zu", i, 4, (int64_t[]){ all, c, h, w });
    return (struct result){ .planes = writer_node(l->w, "Reshape", name_of(l, i), 2, dealt) };
}

static const struct kind {
    const struct layer_ops *layer;
    struct result (*put)(struct layers *l, size_t i, const char *op);
    const char *op;
} KINDS[] = {
    { &LAYER_CONV, put_conv, "Conv" },
    { &LAYER_NORM, put_norm, "BatchNormalization" },
    { &LAYER_DENSE, put_dense, "Gemm" },
    { &LAYER_RELU, put_activation, "Relu" },
    { &LAYER_RELU6, put_clip, "Clip" },
    { &LAYER_CLIP, put_clip, "Clip" },
    { &LAYER_LEAKY_RELU, put_leaky, "LeakyRelu" },
    { &LAYER_HARD_SIGMOID, put_hard_sigmoid, "HardSigmoid" },
    { &LAYER_SCALE, put_scale, "Add" },
    { &LAYER_SIGMOID, put_activation, "Sigmoid" },
    { &LAYER_SILU, put_gated, "Sigmoid" },
    { &LAYER_HARD_SWISH, put_gated, "HardSigmoid" },
    { &LAYER_MAX_POOL, put_max_pool, "MaxPool" },
    { &LAYER_MEAN_POOL, put_mean_pool, "AveragePool" },
    { &LAYER_GLOBAL_POOL, put_global_pool, "GlobalAveragePool" },
    { &LAYER_ADD, put_join, "Add" },
    { &LAYER_MUL, put_join, "Mul" },
    { &LAYER_CONCAT, put_join, "Concat" },
    { &LAYER_REPLICATE, put_replicate, "Concat" },
    { &LAYER_SLICE, put_slice, "Slice" },
    { &LAYER_SHUFFLE, put_shuffle, "Transpose" },
    { &LAYER_FLATTEN, put_flatten, NULL },
};

static const struct kind *kind_of(const struct layer_ops *layer)
{
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++)
        if (KINDS[i].layer == layer)
            return &KINDS[i];
    return NULL;
}

bool write_knows(const struct layer_ops *kind) { return kind_of(kind) != NULL; }

void write_layers(struct writer *w, const struct network *net, const float *values, const char *image,
                  const char *logits)
{
    struct layers l = { .w = w, .net = net, .values = values, .logits = logits };

    l.results = writer_alloc(w, net->n_nodes * sizeof *l.results);
    if (!l.results)
        return;
    l.results[0].planes = image;
    for (size_t i = 1; i < net->n_nodes; i++) {
        const struct kind *kind = kind_of(net->nodes[i].ops);

        assert(kind); /* a test goes through all of them */
        l.results[i] = kind->put(&l, i, kind->op);
    }
}
