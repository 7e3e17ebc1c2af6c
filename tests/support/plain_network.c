/* tests/support/plain_network.c - the network by its layers' plain loops: the truth that the kernels are tested against. */
#include "plain_network.h"

#include "model/net/layer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* The values that a pass of a few images leaves behind. */
struct trace {
    const struct network *net;
    size_t n;    /* images that there is room for */
    bool frozen; /* normalisations have their state */
    const float *values;
    float **y; /* [nodes][n]: results; that of the image is borrowed */
    float **
        slopes; /* [nodes][n]: the loss by them, where a parameter lies behind; NULL elsewhere, and in a pass forward alone */
    void **tapes; /* [nodes][n] */
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

static enum status trace_init(struct trace *t, const struct network *net, const float *values, size_t n,
                              bool frozen, bool backward)
{
    bool ok;

    assert(net->n_nodes > 0);
    *t = (struct trace){ .net = net, .n = n, .frozen = frozen, .values = values };
    t->y = calloc(net->n_nodes, sizeof *t->y);
    t->slopes = calloc(net->n_nodes, sizeof *t->slopes);
    t->tapes = calloc(net->n_nodes, sizeof *t->tapes);
    ok = t->y && t->slopes && t->tapes;
    for (size_t i = 1; i < net->n_nodes && ok; i++) {
        const struct node *l = &net->nodes[i];

        t->y[i] = malloc(n * shape_size(l->out) * sizeof(float));
        t->tapes[i] = malloc(n * l->tape_bytes + 1);
        if (backward && has_params(t, l)) {
            t->slopes[i] = malloc(n * shape_size(l->out) * sizeof(float));
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

static const float *state_of(const struct trace *t, const struct node *l)
{
    return t->frozen || l->ops != &LAYER_NORM ? t->values + l->state : NULL;
}

/* factors: what the head's features [n] are multiplied with; NULL: 1. */
static void run_forward(struct trace *t, size_t n, const float *images, const float *factors)
{
    const struct network *net = t->net;

    t->y[0] = (float *)images; /* nobody writes it */
    for (size_t i = 1; i < net->n_nodes; i++) {
        const struct node *l = &net->nodes[i];
        const float *x[NODE_MAX_INPUTS];

        inputs_of(t, l, x);
        l->ops->forward(l, n, t->values + l->params, state_of(t, l), x, t->y[i], t->tapes[i]);
        for (size_t f = 0; factors && i == head_of(net)->from[0] && f < n * shape_size(l->out); f++)
            t->y[i][f] *= factors[f];
    }
}

/* One node: its slope, which its readers have added up, goes on to its inputs. */
static enum status node_backward(struct trace *t, size_t n, const struct node *l, const float *slope,
                                 float *dparams)
{
    float *dx[NODE_MAX_INPUTS] = { NULL };
    const float *x[NODE_MAX_INPUTS];
    enum status st = ST_OK;

    inputs_of(t, l, x);
    for (size_t i = 0; i < l->ops->n_from && st == ST_OK; i++)
        if (t->slopes[l->from[i]]) {
            dx[i] = malloc(n * shape_size(l->in[i]) * sizeof(float));
            st = dx[i] ? ST_OK : ST_NOMEM;
        }
    if (st == ST_OK)
        l->ops->backward(l, n, t->values + l->params, state_of(t, l), x, t->tapes[l - t->net->nodes], slope,
                         dx, dparams + l->params);
    for (size_t i = 0; i < l->ops->n_from; i++) {
        for (size_t k = 0; dx[i] && st == ST_OK && k < n * shape_size(l->in[i]); k++)
            t->slopes[l->from[i]][k] += dx[i][k];
        free(dx[i]);
    }
    return st;
}

/* From the gradient of the logits down to the first node with parameters. */
static enum status run_backward(struct trace *t, size_t n, const float *factors, const float *dlogits,
                                float *dparams)
{
    const struct network *net = t->net;
    const struct node *head = head_of(net);
    enum status st = ST_OK;

    for (size_t i = 1; i < net->n_nodes; i++)
        if (t->slopes[i])
            memset(t->slopes[i], 0, n * shape_size(net->nodes[i].out) * sizeof(float));
    assert(t->slopes[net->n_nodes - 1]); /* the head has parameters */
    memcpy(t->slopes[net->n_nodes - 1], dlogits, n * net->n_labels * sizeof(float));
    for (size_t i = net->n_nodes; i-- > 1 && st == ST_OK;) {
        const size_t size = n * shape_size(net->nodes[i].out);

        for (size_t f = 0; factors && t->slopes[i] && i == head->from[0] && f < size; f++)
            t->slopes[i][f] *= factors[f];
        if (t->slopes[i])
            st = node_backward(t, n, &net->nodes[i], t->slopes[i], dparams);
    }
    return st;
}

enum status plain_forward(const struct network *net, const float *values, size_t n, const float *x,
                          float *ret_logits)
{
    struct trace t;
    enum status st = trace_init(&t, net, values, 1, true, false);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++, x += shape_size(net->nodes[0].out)) {
        run_forward(&t, 1, x, NULL);
        memcpy(ret_logits + i * net->n_labels, t.y[net->n_nodes - 1], net->n_labels * sizeof(float));
    }
    trace_release(&t);
    return ST_OK;
}

/* logits += w inputs, and dw += dlogits inputs: w, dw [L][k]. */
static void inputs_forward(size_t L, size_t k, const float *w, const float *inputs, float *logits)
{
    for (size_t o = 0; o < L; o++)
        for (size_t j = 0; j < k; j++)
            logits[o] += w[o * k + j] * inputs[j];
}

static void inputs_backward(size_t L, size_t k, const float *inputs, const float *dlogits, float *dw)
{
    for (size_t o = 0; o < L; o++)
        for (size_t j = 0; j < k; j++)
            dw[o * k + j] += dlogits[o] * inputs[j];
}

/* Images i..i+n-1 of a batch, forward and backward. factors: room for n images' */
static enum status some_images(struct trace *t, const struct training_batch *b, size_t i, size_t n,
                               float *factors, float *logits, float *dparams)
{
    const struct network *net = t->net;
    const size_t features = shape_size(head_of(net)->in[0]), k = net->n_inputs;
    float *dlogits = malloc(n * net->n_labels * sizeof *dlogits);
    enum status st;

    if (!dlogits)
        return ST_NOMEM;
    for (size_t j = 0; factors && j < n; j++)
        training_dropout(b, i + j, features, factors + j * features);
    run_forward(t, n, b->x + i * shape_size(net->nodes[0].out), factors);
    memcpy(logits, t->y[net->n_nodes - 1], n * net->n_labels * sizeof(float));
    for (size_t j = 0; k && j < n; j++)
        inputs_forward(net->n_labels, k, t->values + net->head_inputs, b->inputs + (i + j) * k,
                       logits + j * net->n_labels);
    bce_gradient(n * net->n_labels, logits, b->y + i * net->n_labels,
                 b->weights ? b->weights + i * net->n_labels : NULL, 1 / (float)(b->n * net->n_labels),
                 dlogits);
    for (size_t j = 0; k && j < n; j++)
        inputs_backward(net->n_labels, k, b->inputs + (i + j) * k, dlogits + j * net->n_labels,
                        dparams + net->head_inputs);
    st = run_backward(t, n, factors, dlogits, dparams);
    free(dlogits);
    return st;
}

/* Mean and variance of channel c, of what a normalisation read of n images. */
static void moments_of(const struct trace *t, const struct node *l, size_t n, size_t c, double ret[2])
{
    const size_t C = l->in[0].c, plane = l->in[0].h * l->in[0].w;
    const float *x = t->y[l->from[0]];

    ret[0] = ret[1] = 0;
    for (size_t i = 0; i < n * plane; i++)
        ret[0] += (double)x[(i / plane * C + c) * plane + i % plane] / (double)(n * plane);
    for (size_t i = 0; i < n * plane; i++) {
        const double d = (double)x[(i / plane * C + c) * plane + i % plane] - ret[0];

        ret[1] += d * d / (double)(n * plane - (n * plane > 1));
    }
}

/* Which nodes the head reads, or what it reads. */
static void nodes_read(const struct network *net, bool ret[NETWORK_MAX_NODES])
{
    memset(ret, 0, net->n_nodes);
    ret[net->n_nodes - 1] = true;
    for (size_t i = net->n_nodes; i-- > 1;)
        for (size_t k = 0; ret[i] && k < net->nodes[i].ops->n_from; k++)
            ret[net->nodes[i].from[k]] = true;
}

/* A shard's statistics, of n images, for each value of the state, and how many images they are of: of one value there is no variance. */
static void statistics_add(const struct trace *t, size_t n, double *sums, double *images)
{
    bool read[NETWORK_MAX_NODES];

    nodes_read(t->net, read);
    for (size_t i = 0; i < t->net->n_nodes; i++) {
        const struct node *l = &t->net->nodes[i];
        const size_t C = l->ops == &LAYER_NORM ? l->n_state / 2 : 0, first = l->state - t->net->n_params;
        const size_t known = n * l->in[0].h * l->in[0].w > 1 ? 2 : 1;

        for (size_t c = 0; read[i] && c < C; c++) {
            double moments[2];

            moments_of(t, l, n, c, moments);
            for (size_t k = 0; k < known; k++) {
                sums[first + k * C + c] += (double)n * moments[k];
                images[first + k * C + c] += (double)n;
            }
        }
    }
}

static void statistics_end(const struct trace *t, const double *sums, const double *images, double momentum,
                           float *state)
{
    for (size_t i = 0; i < t->net->n_state; i++) {
        const double before = (double)t->values[t->net->n_params + i];

        state[i] = (float)before;
        if (images[i] > 0)
            state[i] = (float)((1 - momentum) * before + momentum * sums[i] / images[i]);
    }
}

enum status plain_batch_gradient(const struct network *net, const float *values,
                                 const struct training_batch *b, const struct plain_norms *norms,
                                 float *ret_logits, float *ret_dparams)
{
    const size_t n_shards = norms ? norms->n_shards : 1, features = shape_size(head_of(net)->in[0]);
    float *factors = b->dropout > 0 ? malloc(b->n * features * sizeof *factors) : NULL;
    double *sums = calloc(2 * net->n_state + 1, sizeof *sums), *images = sums + net->n_state;
    struct trace t;
    enum status st = !sums || (b->dropout > 0 && !factors)
                         ? ST_NOMEM
                         : trace_init(&t, net, values, b->n, !norms || norms->norms == NORMS_FROZEN, true);

    assert(net->n_inputs == 0 || b->inputs);
    if (st != ST_OK)
        goto out;
    memset(ret_dparams, 0, net->n_params * sizeof(float));
    for (size_t k = 0; k < n_shards && st == ST_OK; k++) {
        const size_t i = b->n * k / n_shards, n = b->n * (k + 1) / n_shards - i;

        if (n == 0)
            continue;
        st = some_images(&t, b, i, n, factors, ret_logits + i * net->n_labels, ret_dparams);
        if (norms && norms->state)
            statistics_add(&t, n, sums, images);
    }
    if (norms && norms->state)
        statistics_end(&t, sums, images, norms->momentum, norms->state);
    trace_release(&t);
out:
    free(factors);
    free(sums);
    return st;
}

enum status plain_gradient(const struct network *net, const float *values, size_t n, const float *x,
                           const float *y, float *ret_logits, float *ret_dparams)
{
    const struct training_batch b = { .n = n, .x = x, .y = y };

    return plain_batch_gradient(net, values, &b, NULL, ret_logits, ret_dparams);
}
