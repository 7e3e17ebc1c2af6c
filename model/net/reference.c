/* model/net/reference.c - the network by its layers' plain loops: the truth that the kernels are tested against. */
#include "reference.h"

#include "layer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* What one image's pass leaves behind. */
struct trace {
    const struct network *net;
    const float *values;
    float **y; /* [nodes]: results; that of the image is borrowed */
    float **
        slopes; /* [nodes]: the loss by them, where a parameter lies behind; NULL elsewhere, and in a pass forward alone */
    void **tapes; /* [nodes] */
};

static void trace_release(struct trace *t)
{
    for (size_t i = 1; i < t->net->n_nodes; i++) {
        free(t->y ? t->y[i] : NULL);
        free(t->slopes ? t->slopes[i] : NULL);
        free(t->tapes ? t->tapes[i] : NULL);
    }
    free(t->y);
    free(t->slopes);
    free(t->tapes);
}

/* Whether a parameter lies in the node or before it: only then has its result's slope a reader. */
static bool has_params(const struct trace *t, const struct node *l)
{
    bool has = l->n_params > 0;

    for (size_t i = 0; i < l->ops->n_from; i++)
        has = has || t->slopes[l->from[i]];
    return has;
}

static enum status trace_init(struct trace *t, const struct network *net, const float *values, bool backward)
{
    bool ok;

    assert(net->n_nodes > 0);
    *t = (struct trace){ .net = net, .values = values };
    t->y = calloc(net->n_nodes, sizeof *t->y);
    t->slopes = calloc(net->n_nodes, sizeof *t->slopes);
    t->tapes = calloc(net->n_nodes, sizeof *t->tapes);
    ok = t->y && t->slopes && t->tapes;
    for (size_t i = 1; i < net->n_nodes && ok; i++) {
        const struct node *l = &net->nodes[i];

        t->y[i] = malloc(shape_size(l->out) * sizeof(float));
        t->tapes[i] = malloc(l->tape_bytes + 1);
        if (backward && has_params(t, l)) {
            t->slopes[i] = malloc(shape_size(l->out) * sizeof(float));
            ok = t->slopes[i] != NULL;
        }
        ok = ok && t->y[i] && t->tapes[i];
    }
    if (!ok)
        trace_release(t);
    return ok ? ST_OK : ST_NOMEM;
}

static const struct node *head_of(const struct network *net) { return &net->nodes[net->n_nodes - 1]; }

static void inputs_of(const struct trace *t, const struct node *l, const float *x[NODE_MAX_INPUTS])
{
    for (size_t i = 0; i < l->ops->n_from; i++)
        x[i] = t->y[l->from[i]];
}

/* factors: what the head's features are multiplied with; NULL: 1. */
static void run_forward(struct trace *t, const float *image, const float *factors)
{
    const struct network *net = t->net;

    t->y[0] = (float *)image; /* nobody writes it */
    for (size_t i = 1; i < net->n_nodes; i++) {
        const struct node *l = &net->nodes[i];
        const float *x[NODE_MAX_INPUTS];

        inputs_of(t, l, x);
        l->ops->forward(l, 1, t->values + l->params, t->values + l->state, x, t->y[i], t->tapes[i]);
        for (size_t f = 0; factors && i == head_of(net)->from[0] && f < shape_size(l->out); f++)
            t->y[i][f] *= factors[f];
    }
}

/* One node: its slope, which its readers have added up, goes on to its inputs. */
static enum status node_backward(struct trace *t, const struct node *l, const float *slope, float *dparams)
{
    float *dx[NODE_MAX_INPUTS] = { NULL };
    const float *x[NODE_MAX_INPUTS];
    enum status st = ST_OK;

    inputs_of(t, l, x);
    for (size_t i = 0; i < l->ops->n_from && st == ST_OK; i++)
        if (t->slopes[l->from[i]]) {
            dx[i] = malloc(shape_size(l->in[i]) * sizeof(float));
            st = dx[i] ? ST_OK : ST_NOMEM;
        }
    if (st == ST_OK)
        l->ops->backward(l, 1, t->values + l->params, t->values + l->state, x, t->tapes[l - t->net->nodes],
                         slope, dx, dparams + l->params);
    for (size_t i = 0; i < l->ops->n_from; i++) {
        for (size_t k = 0; dx[i] && st == ST_OK && k < shape_size(l->in[i]); k++)
            t->slopes[l->from[i]][k] += dx[i][k];
        free(dx[i]);
    }
    return st;
}

/* From the gradient of the logits down to the first node with parameters. */
static enum status run_backward(struct trace *t, const float *factors, const float *dlogits, float *dparams)
{
    const struct network *net = t->net;
    const struct node *head = head_of(net);
    enum status st = ST_OK;

    for (size_t i = 1; i < net->n_nodes; i++)
        if (t->slopes[i])
            memset(t->slopes[i], 0, shape_size(net->nodes[i].out) * sizeof(float));
    assert(t->slopes[net->n_nodes - 1]); /* the head has parameters */
    memcpy(t->slopes[net->n_nodes - 1], dlogits, N_LABELS * sizeof(float));
    for (size_t i = net->n_nodes; i-- > 1 && st == ST_OK;) {
        for (size_t f = 0; factors && t->slopes[i] && i == head->from[0] && f < shape_size(net->nodes[i].out);
             f++)
            t->slopes[i][f] *= factors[f];
        if (t->slopes[i])
            st = node_backward(t, &net->nodes[i], t->slopes[i], dparams);
    }
    return st;
}

enum status reference_forward(const struct network *net, const float *values, size_t n, const float *x,
                              float *ret_logits)
{
    struct trace t;
    enum status st = trace_init(&t, net, values, false);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++, x += shape_size(net->nodes[0].out)) {
        run_forward(&t, x, NULL);
        memcpy(ret_logits + i * N_LABELS, t.y[net->n_nodes - 1], N_LABELS * sizeof(float));
    }
    trace_release(&t);
    return ST_OK;
}

/* logits += w inputs, and dw += dlogits inputs: w, dw [14][k]. */
static void inputs_forward(size_t k, const float *w, const float *inputs, float *logits)
{
    for (size_t o = 0; o < N_LABELS; o++)
        for (size_t j = 0; j < k; j++)
            logits[o] += w[o * k + j] * inputs[j];
}

static void inputs_backward(size_t k, const float *inputs, const float *dlogits, float *dw)
{
    for (size_t o = 0; o < N_LABELS; o++)
        for (size_t j = 0; j < k; j++)
            dw[o * k + j] += dlogits[o] * inputs[j];
}

enum status reference_batch_gradient(const struct network *net, const float *values,
                                     const struct training_batch *b, float *ret_logits, float *ret_dparams)
{
    const size_t features = shape_size(head_of(net)->in[0]), k = net->n_inputs;
    const size_t inputs = net->head_inputs;
    float *factors = b->dropout > 0 ? malloc(features * sizeof *factors) : NULL;
    struct trace t;
    enum status st = b->dropout > 0 && !factors ? ST_NOMEM : trace_init(&t, net, values, true);

    assert(k == 0 || b->inputs);
    if (st != ST_OK) {
        free(factors);
        return st;
    }
    memset(ret_dparams, 0, net->n_params * sizeof(float));
    for (size_t i = 0; i < b->n && st == ST_OK; i++) {
        const float *x = b->x + i * shape_size(net->nodes[0].out), *y = b->y + i * N_LABELS;
        float *logits = ret_logits + i * N_LABELS, dlogits[N_LABELS];

        if (factors)
            training_dropout(b, i, features, factors);
        run_forward(&t, x, factors);
        memcpy(logits, t.y[net->n_nodes - 1], N_LABELS * sizeof(float));
        if (k)
            inputs_forward(k, values + inputs, b->inputs + i * k, logits);
        bce_gradient(N_LABELS, logits, y, b->weights ? b->weights + i * N_LABELS : NULL,
                     1 / (float)(b->n * N_LABELS), dlogits);
        if (k)
            inputs_backward(k, b->inputs + i * k, dlogits, ret_dparams + inputs);
        st = run_backward(&t, factors, dlogits, ret_dparams);
    }
    trace_release(&t);
    free(factors);
    return st;
}

enum status reference_gradient(const struct network *net, const float *values, size_t n, const float *x,
                               const float *y, float *ret_logits, float *ret_dparams)
{
    const struct training_batch b = { .n = n, .x = x, .y = y };

    return reference_batch_gradient(net, values, &b, ret_logits, ret_dparams);
}
