/* model/onnx/op_number.c - operators on one number after the other, of one activation or of two, see reader.h. */
#include "reader.h"

#include "cxrd/decimal.h"

#include <math.h>
#include <string.h>

/* ---- of one ---- */

static struct value *activation(struct reader *r, size_t i)
{
    struct value *v = node_input(r, i);

    if (v && v->kind != VALUE_ACTIVATION)
        reader_refuse(r, "its input %zu is a constant", i);
    if (v && v->lazy.kind == LAZY_PAD)
        settle(r, v); /* refused */
    return r->st == ST_OK ? v : NULL;
}

void build_relu(struct reader *r)
{
    struct value *v = activation(r, 0);

    if (v)
        give_clip(r, v, 1, 0, 0, INFINITY);
}

/* A limit of Clip's: an input, in older operator sets an attribute. */
static float limit_of(struct reader *r, size_t input, const char *attribute, float otherwise)
{
    const struct constant *c;

    if (!node_input(r, input))
        return attribute_float(r, attribute, otherwise);
    c = input_weights(r, input, "its limit");
    if (c && c->count != 1)
        reader_refuse(r, "its limit has %zu numbers", c->count);
    return c && r->st == ST_OK ? c->floats[0] : otherwise;
}

void build_clip(struct reader *r)
{
    struct value *v = activation(r, 0);
    const float low = limit_of(r, 1, "min", -INFINITY), high = limit_of(r, 2, "max", INFINITY);

    if (v)
        give_clip(r, v, 1, 0, low, high);
}

void build_sigmoid(struct reader *r)
{
    struct value *v = activation(r, 0);

    if (v)
        give_sigmoid(r, v);
}

void build_hard_sigmoid(struct reader *r)
{
    struct value *v = activation(r, 0);
    const float alpha = attribute_float(r, "alpha", 0.2f), beta = attribute_float(r, "beta", 0.5f);

    if (v)
        give_clip(r, v, alpha, beta, 0, 1);
}

static void give_applied(struct reader *r, const struct node *node)
{
    struct view v = input_view(r, 0);
    struct node n = *node;

    n.from[0] = v.node;
    v.node = reader_add(r, &n, NULL, NULL);
    give_view(r, &v);
}

void build_hard_swish(struct reader *r) { give_applied(r, &(struct node){ .ops = &LAYER_HARD_SWISH }); }

void build_leaky_relu(struct reader *r)
{
    const float alpha = attribute_float(r, "alpha", 0.01f);

    give_applied(r, &(struct node){ .ops = &LAYER_LEAKY_RELU, .slope = decimal_of(alpha) });
}

static void give_scaled(struct reader *r, struct value *v, float scale, float shift)
{
    float *pair = v ? reader_alloc(r, 2, sizeof *pair) : NULL;

    if (!pair)
        return;
    pair[0] = scale;
    pair[1] = shift;
    give_affine(r, v, 1, &pair[0], &pair[1]);
}

void build_neg(struct reader *r) { give_scaled(r, activation(r, 0), -1, 0); }

/* ---- of an activation and a constant ---- */

/* One number, or one for each channel: how many. 0: refused. */
static size_t numbers_a_channel(struct reader *r, const struct value *v, const struct constant *c)
{
    const struct dims *d = &v->view.dims;
    const size_t axis = view_channel_axis(&v->view);
    size_t from_end;

    if (c->count == 1 && c->dims.rank <= d->rank)
        return 1;
    for (size_t i = 0; i < c->dims.rank && r->st == ST_OK; i++) {
        from_end = c->dims.rank - 1 - i;
        if (c->dims.at[i] != 1 &&
            (from_end >= d->rank || d->rank - 1 - from_end != axis || c->dims.at[i] != d->at[axis]))
            reader_refuse(r, "its constant is neither one number nor one for each of %zu channels",
                          d->at[axis]);
    }
    return r->st == ST_OK && c->count > 0 ? c->count : 0;
}

/* Of operators of two inputs: the activation, and the constant beside it. NULL: both are activations, or it is refused. */
struct with_constant {
    struct value *v;
    struct value wide; /* where v is of one channel and the constant of more: v in all of them */
    const struct constant *c;
    bool constant_first;
    size_t n;
};

/* A grey picture with a number for each of three channels, as our own files have their scaling. */
static void widen(struct reader *r, struct with_constant *w)
{
    const struct dims *d = &w->c->dims;
    const bool by_channel =
        d->rank >= 3 && d->rank <= 4 && d->at[d->rank - 3] == w->c->count && w->c->count > 1;

    if (r->st != ST_OK || !by_channel || w->v->view.dims.rank != 4 || w->v->view.dims.at[1] != 1)
        return;
    settle(r, w->v);
    w->wide = (struct value){ .name = w->v->name, .uses = 1, .kind = VALUE_ACTIVATION };
    w->wide.view = view_planes(r, reader_add(r,
                                             &(struct node){ .ops = &LAYER_REPLICATE,
                                                             .from = { w->v->view.node },
                                                             .channels = w->c->count },
                                             NULL, NULL));
    w->v = &w->wide;
}

static bool with_constant(struct reader *r, struct with_constant *ret)
{
    struct value *a = node_input(r, 0), *b = node_input(r, 1);

    if (!a || !b || (a->kind == VALUE_ACTIVATION && b->kind == VALUE_ACTIVATION))
        return false;
    ret->constant_first = a->kind == VALUE_CONSTANT;
    ret->v = ret->constant_first ? b : a;
    ret->c = ret->constant_first ? &a->constant : &b->constant;
    if (!ret->c->floats)
        reader_refuse(r, "its constant is not of floating-point numbers");
    if (ret->v->lazy.kind == LAZY_PAD)
        settle(r, ret->v);
    widen(r, ret);
    ret->n = r->st == ST_OK ? numbers_a_channel(r, ret->v, ret->c) : 0;
    if (r->st == ST_OK && ret->n == 0)
        reader_refuse(r, "its constant has no number");
    return r->st == ST_OK;
}

/* A scale and a shift for every number of the constant, which `of` makes of it. */
static void give_with(struct reader *r, const struct with_constant *w,
                      void (*of)(float c, float *scale, float *shift))
{
    float *all = reader_alloc(r, 2 * w->n, sizeof *all);

    for (size_t i = 0; i < w->n && all; i++)
        of(w->c->floats[i], &all[i], &all[w->n + i]);
    if (all)
        give_affine(r, w->v, w->n, all, all + w->n);
}

static void pair_put(float scale, float shift, float *ret_scale, float *ret_shift)
{
    *ret_scale = scale;
    *ret_shift = shift;
}

static void plus(float c, float *scale, float *shift) { pair_put(1, c, scale, shift); }
static void minus(float c, float *scale, float *shift) { pair_put(1, -c, scale, shift); }
static void minus_from(float c, float *scale, float *shift) { pair_put(-1, c, scale, shift); }
static void times(float c, float *scale, float *shift) { pair_put(c, 0, scale, shift); }
static void divided(float c, float *scale, float *shift) { pair_put(1 / c, 0, scale, shift); }

/* ---- of two activations ---- */

/* Our kinds go by the nodes' shapes, ONNX's by the values': where the same values lie in nodes of different shapes, both are
 * brought into one row. */
static void give_joined(struct reader *r, const struct layer_ops *ops, struct view a, struct view b)
{
    const struct shape s = view_shape(r, &a), t = view_shape(r, &b);
    struct view v;

    if (a.channels_last != b.channels_last)
        reader_refuse(r, "one of its inputs has the channels last, the other has not");
    if (dims_equal(&a.dims, &b.dims) && (s.c != t.c || s.h != t.h || s.w != t.w)) {
        a = view_flat(r, a);
        b = view_flat(r, b);
    }
    v = view_of(r, reader_add(r, &(struct node){ .ops = ops, .from = { a.node, b.node } }, NULL, NULL),
                a.dims, a.channels_last);
    give_view(r, &v);
}

static void give_sum(struct reader *r, size_t i, size_t k)
{
    const struct view a = input_view(r, i), b = input_view(r, k);

    if (r->st == ST_OK && !dims_equal(&a.dims, &b.dims))
        reader_refuse(r, "it adds activations of different shapes");
    give_joined(r, &LAYER_ADD, a, b);
}

/* Whether b is one number for each channel of a. */
static bool is_factor(const struct view *a, const struct view *b)
{
    const size_t axis = view_channel_axis(a);

    if (a->dims.rank != b->dims.rank || a->dims.rank != 4)
        return false;
    for (size_t i = 0; i < a->dims.rank; i++)
        if (b->dims.at[i] != (i == 0 || i == axis ? a->dims.at[i] : 1))
            return false;
    return true;
}

static void give_product(struct reader *r)
{
    struct view a = input_view(r, 0), b = input_view(r, 1);

    if (r->st == ST_OK && !dims_equal(&a.dims, &b.dims) && is_factor(&b, &a)) {
        const struct view swap = a;

        a = b;
        b = swap;
    }
    if (r->st != ST_OK || dims_equal(&a.dims, &b.dims)) {
        give_joined(r, &LAYER_MUL, a, b);
        return;
    }
    if (!is_factor(&a, &b)) {
        reader_refuse(r, "it multiplies activations of different shapes");
        return;
    }
    a.node = reader_add(r, &(struct node){ .ops = &LAYER_MUL, .from = { a.node, b.node } }, NULL, NULL);
    give_view(r, &a);
}

void build_add(struct reader *r)
{
    struct with_constant w;

    if (with_constant(r, &w))
        give_with(r, &w, plus);
    else
        give_sum(r, 0, 1);
}

void build_sub(struct reader *r)
{
    struct with_constant w;

    if (with_constant(r, &w))
        give_with(r, &w, w.constant_first ? minus_from : minus);
    else
        reader_refuse(r, "it subtracts activations");
}

void build_mul(struct reader *r)
{
    struct value *a = node_input(r, 0), *b = node_input(r, 1);
    struct with_constant w;

    if (with_constant(r, &w)) {
        give_with(r, &w, times);
        return;
    }
    if (r->st != ST_OK || !a || !b)
        return;
    if (a != b && ((b->uses == 1 && give_gated(r, a, b)) || (a->uses == 1 && give_gated(r, b, a))))
        return;
    give_product(r);
}

void build_div(struct reader *r)
{
    struct with_constant w;

    if (!with_constant(r, &w) || w.constant_first)
        reader_refuse(r, "it divides by activations");
    else
        give_with(r, &w, divided);
}

static void give_limited(struct reader *r, bool least)
{
    struct with_constant w;

    if (!with_constant(r, &w) || w.n != 1)
        reader_refuse(r, "it compares activations with something else than one number");
    else
        give_clip(r, w.v, 1, 0, least ? w.c->floats[0] : -INFINITY, least ? INFINITY : w.c->floats[0]);
}

void build_min(struct reader *r) { give_limited(r, false); }
void build_max(struct reader *r) { give_limited(r, true); }

/* ---- of many ---- */

/* The values so far and the next one, each time a node. */
static struct view chained(struct reader *r, const struct layer_ops *ops, struct view so_far,
                           struct view next, struct dims d)
{
    return view_of(
        r, reader_add(r, &(struct node){ .ops = ops, .from = { so_far.node, next.node } }, NULL, NULL), d,
        so_far.channels_last);
}

void build_sum(struct reader *r)
{
    struct view v = input_view(r, 0);

    for (size_t i = 1; i < r->node->n_input && r->st == ST_OK; i++) {
        const struct view next = input_view(r, i);
        const struct shape s = view_shape(r, &v), t = view_shape(r, &next);

        if (!dims_equal(&v.dims, &next.dims) || v.channels_last != next.channels_last || s.c != t.c ||
            s.h != t.h)
            reader_refuse(r, "it adds activations of different shapes");
        v = chained(r, &LAYER_ADD, v, next, v.dims);
    }
    give_view(r, &v);
}

/* A grey picture as one of n equal channels, which is how one is given to a network for colours. */
static void give_replicated(struct reader *r, struct view v, size_t n)
{
    const struct node node = { .ops = &LAYER_REPLICATE, .from = { v.node }, .channels = n };

    v.dims.at[view_channel_axis(&v)] = n;
    v = view_of(r, reader_add(r, &node, NULL, NULL), v.dims, false);
    give_view(r, &v);
}

/* As it is made, and as it is seen: a plane may be seen as a row of channels. */
static bool is_grey(const struct reader *r, const struct view *v)
{
    return r->st == ST_OK && v->dims.rank == 4 && view_shape(r, v).c == 1 &&
           v->dims.at[view_channel_axis(v)] == 1;
}

/* Whether all inputs are the same. */
static bool joins_itself(const struct reader *r)
{
    for (size_t i = 1; i < r->node->n_input; i++)
        if (strcmp(r->node->input[i], r->node->input[0]) != 0)
            return false;
    return r->node->n_input > 1;
}

void build_concat(struct reader *r)
{
    const int64_t axis = attribute_integer(r, "axis", 1);
    struct view v = view_by_channel(r, input_view(r, 0));

    if (r->st == ST_OK && axis_of(r, axis, v.dims.rank) != view_channel_axis(&v))
        reader_refuse(r, "it joins something else than channels");
    if (is_grey(r, &v) && joins_itself(r)) {
        give_replicated(r, v, r->node->n_input);
        return;
    }
    for (size_t i = 1; i < r->node->n_input && r->st == ST_OK; i++) {
        const struct view next = view_by_channel(r, input_view(r, i));
        struct dims d = v.dims;

        if (next.dims.rank != d.rank || next.channels_last != v.channels_last) {
            reader_refuse(r, "its inputs lie differently");
            break;
        }
        d.at[view_channel_axis(&v)] += next.dims.at[view_channel_axis(&v)];
        v = chained(r, &LAYER_CONCAT, v, next, d);
    }
    give_view(r, &v);
}

/* To `d`, which has as many axes: as it is, or a grey picture in several channels. */
static void give_repeated(struct reader *r, const struct view *v, const struct dims *d)
{
    const size_t channel = view_channel_axis(v);
    struct dims channels = v->dims;

    if (r->st != ST_OK)
        return;
    channels.at[channel] = d->at[channel];
    if (dims_equal(d, &v->dims))
        build_same(r);
    else if (is_grey(r, v) && dims_equal(d, &channels))
        give_replicated(r, *v, d->at[channel]);
    else
        reader_refuse(r, "it repeats something else than the one channel of a picture");
}

void build_expand(struct reader *r)
{
    const struct view v = input_view(r, 0);
    const int64_t *shape = NULL;
    struct dims d = { 0 }, all;
    size_t n = 0;

    if (!integers_of(r, 1, "shape", &n, &shape))
        reader_refuse(r, "it has no shape to give");
    if (r->st == ST_OK && n > v.dims.rank)
        reader_refuse(r, "its shape has %zu axes, its input %zu", n, v.dims.rank);
    for (size_t i = 0; i < n && r->st == ST_OK; i++)
        if (shape[i] < 1 || shape[i] > LAYER_MAX_CHANNELS)
            reader_refuse(r, "its shape has %lld on axis %zu", (long long)shape[i], i);
        else
            d.at[d.rank++] = (size_t)shape[i];
    if (r->st == ST_OK && broadcast_dims(r, &v.dims, &d, &all))
        give_repeated(r, &v, &all);
}

void build_tile(struct reader *r)
{
    const struct view v = input_view(r, 0);
    const int64_t *times = NULL;
    struct dims d = v.dims;
    size_t n = 0;

    if (!integers_of(r, 1, "repeats", &n, &times) || n != v.dims.rank)
        reader_refuse(r, "its repeats are not one for each of %zu axes", v.dims.rank);
    for (size_t i = 0; i < n && r->st == ST_OK; i++)
        if (times[i] < 1 || times[i] > LAYER_MAX_CHANNELS)
            reader_refuse(r, "it repeats axis %zu %lld times", i, (long long)times[i]);
        else
            d.at[i] *= (size_t)times[i];
    give_repeated(r, &v, &d);
}
