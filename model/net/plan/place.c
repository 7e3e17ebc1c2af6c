/* model/net/plan/place.c - where every value lies: as its first reader wants it, where whoever writes it can; for all others an
 * op moves it. */
#include "steps.h"

#include "cxrd/labels.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct placing {
    const struct steps *s;
    struct plan *p;
    size_t *of; /* [nodes]: the value of each step's result */
};

static bool same(const struct layout *a, const struct layout *b) { return memcmp(a, b, sizeof *a) == 0; }

/* How a step wants what it reads. */
static struct layout wanted(const struct step *step, struct shape x)
{
    return step->kind->reads == LIE_BORDERED ? layout_bordered((struct shape){ x.c, x.h, x.w })
                                             : layout_planes(x);
}

/* The features in whole HEAD_LINEs. */
static struct layout for_the_head(struct layout l, struct shape s)
{
    l.image = (shape_size(s) + HEAD_LINE - 1) / HEAD_LINE * HEAD_LINE;
    return l;
}

static bool reads(const struct step *step, size_t node)
{
    for (size_t k = 0; step->kind && k < step->n_from; k++)
        if (step->from[k] == node)
            return true;
    return false;
}

/* The layout of a step's result. The image is written as anybody likes. */
static struct layout result_layout(const struct steps *s, size_t node)
{
    const struct shape shape = s->net->nodes[node].out;
    const bool any = node == 0 || s->steps[node].kind->writes == LIE_PIXELS;
    struct layout own = any && node > 0 ? layout_pixels(shape) : layout_planes(shape);

    for (size_t i = node + 1; i < s->n && any; i++)
        if (reads(&s->steps[i], node) && s->steps[i].kind->reads == LIE_BORDERED)
            return wanted(&s->steps[i], shape);
    return node == steps_last(s) ? for_the_head(own, shape) : own;
}

static size_t value_add(struct plan *p, struct shape shape, struct layout layout)
{
    p->values[p->n_values] = (struct value){ shape, layout, false };
    return p->n_values++;
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
    p->ops[p->n_ops] = (struct op){ .kind = &OP_RELAYOUT, .x = { v }, .n_x = 1 };
    p->ops[p->n_ops].y = value_add(p, p->values[v].shape, layout);
    return p->ops[p->n_ops++].y;
}

static void step_place(struct placing *g, size_t node)
{
    const struct step *step = &g->s->steps[node];
    struct op op = { .kind = step->kind, .node = step->node, .folded = step->folded, .n_x = step->n_from };

    for (size_t k = 0; k < step->n_from; k++) {
        const size_t v = g->of[step->from[k]];

        op.x[k] = moved(g->p, v, wanted(step, g->p->values[v].shape));
    }
    op.y = g->of[node] = value_add(g->p, g->s->net->nodes[node].out, result_layout(g->s, node));
    g->p->ops[g->p->n_ops++] = op;
}

/* The head takes planes or pixels, without gaps. */
static void head_place(struct placing *g)
{
    struct plan *p = g->p;
    const struct node *head = &g->s->net->nodes[g->s->n];
    const size_t v = g->of[steps_last(g->s)];
    const struct layout planes = for_the_head(layout_planes(head->in[0]), head->in[0]),
                        pixels = for_the_head(layout_pixels(head->in[0]), head->in[0]);

    p->head_value = same(&p->values[v].layout, &planes) ? v : moved(p, v, pixels);
    p->features = shape_size(head->in[0]);
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
    p->bias_sums = stretch(&p->n_sums, N_LABELS);
    p->inputs_sums = stretch(&p->n_sums, N_LABELS * p->net->n_inputs);
    for (size_t i = 0; i < p->n_ops; i++) {
        struct op *op = &p->ops[i];

        op->kind->size(op, p->kernels, &p->values[op->y], training);
        op->weights = stretch(&p->n_weights, op->n_weights);
        op->sums = stretch(&p->n_sums, op->n_sums);
        p->n_scratch = op->n_scratch > p->n_scratch ? op->n_scratch : p->n_scratch;
    }
}

/* Slopes are asked for where a parameter lies behind, and at the head, where the way back begins. */
static void slopes_asked(struct plan *p)
{
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *op = &p->ops[i];
        bool *asked = &p->values[op->y].asked;

        *asked = op->node && op->node->n_params > 0;
        for (size_t k = 0; k < op->n_x; k++)
            *asked = *asked || p->values[op->x[k]].asked;
    }
    p->values[p->head_value].asked = true;
}

/* Who adds to a slope first on the way back: the head before all ops. */
static void slopes_begun(struct plan *p, bool *begun)
{
    begun[p->head_value] = true;
    for (size_t i = p->n_ops; i-- > 0;)
        for (size_t k = 0; k < p->ops[i].n_x; k++) {
            p->ops[i].begins[k] = !begun[p->ops[i].x[k]];
            begun[p->ops[i].x[k]] = true;
        }
}

enum status place(const struct steps *s, bool training, struct plan *p)
{
    const size_t most = (NODE_MAX_INPUTS + 1) * s->n + 1; /* a move for every input, and one for the head */
    struct placing g = { s, p, calloc(s->n, sizeof *g.of) };
    bool *begun = calloc(most, sizeof *begun);
    enum status st = ST_NOMEM;

    p->values = calloc(most, sizeof *p->values);
    p->ops = calloc(most, sizeof *p->ops);
    if (!g.of || !begun || !p->values || !p->ops)
        goto out;
    value_add(p, s->net->nodes[0].out, result_layout(s, 0));
    for (size_t i = 1; i < s->n; i++)
        if (s->steps[i].kind)
            step_place(&g, i);
    head_place(&g);
    sizes(p, training);
    slopes_asked(p);
    slopes_begun(p, begun);
    st = ST_OK;
out:
    free(begun);
    free(g.of);
    return st;
}
