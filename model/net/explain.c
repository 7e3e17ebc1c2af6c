/* model/net/explain.c - see cxrd/explain.h. Products are added in double, since a map is read number by number and its cells may
 * cancel. */
#include "cxrd/explain.h"

#include "../core/floats.h"
#include "cxrd/secret.h"
#include "layer.h"
#include "model_parts.h"

#include <assert.h>
#include <string.h>

const char *explanation_method_name(enum explanation_method method)
{
    return method == EXPLAIN_OCCLUSION ? "occlusion" : "contributions";
}

/* ---- contributions ---- */

/* The op that computes a node's result by itself, or NULL. */
static const struct op *op_of(const struct plan *p, const struct node *node)
{
    for (size_t i = 0; i < p->n_ops; i++)
        if (p->ops[i].node == node)
            return &p->ops[i];
    return NULL;
}

/* The value whose cells the head adds up: what it reads, or what that is the mean of. p->n_values: no value is.
 *   ret_mean  which of the two */
static size_t cells_find(const struct plan *p, bool *ret_mean)
{
    const struct node *nodes = p->net->nodes, *node = &nodes[nodes[p->net->n_nodes - 1].from[0]];
    const struct op *op;

    while (node->ops == &LAYER_FLATTEN && shape_size(node->in[0]) == node->in[0].c)
        node = &nodes[node->from[0]];
    *ret_mean = node->ops == &LAYER_GLOBAL_POOL;
    if (!*ret_mean)
        return node->out.h * node->out.w > 1 ? p->head_value : p->n_values;
    op = op_of(p, node);
    return op ? op->x[0] : p->n_values;
}

static bool fits(struct shape s) { return s.h <= EXPLANATION_MAX_SIDE && s.w <= EXPLANATION_MAX_SIDE; }

/* Add up, cell by cell, weight times activation over the channels. The grid begins at 0.
 *   weights  as the file orders them: by channel, and by cell unless the head reads means */
static void add_up(const struct value *v, const float *values, const float *weights, bool mean, double *grid)
{
    const size_t columns = v->shape.w, cells = v->shape.h * columns;

    for (size_t c = 0; c < v->shape.c; c++)
        for (size_t row = 0; row < v->shape.h; row++) {
            const float *x = values + layout_at(&v->layout, c, row, 0);
            const float *w = weights + (mean ? c : c * cells + row * columns);

            for (size_t i = 0; i < columns; i++)
                grid[row * columns + i] += (double)w[mean ? 0 : i] * (double)x[i * v->layout.pixel];
        }
    for (size_t i = 0; i < cells && mean; i++)
        grid[i] /= (double)cells;
}

/* ---- occlusion ---- */

static float mean_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i];
    return (float)(sum / (double)n);
}

/* Part (row, column) of a channel becomes `grey`. */
static void cover(float *x, size_t size, size_t row, size_t column, float grey)
{
    for (size_t y = row * size / OCCLUSION_SIDE; y < (row + 1) * size / OCCLUSION_SIDE; y++)
        for (size_t i = column * size / OCCLUSION_SIDE; i < (column + 1) * size / OCCLUSION_SIDE; i++)
            x[y * size + i] = grey;
}

static enum status occlude(struct session *s, const struct model *m, const float *x, size_t label,
                           double *grid)
{
    const size_t size = model_network(m)->image_size, plane = size * size;
    const size_t n = preprocess_floats(model_preprocess(m));
    float *covered = floats_new(n), logits[MAX_LABELS], whole = 0;
    enum status st = covered ? session_run(s, m, 1, x, logits) : ST_NOMEM;

    if (st == ST_OK)
        whole = logits[label];
    for (size_t i = 0; i < (size_t)OCCLUSION_SIDE * OCCLUSION_SIDE && st == ST_OK; i++) {
        memcpy(covered, x, n * sizeof *x);
        for (size_t c = 0; c < n; c += plane)
            cover(covered + c, size, i / OCCLUSION_SIDE, i % OCCLUSION_SIDE, mean_of(x + c, plane));
        st = session_run(s, m, 1, covered, logits);
        grid[i] = (double)whole - (double)logits[label];
    }
    secret_free(covered);
    return st;
}

enum status session_explain(struct session *s, const struct model *m, const float *x, size_t label,
                            float logit, struct explanation *ret)
{
    const struct plan *p = model_plan(m);
    bool mean;
    const size_t at = cells_find(p, &mean);
    const struct value *v = &p->values[at];

    assert(label < p->net->n_labels);
    *ret = (struct explanation){ .label = label, .logit = (double)logit };
    if (at == p->n_values || !fits(v->shape)) {
        ret->method = EXPLAIN_OCCLUSION;
        ret->rows = ret->columns = OCCLUSION_SIDE;
        return occlude(s, m, x, label, ret->grid);
    }
    ret->bias = (double)model_params(m)[p->net->head_bias + label];
    ret->rows = v->shape.h;
    ret->columns = v->shape.w;
    add_up(v, session_value(s, m, at), model_params(m) + p->net->head_weights + label * p->features, mean,
           ret->grid);
    return ST_OK;
}
