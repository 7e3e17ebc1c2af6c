/* model/onnx/lazy.c - nodes that are put off until it is known what belongs to them, see reader.h. Exporters write a batch
 * normalisation as a product and a sum, ReLU6 as a ReLU that is clipped, hard-swish as four operators: here they come together
 * again, so that our network has the nodes it would have had from its author. */
#include "reader.h"

#include "cxrd/decimal.h"

#include <math.h>

static size_t affine_add(struct reader *r, size_t from, size_t n, const float *scale, const float *shift)
{
    const size_t channels = view_shape(r, &(struct view){ .node = from }).c;
    float *all = reader_alloc(r, 2 * channels, sizeof *all);

    for (size_t i = 0; i < channels && all; i++) {
        all[i] = scale[n > 1 ? i : 0];
        all[channels + i] = shift[n > 1 ? i : 0];
    }
    return reader_add(
        r, &(struct node){ .ops = &LAYER_SCALE, .from = { from } }, NULL,
        &(struct fill){ .state = { { all, channels }, { all ? all + channels : NULL, channels } } });
}

/* ---- settling ---- */

static size_t linear_add(struct reader *r, const struct value *v)
{
    const struct lazy *l = &v->lazy;
    const size_t channels = l->linear.channels;
    struct node node = l->linear;

    node.from[0] = v->view.node;
    node.bias = l->bias != NULL;
    return reader_add(r, &node, l->name,
                      &(struct fill){ .params = { { l->weights, channels * l->weights_a_result },
                                                  { l->bias, node.bias ? channels : 0 } } });
}

static bool is_near(float a, float b) { return fabsf(a - b) <= 1e-6f * fabsf(b); }

/* Our kind is clip(x / 6 + 1 / 2, 0, 1), as PyTorch's. */
static bool is_hard_sigmoid(const struct lazy *l)
{
    return l->low == 0 && l->high == 1 && is_near(l->scale[0], 1.0f / 6) && is_near(l->shift[0], 0.5f);
}

static double bound_of(float v)
{
    const double most = LAYER_MAX_BOUND;

    return (double)v < -most ? -most : (double)v > most ? most : decimal_of(v);
}

static size_t clip_add(struct reader *r, const struct value *v)
{
    const struct lazy *l = &v->lazy;
    struct node node = { .ops = &LAYER_CLIP, .from = { v->view.node } };

    if (is_hard_sigmoid(l)) {
        node.ops = &LAYER_HARD_SIGMOID;
        return reader_add(r, &node, NULL, NULL);
    }
    if (l->scale[0] != 1 || l->shift[0] != 0)
        node.from[0] = affine_add(r, node.from[0], 1, l->scale, l->shift);
    if (l->low == 0 && (l->high == INFINITY || l->high == 6)) {
        node.ops = l->high == 6 ? &LAYER_RELU6 : &LAYER_RELU;
    } else {
        node.low = bound_of(l->low);
        node.high = bound_of(l->high);
    }
    return reader_add(r, &node, NULL, NULL);
}

void settle(struct reader *r, struct value *v)
{
    const struct lazy *l = &v->lazy;

    if (r->st != ST_OK || l->kind == LAZY_NONE)
        return;
    switch (l->kind) {
    case LAZY_LINEAR: v->view.node = linear_add(r, v); break;
    case LAZY_AFFINE: v->view.node = affine_add(r, v->view.node, l->n, l->scale, l->shift); break;
    case LAZY_CLIP: v->view.node = clip_add(r, v); break;
    case LAZY_SIGMOID:
        v->view.node =
            reader_add(r, &(struct node){ .ops = &LAYER_SIGMOID, .from = { v->view.node } }, NULL, NULL);
        break;
    case LAZY_PAD:
        reader_refuse(r, "its input '%.60s' is padded, which only a convolution or a pool may read", v->name);
        break;
    case LAZY_NONE: break;
    }
    v->view = view_of(r, v->view.node, v->view.dims, v->view.channels_last);
    v->lazy = (struct lazy){ 0 };
}

/* ---- a scale and a shift behind it ---- */

/* scale * (scale' x + shift') + shift, over as many channels as the longer of the two has. */
static void affine_compose(struct reader *r, const struct lazy *before, size_t n, const float *scale,
                           const float *shift, struct lazy *ret)
{
    const size_t most = n > before->n ? n : before->n;
    float *all = reader_alloc(r, 2 * most, sizeof *all);

    for (size_t i = 0; i < most && all; i++) {
        const size_t a = n > 1 ? i : 0, b = before->n > 1 ? i : 0;

        all[i] = scale[a] * before->scale[b];
        all[most + i] = scale[a] * before->shift[b] + shift[a];
    }
    *ret = *before;
    ret->n = most;
    ret->scale = all;
    ret->shift = all ? all + most : NULL;
}

static void linear_scale(struct reader *r, struct lazy *l, size_t n, const float *scale, const float *shift)
{
    const size_t channels = l->linear.channels, each = l->weights_a_result;
    bool scaled = false;
    float *weights, *bias = reader_alloc(r, channels, sizeof *bias);

    for (size_t o = 0; o < channels && bias; o++) {
        bias[o] = (l->bias ? l->bias[o] : 0) * scale[n > 1 ? o : 0] + shift[n > 1 ? o : 0];
        scaled |= scale[n > 1 ? o : 0] != 1;
    }
    l->bias = bias;
    if (!scaled)
        return;
    weights = reader_alloc(r, channels * each, sizeof *weights);
    for (size_t o = 0; o < channels && weights; o++)
        for (size_t i = 0; i < each; i++)
            weights[o * each + i] = l->weights[o * each + i] * scale[n > 1 ? o : 0];
    l->weights = weights;
}

/* An operation on the input before anything else reads it is scaling, which the preprocessing does for us, where it is the
 * same for all channels and keeps the order of grey values. */
static bool is_image_scaling(const struct reader *r, const struct value *v, size_t n, const float *scale,
                             const float *shift)
{
    if (v->lazy.kind != LAZY_NONE || v->view.node != r->image || !r->image_alone)
        return false;
    for (size_t i = 0; i < n; i++)
        if (scale[i] != scale[0] || shift[i] != shift[0])
            return false;
    return scale[0] > 0 && isfinite(scale[0]) && isfinite(shift[0]);
}

static void image_scale(struct reader *r, const struct value *v, const float *scale, const float *shift)
{
    const struct lazy before = { .n = 1, .scale = r->image_scale, .shift = r->image_shift };
    struct lazy after;

    affine_compose(r, &before, 1, scale, shift, &after);
    r->image_scale = after.scale;
    r->image_shift = after.shift;
    give_view(r, &v->view);
}

/* A clip moves with one scale for all: its limits too. */
static void clip_scale(struct lazy *l, float scale, float shift)
{
    const float low = l->low * scale + shift, high = l->high * scale + shift;

    l->low = scale < 0 ? high : low;
    l->high = scale < 0 ? low : high;
}

void give_affine(struct reader *r, struct value *v, size_t n, const float *scale, const float *shift)
{
    static const float ONE[] = { 1 }, ZERO[] = { 0 };
    struct lazy made = { .kind = LAZY_AFFINE, .n = 1, .scale = ONE, .shift = ZERO };

    if (r->st != ST_OK)
        return;
    if (is_image_scaling(r, v, n, scale, shift)) {
        image_scale(r, v, scale, shift);
        return;
    }
    if (v->uses == 1 && v->lazy.kind == LAZY_LINEAR) {
        made = v->lazy;
        linear_scale(r, &made, n, scale, shift);
    } else if ((v->lazy.kind == LAZY_CLIP && n == 1 && scale[0] != 0) || v->lazy.kind == LAZY_AFFINE) {
        affine_compose(r, &v->lazy, n, scale, shift, &made);
        if (made.kind == LAZY_CLIP)
            clip_scale(&made, scale[0], shift[0]);
    } else {
        settle(r, v);
        v->view = view_by_channel(r, v->view);
        affine_compose(r, &made, n, scale, shift, &made);
    }
    give_lazy(r, &v->view, &made);
}

void give_clip(struct reader *r, struct value *v, float scale, float shift, float low, float high)
{
    float *pair = reader_alloc(r, 2, sizeof *pair);
    struct lazy made = { .kind = LAZY_CLIP, .n = 1, .low = low, .high = high };

    if (!pair)
        return;
    if (!(low <= high)) {
        reader_refuse(r, "it clips to %g..%g", (double)low, (double)high);
        return;
    }
    if (v->lazy.kind == LAZY_CLIP && scale == 1 && shift == 0) {
        made = v->lazy;
        made.low = fminf(fmaxf(made.low, low), high);
        made.high = fminf(fmaxf(made.high, low), high);
    } else if (v->lazy.kind == LAZY_AFFINE && v->lazy.n == 1) {
        pair[0] = v->lazy.scale[0] * scale;
        pair[1] = v->lazy.shift[0] * scale + shift;
    } else {
        settle(r, v);
        pair[0] = scale;
        pair[1] = shift;
    }
    if (!made.scale) {
        made.scale = &pair[0];
        made.shift = &pair[1];
    }
    give_lazy(r, &v->view, &made);
}

void give_sigmoid(struct reader *r, struct value *v)
{
    settle(r, v);
    give_lazy(r, &v->view, &(struct lazy){ .kind = LAZY_SIGMOID });
}

bool give_gated(struct reader *r, struct value *x, struct value *gate)
{
    const struct lazy *l = &gate->lazy;
    const struct layer_ops *ops;
    struct view v;

    if (x->lazy.kind != LAZY_NONE || x->view.node != gate->view.node)
        return false;
    if (l->kind == LAZY_SIGMOID)
        ops = &LAYER_SILU;
    else if (l->kind == LAZY_CLIP && l->low == 0 && l->high > 0 && is_near(l->scale[0] / l->high, 1.0f / 6) &&
             is_near(l->shift[0] / l->high, 0.5f)) /* relu6(x + 3) / 6, times l->high */
        ops = &LAYER_HARD_SWISH;
    else
        return false;
    v = view_of(r, reader_add(r, &(struct node){ .ops = ops, .from = { x->view.node } }, NULL, NULL),
                x->view.dims, x->view.channels_last);
    give_view(r, &v);
    if (l->kind == LAZY_CLIP && !is_near(l->high, 1)) {
        float *pair = reader_alloc(r, 2, sizeof *pair);

        if (!pair)
            return true;
        pair[0] = l->high;
        pair[1] = 0;
        give_lazy(r, &v, &(struct lazy){ .kind = LAZY_AFFINE, .n = 1, .scale = &pair[0], .shift = &pair[1] });
    }
    return true;
}
