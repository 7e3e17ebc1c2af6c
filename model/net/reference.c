/* model/net/reference.c - the network by its layers' plain loops: the truth that the kernels are tested against. */
#include "reference.h"

#include "layer.h"

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

static void run_forward(const struct network *net, const float *params, const float *x, struct trace *t)
{
    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];

        l->ops->forward(l, 1, params + l->params, i ? t->y[i - 1] : x, t->y[i], t->tape[i]);
    }
}

/* From the gradient of the logits down to the first layer with parameters; every result's gradient takes the place
 * of the result itself, which backward of the layer above was the last to read. */
static enum status run_backward(const struct network *net, const float *params, const float *x,
                                struct trace *t, const float *dlogits, float *dparams)
{
    float *slope = malloc(N_LABELS * sizeof *slope);
    size_t first = 0;

    if (!slope)
        return ST_NOMEM;
    memcpy(slope, dlogits, N_LABELS * sizeof *slope);
    while (net->layers[first].n_params == 0)
        first++;
    for (size_t i = net->n_layers; i-- > first;) {
        const struct layer *l = &net->layers[i];
        float *below = i > first ? malloc(shape_size(l->in) * sizeof *below) : NULL;

        if (i > first && !below) {
            free(slope);
            return ST_NOMEM;
        }
        l->ops->backward(l, 1, params + l->params, i ? t->y[i - 1] : x, t->tape[i], slope, below,
                         dparams + l->params);
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
        run_forward(net, params, x, &t);
        memcpy(ret_logits + i * N_LABELS, t.y[net->n_layers - 1], N_LABELS * sizeof(float));
    }
    trace_release(&t);
    return ST_OK;
}

enum status reference_gradient(const struct network *net, const float *params, size_t n, const float *x,
                               const float *y, float *ret_logits, float *ret_dparams)
{
    struct trace t;
    enum status st = trace_init(&t, net);

    if (st != ST_OK)
        return st;
    memset(ret_dparams, 0, net->n_params * sizeof(float));
    for (size_t i = 0; i < n && st == ST_OK; i++, x += shape_size(net->layers[0].in)) {
        float *logits = ret_logits + i * N_LABELS, dlogits[N_LABELS];

        run_forward(net, params, x, &t);
        memcpy(logits, t.y[net->n_layers - 1], N_LABELS * sizeof(float));
        bce_gradient(N_LABELS, logits, y + i * N_LABELS, 1 / (float)(n * N_LABELS), dlogits);
        st = run_backward(net, params, x, &t, dlogits, ret_dparams);
    }
    trace_release(&t);
    return st;
}
