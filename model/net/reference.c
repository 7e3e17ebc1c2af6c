/* model/net/reference.c - the network by its layers' plain loops: the truth that the kernels are tested against. */
#include "reference.h"

#include "layer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What one image's pass leaves behind, forward and backward. */
struct trace {
    float *y[NETWORK_MAX_LAYERS];
    void *tape[NETWORK_MAX_LAYERS];
};

static void trace_release(struct trace *t)
{
    for (size_t i = 0; i < NETWORK_MAX_LAYERS; i++) {
        free(t->y[i]);
        free(t->tape[i]);
    }
}

static enum status trace_init(struct trace *t, const struct network *net)
{
    assert(net->n_layers > 0);
    *t = (struct trace){ 0 };
    for (size_t i = 0; i < net->n_layers; i++) {
        t->y[i] = malloc(shape_size(net->layers[i].out) * sizeof(float));
        t->tape[i] = malloc(net->layers[i].tape_bytes + 1);
        if (!t->y[i] || !t->tape[i]) {
            trace_release(t);
            return ST_NOMEM;
        }
    }
    return ST_OK;
}

/* factors: what the head's features are multiplied with; NULL: 1. */
static void run_forward(const struct network *net, const float *params, const float *x, const float *factors,
                        struct trace *t)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];

        l->ops->forward(l, 1, params + l->params, i ? t->y[i - 1] : x, t->y[i], t->tape[i]);
        for (size_t f = 0; factors && i + 2 == net->n_layers && f < shape_size(l->out); f++)
            t->y[i][f] *= factors[f];
    }
}

/* From the gradient of the logits down to the first layer with parameters; every result's gradient takes the place
 * of the result itself, which backward of the layer above was the last to read. */
static enum status run_backward(const struct network *net, const float *params, const float *x,
                                const float *factors, struct trace *t, const float *dlogits, float *dparams)
{
    float *slope = malloc(N_LABELS * sizeof *slope);
    size_t first = 0;

    if (!slope)
        return ST_NOMEM;
    memcpy(slope, dlogits, N_LABELS * sizeof *slope);
    while (net->layers[first].n_params == 0)
        first++;
    assert(first < net->n_layers);
    for (size_t i = net->n_layers; i-- > first;) {
        const struct layer *l = &net->layers[i];
        float *below = i > first ? malloc(shape_size(l->in) * sizeof *below) : NULL;

        if (i > first && !below) {
            free(slope);
            return ST_NOMEM;
        }
        l->ops->backward(l, 1, params + l->params, i ? t->y[i - 1] : x, t->tape[i], slope, below,
                         dparams + l->params);
        for (size_t f = 0; factors && i + 1 == net->n_layers && f < shape_size(l->in); f++)
            below[f] *= factors[f];
        free(slope);
        slope = below;
    }
    return ST_OK;
}

enum status reference_forward(const struct network *net, const float *params, size_t n, const float *x,
                              float *ret_logits)
{
    struct trace t;
    enum status st = trace_init(&t, net);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++, x += shape_size(net->layers[0].in)) {
        run_forward(net, params, x, NULL, &t);
        memcpy(ret_logits + i * N_LABELS, t.y[net->n_layers - 1], N_LABELS * sizeof(float));
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

enum status reference_batch_gradient(const struct network *net, const float *params,
                                     const struct training_batch *b, float *ret_logits, float *ret_dparams)
{
    const size_t features = shape_size(net->layers[net->n_layers - 1].in), k = net->n_inputs;
    const size_t inputs = k ? network_tensor(net, "head.inputs.weight")->offset : 0;
    float *factors = b->dropout > 0 ? malloc(features * sizeof *factors) : NULL;
    struct trace t;
    enum status st = b->dropout > 0 && !factors ? ST_NOMEM : trace_init(&t, net);

    assert(k == 0 || b->inputs);
    if (st != ST_OK) {
        free(factors);
        return st;
    }
    memset(ret_dparams, 0, net->n_params * sizeof(float));
    for (size_t i = 0; i < b->n && st == ST_OK; i++) {
        const float *x = b->x + i * shape_size(net->layers[0].in), *y = b->y + i * N_LABELS;
        float *logits = ret_logits + i * N_LABELS, dlogits[N_LABELS];

        if (factors)
            training_dropout(b, i, features, factors);
        run_forward(net, params, x, factors, &t);
        assert(t.y[net->n_layers - 1]);
        memcpy(logits, t.y[net->n_layers - 1], N_LABELS * sizeof(float));
        if (k)
            inputs_forward(k, params + inputs, b->inputs + i * k, logits);
        bce_gradient(N_LABELS, logits, y, b->weights ? b->weights + i * N_LABELS : NULL,
                     1 / (float)(b->n * N_LABELS), dlogits);
        if (k)
            inputs_backward(k, b->inputs + i * k, dlogits, ret_dparams + inputs);
        st = run_backward(net, params, x, factors, &t, dlogits, ret_dparams);
    }
    trace_release(&t);
    free(factors);
    return st;
}

enum status reference_gradient(const struct network *net, const float *params, size_t n, const float *x,
                               const float *y, float *ret_logits, float *ret_dparams)
{
    const struct training_batch b = { .n = n, .x = x, .y = y };

    return reference_batch_gradient(net, params, &b, ret_logits, ret_dparams);
}
