/* model/net/plan/place.c - where every value lies: as its first reader wants it, where whoever writes it can; for all others an
 * op moves it. */
#include "steps.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NOWHERE SIZE_MAX

struct placing {
    const struct steps *s;
    bool training;
    struct plan *p;
    size_t *of;     /* [steps]: the value of each result */
    size_t *host;   /* [steps]: the concatenation that a result is written into, or NOWHERE */
    size_t *at;     /* [steps]: from which of its channels on */
    size_t *memory; /* [steps]: where results lie that have a memory of their own, or NOWHERE */
};

static bool same(const struct layout *a, const struct layout *b) { return memcmp(a, b, sizeof *a) == 0; }

/* Whether it takes the image as a thin picture: its channels side by side, fewer than a panel. */
static bool is_thin_reader(const struct step *step)
{
    return step->kind == &OP_CONVOLUTION && step->from[0] == 0;
}

/* Whether a step can read a layout as its operand k; step 0, the image, may be read as it is by what takes a thin picture, but not
 * added to the result. */
static bool can_read(const struct steps *s, const struct step *step, size_t k, const struct layout *l,
                     struct shape x)
{
    const struct layout planes = layout_planes(x), bordered = layout_bordered(x);

    switch (step->kind->reads) {
    case LIE_PANELS: return l->group % s->panel == 0 || (k == 0 && is_thin_reader(step) && l->pixel == x.c);
    case LIE_BORDERED: return same(l, &bordered);
    case LIE_PLANES:
    case LIE_PIXELS:
    case LIE_ANY: break;
    }
    return l->row == planes.row && l->pixel == 1 && l->panel == planes.panel && l->origin == 0;
}

/* How it likes to. */
static struct layout wanted(const struct steps *s, const struct step *step, struct shape x)
{
    if (step->kind->reads == LIE_PANELS)
        return layout_panels(x, s->panel);
    return step->kind->reads == LIE_BORDERED ? layout_bordered(x) : layout_planes(x);
}

/* The features in whole HEAD_LINEs. */
static struct layout for_the_head(struct layout l)
{
    l.image = (l.image + HEAD_LINE - 1) / HEAD_LINE * HEAD_LINE;
    return l;
}

static bool reads(const struct step *step, size_t node)
{
    for (size_t k = 0; step->kind && k < step->n_from; k++)
        if (step->from[k] == node)
            return true;
    return false;
}

/* The image is written as its readers like: within a border, as a thin picture, or by planes, which of one channel is the same. */
static struct layout image_layout(const struct steps *s)
{
    const struct shape shape = s->steps[0].out;

    for (size_t i = 1; i < s->n; i++)
        if (reads(&s->steps[i], 0) && s->steps[i].kind->reads == LIE_BORDERED)
            return layout_bordered(shape);
    for (size_t i = 1; i < s->n; i++)
        if (s->steps[i].kind && is_thin_reader(&s->steps[i]) && shape.c > 1)
            return layout_pixels(shape);
    return s->last == 0 ? for_the_head(layout_planes(shape)) : layout_planes(shape);
}

/* Of half a panel at inference: the kernels of slopes read and write whole ones. */
static struct layout panels_of(const struct placing *g, struct shape shape)
{
    const size_t P = g->s->panel;

    return !g->training && shape.c <= P / 2 ? layout_half_panel(shape, P) : layout_panels(shape, P);
}

/* The layout of a step's result in a memory of its own. */
static struct layout own_layout(const struct placing *g, size_t i)
{
    const struct steps *s = g->s;
    const struct shape shape = s->steps[i].out;
    struct layout own = layout_planes(shape);
    enum lie writes;

    if (i == 0)
        return image_layout(s);
    writes = s->steps[i].kind->writes;
    if (writes == LIE_PANELS)
        own = panels_of(g, shape);
    else if (writes == LIE_PIXELS)
        own = layout_pixels(shape);
    for (size_t k = i + 1; k < s->n && writes != LIE_PLANES; k++)
        if (reads(&s->steps[k], i) && s->steps[k].kind->reads == LIE_BORDERED)
            return layout_bordered(shape);
    return i == s->last ? for_the_head(own) : own;
}

static size_t value_add(struct plan *p, struct shape shape, struct layout layout, size_t memory)
{
    const struct layout bordered = layout_bordered(shape);

    p->values[p->n_values] = (struct value){
        .shape = shape, .layout = layout, .memory = memory, .bordered = same(&layout, &bordered)
    };
    return p->n_values++;
}

static size_t memory_add(struct plan *p, size_t size)
{
    p->memories[p->n_memories] = (struct memory){ .size = size };
    return p->n_memories++;
}

static size_t move_add(struct plan *p, size_t v, struct layout layout, size_t memory)
{
    p->ops[p->n_ops] = (struct op){ .kind = &OP_RELAYOUT, .x = { v }, .n_x = 1 };
    p->ops[p->n_ops].y = value_add(p, p->values[v].shape, layout, memory);
    return p->ops[p->n_ops++].y;
}

/* Value v in that layout: itself, one that was moved before, or one that an op moves now. */
static size_t moved(struct plan *p, size_t v, struct layout layout)
{
    if (same(&p->values[v].layout, &layout))
        return v;
    for (size_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].kind == &OP_RELAYOUT && p->ops[i].x[0] == v &&
            same(&p->values[p->ops[i].y].layout, &layout))
            return p->ops[i].y;
    return move_add(p, v, layout, memory_add(p, layout.image));
}

/* ---- concatenations: a part is written where it lies in the whole ---- */

/* An op that writes panels can write them anywhere. A result goes into one concatenation only; others copy it. */
static void hosts(struct placing *g)
{
    const struct steps *s = g->s;

    for (size_t i = s->n; i-- > 1;) {
        const struct step *step = &s->steps[i];
        size_t channel = 0;

        for (size_t k = 0; step->kind == &OP_JOIN && k < step->n_from; k++) {
            const size_t from = step->from[k];
            const struct step *part = &s->steps[from];

            if (from > 0 && g->host[from] == NOWHERE && part->kind->writes == LIE_PANELS && from != s->last) {
                g->host[from] = i;
                g->at[from] = channel;
            }
            channel += part->out.c;
        }
    }
}

/* Where a result lies: in which memory, and how. */
static struct layout where(struct placing *g, size_t i, size_t *ret_memory)
{
    size_t root = i, channel = 0;
    struct layout l;

    for (; g->host[root] != NOWHERE; root = g->host[root])
        channel += g->at[root];
    l = own_layout(g, root);
    if (g->memory[root] == NOWHERE)
        g->memory[root] = memory_add(g->p, l.image);
    *ret_memory = g->memory[root];
    if (root != i)
        l.origin = layout_at(&l, channel, 0, 0);
    return l;
}

/* The parts that lie elsewhere are copied. */
static void join_place(struct placing *g, size_t i)
{
    const struct step *step = &g->s->steps[i];
    size_t memory, channel = 0;
    const struct layout whole = where(g, i, &memory);

    for (size_t k = 0; k < step->n_from; k++) {
        const size_t from = step->from[k];
        struct layout part = whole;

        part.origin = layout_at(&whole, channel, 0, 0);
        if (g->host[from] != i || g->at[from] != channel)
            move_add(g->p, g->of[from], part, memory);
        channel += g->s->steps[from].out.c;
    }
    g->of[i] = value_add(g->p, step->out, whole, memory);
}

/* ---- all of them ---- */

static void step_place(struct placing *g, size_t i)
{
    const struct step *step = &g->s->steps[i];
    struct op op = { .kind = step->kind,
                     .node = step->node,
                     .norm = step->norm,
                     .prologue = step->prologue,
                     .activation = step->activation,
                     .end = step->end,
                     .folded = step->folded,
                     .n_x = step->n_from };
    struct layout layout;
    size_t memory;

    if (step->kind == &OP_JOIN) {
        join_place(g, i);
        return;
    }
    for (size_t k = 0; k < step->n_from; k++) {
        const struct value *v = &g->p->values[g->of[step->from[k]]];

        op.x[k] = g->of[step->from[k]];
        if (!can_read(g->s, step, k, &v->layout, v->shape))
            op.x[k] = moved(g->p, op.x[k], wanted(g->s, step, v->shape));
    }
    layout = where(g, i, &memory);
    op.y = g->of[i] = value_add(g->p, step->out, layout, memory);
    g->p->ops[g->p->n_ops++] = op;
}

static void image_place(struct placing *g)
{
    size_t memory;
    const struct layout layout = where(g, 0, &memory);

    g->of[0] = value_add(g->p, g->s->steps[0].out, layout, memory);
}

/* The head takes what has no gaps: planes, pixels, or one number a channel. */
static void head_place(struct placing *g)
{
    struct plan *p = g->p;
    const struct shape s = g->s->net->nodes[g->s->n].in[0];
    const size_t v = g->of[g->s->last];
    const struct layout *l = &p->values[v].layout;
    const struct layout planes = for_the_head(layout_planes(s)), pixels = for_the_head(layout_pixels(s));
    const bool is_vector = s.h * s.w == 1 && l->origin == 0 && l->image % HEAD_LINE == 0;

    p->head_value = is_vector || same(l, &planes) ? v : moved(p, v, pixels);
    p->features = shape_size(s);
    p->row = p->values[p->head_value].layout.image;
}

static size_t stretch(size_t *at, size_t n)
{
    const size_t begin = *at;

    *at += sums_lines(n);
    return begin;
}

static void sizes(struct plan *p, bool training)
{
    p->bias_sums = stretch(&p->n_sums, p->net->n_labels);
    p->inputs_sums = stretch(&p->n_sums, p->net->n_labels * p->net->n_inputs);
    for (size_t i = 0; i < p->n_ops; i++) {
        struct op *op = &p->ops[i];

        assert(op->kind);
        op->kind->size(op, p->kernels, p->values, training);
        if (!training)
            op->n_sums = op->n_collects = 0; /* nothing learns but the head */
        op->weights = stretch(&p->n_weights, op->n_weights);
        op->sums = stretch(&p->n_sums, op->n_sums);
        p->n_scratch = op->n_scratch > p->n_scratch ? op->n_scratch : p->n_scratch;
    }
}

/* Slopes are asked for where a parameter lies behind, and at the head, where the way back begins. They lie as their values do: a
 * concatenation's is the slopes of its parts, to which whoever reads the one or the other adds. */
static void slopes_asked(struct plan *p)
{
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *op = &p->ops[i];
        bool *asked = &p->memories[p->values[op->y].memory].asked;

        *asked = *asked || (op->node && op->node->n_params > 0);
        for (size_t k = 0; k < op->n_x; k++)
            *asked = *asked || p->memories[p->values[op->x[k]].memory].asked;
    }
    p->memories[p->values[p->head_value].memory].asked = true;
}

/* Whether the value is all that lies in its memory, without a border and without channels that are none of its own. */
static bool fills_its_memory(const struct plan *p, const struct value *v)
{
    return !v->bordered && v->shape.c % p->kernels->panel == 0 && v->layout.group == p->kernels->panel &&
           v->layout.image == shape_size(v->shape);
}

/* The first op that adds to a memory's slopes on the way back: the head before all ops. An op that can write them needs no zeros. */
static void slopes_begun(struct plan *p, bool *begun)
{
    begun[p->values[p->head_value].memory] = true;
    for (size_t i = p->n_ops; i-- > 0;)
        for (size_t k = 0; k < p->ops[i].n_x; k++) {
            const size_t m = p->values[p->ops[i].x[k]].memory;

            p->ops[i].begins[k] = !begun[m];
            p->ops[i].writes |= k == 0 && !begun[m] && p->ops[i].can_write && p->ops[i].n_x == 1 &&
                                fills_its_memory(p, &p->values[p->ops[i].x[0]]);
            begun[m] = true;
        }
}

static enum status placing_init(struct placing *g, const struct steps *s, bool training, struct plan *p)
{
    size_t *all = malloc(4 * s->n * sizeof *all);

    *g = (struct placing){ s, training, p, all, all + s->n, all + 2 * s->n, all + 3 * s->n };
    for (size_t i = 0; all && i < 4 * s->n; i++)
        all[i] = NOWHERE;
    return all ? ST_OK : ST_NOMEM;
}

enum status place(const struct steps *s, bool training, struct plan *p)
{
    const size_t most = (NODE_MAX_INPUTS + 1) * s->n + 1; /* a move for every input, and one for the head */
    struct placing g;
    bool *begun = calloc(most, sizeof *begun);
    enum status st = placing_init(&g, s, training, p);

    p->values = calloc(most, sizeof *p->values);
    p->memories = calloc(most, sizeof *p->memories);
    p->ops = calloc(most, sizeof *p->ops);
    if (st != ST_OK || !begun || !p->values || !p->memories || !p->ops) {
        st = ST_NOMEM;
        goto out;
    }
    hosts(&g);
    image_place(&g);
    for (size_t i = 1; i < s->n; i++)
        if (s->steps[i].kind)
            step_place(&g, i);
    head_place(&g);
    sizes(p, training);
    if (training) {
        slopes_asked(p);
        slopes_begun(p, begun);
    }
out:
    free(begun);
    free(g.of);
    return st;
}
