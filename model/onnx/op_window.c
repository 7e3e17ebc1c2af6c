/* model/onnx/op_window.c - convolutions, pools and the borders before them, see reader.h. */
#include "reader.h"

#include <float.h>
#include <string.h>

/* ---- windows ---- */

/* A pair of an attribute's, rows first. */
static void pair_of(struct reader *r, const char *name, size_t least, size_t ret[2])
{
    const int64_t *values;
    const size_t n = attribute_integers(r, name, &values);

    if (r->st == ST_OK && n != 0 && n != 2)
        reader_refuse(r, "its %s has %zu numbers, not 2", name, n);
    for (size_t i = 0; i < n && r->st == ST_OK; i++) {
        if (values[i] < (int64_t)least || values[i] > LAYER_MAX_SIDE)
            reader_refuse(r, "its %s has %lld", name, (long long)values[i]);
        ret[i] = (size_t)values[i];
    }
}

static void border_of(struct reader *r, struct border *ret)
{
    const int64_t *values;
    const size_t n = attribute_integers(r, "pads", &values);

    *ret = (struct border){ 0 };
    if (r->st == ST_OK && n != 0 && n != 4)
        reader_refuse(r, "its pads has %zu numbers, not 4", n);
    for (size_t i = 0; i < n && r->st == ST_OK; i++)
        if (values[i] < 0 || values[i] > LAYER_MAX_SIDE)
            reader_refuse(r, "its pads has %lld", (long long)values[i]);
    if (n == 4 && r->st == ST_OK)
        *ret = (struct border){ .top = (size_t)values[0],
                                .left = (size_t)values[1],
                                .bottom = (size_t)values[2],
                                .right = (size_t)values[3] };
}

/* The border that makes the result as large as the input, divided by the stride: the odd cell goes to the end, or to the beginning. */
static void same_border(size_t side, size_t extent, size_t stride, bool lower, size_t *ret_first,
                        size_t *ret_last)
{
    const size_t results = (side + stride - 1) / stride, seen = (results - 1) * stride + extent;
    const size_t all = seen > side ? seen - side : 0;

    *ret_first = lower ? all - all / 2 : all / 2;
    *ret_last = all - *ret_first;
}

static size_t extent_of(size_t cells, size_t gap) { return (cells - 1) * gap + 1; }

/* Whether `same` would take cells away before the first window: ONNX Runtime does, TensorFlow does not. */
static bool same_takes_away(size_t side, size_t extent, size_t stride)
{
    return (side + stride - 1) / stride * stride - stride + extent + 1 < side;
}

/* The border that `auto_pad` asks for, or the pads. */
static void window_border(struct reader *r, struct shape in, struct window *w)
{
    const bool lower = attribute_is(r, "auto_pad", "SAME_LOWER");
    struct border b;

    border_of(r, &b);
    if (lower || attribute_is(r, "auto_pad", "SAME_UPPER")) {
        if (same_takes_away(in.h, extent_of(w->h, w->dilation_h), w->stride_h) ||
            same_takes_away(in.w, extent_of(w->w, w->dilation_w), w->stride_w))
            reader_refuse(r, "its auto_pad would take cells away");
        same_border(in.h, extent_of(w->h, w->dilation_h), w->stride_h, lower, &b.top, &b.bottom);
        same_border(in.w, extent_of(w->w, w->dilation_w), w->stride_w, lower, &b.left, &b.right);
    } else if (attribute_there(r, "auto_pad") && !attribute_is(r, "auto_pad", "NOTSET") &&
               !attribute_is(r, "auto_pad", "VALID")) {
        reader_refuse(r, "its auto_pad is not known here");
    }
    w->top = b.top;
    w->left = b.left;
    w->bottom = b.bottom;
    w->right = b.right;
}

/* The window of the node that is read, which looks at `in`; h and w are set where the weights say them. */
static void window_of(struct reader *r, struct shape in, struct window *w)
{
    size_t kernel[2] = { w->h, w->w }, stride[2] = { 1, 1 }, dilation[2] = { 1, 1 };

    pair_of(r, "kernel_shape", 1, kernel);
    pair_of(r, "strides", 1, stride);
    pair_of(r, "dilations", 1, dilation);
    if (r->st == ST_OK && w->h > 0 && (kernel[0] != w->h || kernel[1] != w->w))
        reader_refuse(r, "its kernel_shape is not that of its weights");
    if (r->st == ST_OK && kernel[0] == 0)
        reader_refuse(r, "it has no kernel_shape");
    if (r->st != ST_OK)
        return;
    *w = (struct window){ .h = kernel[0],
                          .w = kernel[1],
                          .stride_h = stride[0],
                          .stride_w = stride[1],
                          .dilation_h = dilation[0],
                          .dilation_w = dilation[1] };
    window_border(r, in, w);
}

/* Padding before a window becomes its border. The view is that without the padding. */
static struct view unpadded(struct reader *r, struct border *ret)
{
    struct value *v = node_input(r, 0);

    *ret = (struct border){ 0 };
    if (!v || v->kind != VALUE_ACTIVATION || v->lazy.kind != LAZY_PAD)
        return input_planes(r, 0);
    *ret = v->lazy.border;
    return view_planes(r, v->view.node);
}

/* Padding with the lowest number is only for those that look for the largest. */
static void lowest_refuse(struct reader *r, const struct border *b)
{
    if (b->lowest)
        reader_refuse(r, "it reads a border of the lowest number, not of zeros");
}

static void border_add(struct window *w, const struct border *b)
{
    w->top += b->top;
    w->left += b->left;
    w->bottom += b->bottom;
    w->right += b->right;
}

static bool border_is(const struct border *b) { return b->top + b->left + b->bottom + b->right > 0; }

static struct shape padded_shape(struct shape s, const struct border *b)
{
    return (struct shape){ s.c, s.h + b->top + b->bottom, s.w + b->left + b->right };
}

/* ---- Pad ---- */

/* Opset 18 may name the axes; without them the pads are of all. */
static void pads_read(struct reader *r, const struct dims *d, struct border *ret)
{
    const int64_t *pads = NULL, *axes = NULL;
    size_t n = 0, n_axes = 0, *first[] = { &ret->top, &ret->left }, *last[] = { &ret->bottom, &ret->right };
    const bool there = integers_of(r, 1, "pads", &n, &pads),
               has_axes = integers_of(r, 3, "axes", &n_axes, &axes);

    *ret = (struct border){ 0 };
    if (!has_axes)
        n_axes = d->rank;
    if (r->st == ST_OK && (!there || n != 2 * n_axes || d->rank != 4))
        reader_refuse(r, "its pads are not two for each of 4 axes");
    for (size_t i = 0; i < n_axes && r->st == ST_OK; i++) {
        const size_t axis = has_axes ? axis_of(r, axes[i], 4) : i;
        const int64_t before = pads[i], after = pads[n_axes + i];

        if (before < 0 || after < 0 || before > LAYER_MAX_SIDE || after > LAYER_MAX_SIDE)
            reader_refuse(r, "its pads are %lld and %lld", (long long)before, (long long)after);
        else if (axis < 2 && (before || after))
            reader_refuse(r, "it pads something else than rows and columns");
        else if (axis >= 2) {
            *first[axis - 2] = (size_t)before;
            *last[axis - 2] = (size_t)after;
        }
    }
}

void build_pad(struct reader *r)
{
    const struct value *value = node_input(r, 2);
    const struct constant *c = input_constant(r, 2);
    const float constant = c && c->floats && c->count == 1 ? c->floats[0] : attribute_float(r, "value", 0);
    const bool lowest = constant <= -FLT_MAX;
    struct border before = { 0 };
    struct view v = unpadded(r, &before);
    struct lazy l = { .kind = LAZY_PAD };

    if (attribute_there(r, "mode") && !attribute_is(r, "mode", "constant"))
        reader_refuse(r, "it pads with something else than zeros");
    if ((value && (!c || !c->floats || c->count != 1)) || (constant != 0 && !lowest))
        reader_refuse(r, "it pads with something else than zeros");
    if (border_is(&before) && before.lowest != lowest)
        reader_refuse(r, "it pads with another number than the padding before it");
    pads_read(r, &v.dims, &l.border);
    l.border.lowest = lowest;
    l.border.top += before.top;
    l.border.left += before.left;
    l.border.bottom += before.bottom;
    l.border.right += before.right;
    const struct shape s = padded_shape(view_shape(r, &v), &l.border);

    v.dims = (struct dims){ 4, { r->batch, s.c, s.h, s.w } };
    give_lazy(r, &v, &l);
}

/* ---- Conv ---- */

/* The result's shape, which only the kind itself works out. */
static struct shape result_of(struct reader *r, const struct node *node, size_t from)
{
    struct described tensors[LAYER_MAX_TENSORS];
    struct node n = *node;
    size_t n_tensors;
    const char *wrong;

    if (r->st != ST_OK)
        return (struct shape){ 1, 1, 1 };
    n.in[0] = r->g->net->nodes[from].out;
    wrong = n.ops->shape(&n, tensors, &n_tensors);
    if (wrong)
        reader_refuse(r, "%s", wrong);
    return wrong ? (struct shape){ 1, 1, 1 } : n.out;
}

static const float *bias_of(struct reader *r, size_t input, size_t n)
{
    const struct constant *c = node_input(r, input) ? input_weights(r, input, "its bias") : NULL;

    if (c && c->count != n)
        reader_refuse(r, "its bias has %zu numbers, not %zu", c->count, n);
    return c ? c->floats : NULL;
}

static void conv_check(struct reader *r, const struct constant *w, struct shape in, int64_t groups)
{
    if (w->dims.rank != 4 || w->count == 0)
        reader_refuse(r, "its weights have %zu axes, not [results, channels, rows, columns]", w->dims.rank);
    else if (groups < 1 || groups > LAYER_MAX_CHANNELS || w->dims.at[0] > LAYER_MAX_CHANNELS)
        reader_refuse(r, "it has %lld groups and %zu results", (long long)groups, w->dims.at[0]);
    else if (w->dims.at[1] * (size_t)groups != in.c || w->dims.at[0] % (size_t)groups != 0)
        reader_refuse(r, "its weights of %zu by %zu channels in %lld groups do not fit %zu channels",
                      w->dims.at[0], w->dims.at[1], (long long)groups, in.c);
    else if (w->dims.at[2] > LAYER_MAX_WINDOW || w->dims.at[3] > LAYER_MAX_WINDOW)
        reader_refuse(r, "its window of %zu x %zu is larger than %d", w->dims.at[2], w->dims.at[3],
                      LAYER_MAX_WINDOW);
}

void build_conv(struct reader *r)
{
    struct border border;
    struct view v = unpadded(r, &border);
    const struct shape in = view_shape(r, &v);
    const struct constant *w = input_weights(r, 1, "its weights");
    const int64_t groups = attribute_integer(r, "group", 1);
    struct lazy l = { .kind = LAZY_LINEAR };

    lowest_refuse(r, &border);
    if (w && r->st == ST_OK)
        conv_check(r, w, in, groups);
    if (!w || r->st != ST_OK)
        return;
    l.linear = (struct node){ .ops = &LAYER_CONV,
                              .channels = w->dims.at[0],
                              .groups = (size_t)groups,
                              .window = { .h = w->dims.at[2], .w = w->dims.at[3] } };
    window_of(r, padded_shape(in, &border), &l.linear.window);
    border_add(&l.linear.window, &border);
    l.name = r->node->input[1];
    l.weights = w->floats;
    l.weights_a_result = w->count / w->dims.at[0];
    l.bias = bias_of(r, 2, w->dims.at[0]);
    const struct shape out = result_of(r, &l.linear, v.node);

    v.dims = (struct dims){ 4, { r->batch, out.c, out.h, out.w } };
    give_lazy(r, &v, &l);
}

/* ---- pools ---- */

/* ceil_mode: a last window that is only partly inside. It must begin inside, or on the first border. */
static size_t partly_inside(size_t side, size_t first, size_t last, size_t extent, size_t stride)
{
    const size_t seen = side + first + last;
    size_t n;

    if (seen < extent)
        return 0;
    n = (seen - extent + stride - 1) / stride + 1;
    if ((n - 1) * stride >= side + first)
        n--;
    return (n - 1) * stride + extent > seen ? (n - 1) * stride + extent - seen : 0;
}

/* Returns whether the border grew. */
static bool ceil_border(struct shape in, struct window *w)
{
    const size_t rows = partly_inside(in.h, w->top, w->bottom, extent_of(w->h, w->dilation_h), w->stride_h);
    const size_t columns =
        partly_inside(in.w, w->left, w->right, extent_of(w->w, w->dilation_w), w->stride_w);

    w->bottom += rows;
    w->right += columns;
    return rows + columns > 0;
}

static void give_planes(struct reader *r, size_t node)
{
    const struct view v = view_planes(r, node);

    give_view(r, &v);
}

static void pool_add(struct reader *r, const struct view *from, const struct node *node)
{
    struct node n = *node;

    n.from[0] = from->node;
    give_planes(r, reader_add(r, &n, NULL, NULL));
}

/* Whether no number of a node's is below 0, so that a border of zeros never wins. */
static bool never_negative(const struct reader *r, size_t node)
{
    const struct layer_ops *ops = r->st == ST_OK ? r->g->net->nodes[node].ops : NULL;

    return ops == &LAYER_RELU || ops == &LAYER_RELU6 || ops == &LAYER_SIGMOID;
}

/* Of whole planes, which may be larger than a window. */
static bool is_whole(const struct window *w, struct shape in)
{
    return w->h == in.h && w->w == in.w && w->top + w->left + w->bottom + w->right == 0 &&
           w->dilation_h * w->dilation_w == 1;
}

/* A window of LAYER_MAX_WINDOW a side would have a cell too many: the largest of a larger plane is the largest of what windows find. */
static size_t max_of_planes(struct reader *r, size_t node)
{
    enum { MOST = LAYER_MAX_WINDOW - 1 };
    struct shape in = view_shape(r, &(struct view){ .node = node });

    do {
        const size_t h = in.h < MOST ? in.h : MOST, w = in.w < MOST ? in.w : MOST;
        const struct node pool = { .ops = &LAYER_MAX_POOL,
                                   .from = { node },
                                   .window = { .h = h,
                                               .w = w,
                                               .stride_h = h,
                                               .stride_w = w,
                                               .bottom = (h - in.h % h) % h,
                                               .right = (w - in.w % w) % w,
                                               .dilation_h = 1,
                                               .dilation_w = 1 } };

        node = reader_add(r, &pool, NULL, NULL);
        in = view_shape(r, &(struct view){ .node = node });
    } while (r->st == ST_OK && in.h * in.w > 1);
    return node;
}

void build_max_pool(struct reader *r)
{
    struct border border;
    const struct view v = unpadded(r, &border);
    const struct shape in = view_shape(r, &v);
    struct node node = { .ops = &LAYER_MAX_POOL };
    const struct shape padded = padded_shape(in, &border);

    window_of(r, padded, &node.window);
    if (r->st != ST_OK)
        return;
    if (border_is(&border) && !border.lowest && !never_negative(r, v.node))
        reader_refuse(r, "it reads a border of zeros, which could be the largest");
    if (attribute_integer(r, "ceil_mode", 0))
        ceil_border(padded, &node.window);
    border_add(&node.window, &border);
    if (is_whole(&node.window, in))
        give_planes(r, max_of_planes(r, v.node));
    else
        pool_add(r, &v, &node);
}

void build_average_pool(struct reader *r)
{
    struct border border;
    const struct view v = unpadded(r, &border);
    const struct shape in = view_shape(r, &v);
    struct node node = { .ops = &LAYER_MEAN_POOL };
    const bool padded = border_is(&border);
    const struct shape whole = padded_shape(in, &border);

    lowest_refuse(r, &border);
    window_of(r, whole, &node.window);
    if (r->st != ST_OK)
        return;
    const size_t own = node.window.top + node.window.left + node.window.bottom + node.window.right;
    const bool counts = attribute_integer(r, "count_include_pad", 0) != 0;

    if (padded && own > 0 && !counts)
        reader_refuse(r, "it has one border that counts and one that does not");
    node.window.count_include_pad = padded || (own > 0 && counts);
    if (attribute_integer(r, "ceil_mode", 0) && ceil_border(whole, &node.window) &&
        node.window.count_include_pad)
        reader_refuse(r, "its last window is partly outside of a border that counts");
    border_add(&node.window, &border);
    if (is_whole(&node.window, in))
        node = (struct node){ .ops = &LAYER_GLOBAL_POOL };
    pool_add(r, &v, &node);
}

void build_global_average(struct reader *r)
{
    const struct view v = input_planes(r, 0);

    pool_add(r, &v, &(struct node){ .ops = &LAYER_GLOBAL_POOL });
}

void build_global_max(struct reader *r) { give_planes(r, max_of_planes(r, input_planes(r, 0).node)); }

static size_t mean_of_planes(struct reader *r, size_t node)
{
    return reader_add(r, &(struct node){ .ops = &LAYER_GLOBAL_POOL, .from = { node } }, NULL, NULL);
}

/* Over rows and columns alone: a global pool. Later operator sets have the axes as an input. */
static void reduce_planes(struct reader *r, const char *what, size_t (*pool)(struct reader *r, size_t node))
{
    const struct view v = input_view(r, 0);
    const bool keep = attribute_integer(r, "keepdims", 1) != 0;
    const size_t channel = view_channel_axis(&v);
    bool gone[ONNX_MAX_RANK] = { false };
    const int64_t *axes = NULL;
    struct dims d = { 0 };
    size_t n = 0;

    if (!integers_of(r, 1, "axes", &n, &axes))
        reader_refuse(r, "it takes %s over the batch", what);
    for (size_t i = 0; i < n && r->st == ST_OK; i++)
        gone[axis_of(r, axes[i], v.dims.rank)] = true;
    for (size_t i = 0; i < v.dims.rank && r->st == ST_OK; i++) {
        if (gone[i] != (i != 0 && i != channel))
            reader_refuse(r, "it takes %s over something else than rows and columns", what);
        if (!gone[i] || keep)
            d.at[d.rank++] = gone[i] ? 1 : v.dims.at[i];
    }
    if (r->st == ST_OK && v.dims.at[channel] != view_shape(r, &v).c)
        reader_refuse(r, "its input's channels are not those of where it is made");
    const struct view out = view_of(r, r->st == ST_OK ? pool(r, v.node) : v.node, d, false);

    give_view(r, &out);
}

void build_reduce_mean(struct reader *r) { reduce_planes(r, "the mean", mean_of_planes); }
void build_reduce_max(struct reader *r) { reduce_planes(r, "the largest", max_of_planes); }
