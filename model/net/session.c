/* model/net/session.c - the forward pass, one picture at a time, from one buffer into the other and back. */
#include "cxrd/session.h"

#include "layer.h"

#include <math.h>
#include <stdlib.h>

struct session {
    float *memory; /* [capacity]: two activations, then a layer's scratch */
    size_t capacity;
};

/* The largest activation and the largest scratch of any layer. */
struct extent {
    size_t activation, work;
};

static struct extent extent_of(const struct network *net)
{
    struct extent e = { 0, 0 };

    for (size_t i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];

        if (shape_size(l->out) > e.activation)
            e.activation = shape_size(l->out);
        if (l->work_floats > e.work)
            e.work = l->work_floats;
    }
    return e;
}

enum status session_new(struct session **ret_session)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        return ST_NOMEM;
    *ret_session = s;
    return ST_OK;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    free(s->memory);
    free(s);
}

static enum status fit(struct session *s, const struct extent *e)
{
    const size_t needed = 2 * e->activation + e->work;
    float *memory;

    if (needed <= s->capacity)
        return ST_OK;
    memory = malloc(needed * sizeof *memory);
    if (!memory)
        return ST_NOMEM;
    free(s->memory);
    s->memory = memory;
    s->capacity = needed;
    return ST_OK;
}

static enum status run(struct session *s, const struct model *m, size_t n, const float *x, float *ret_logits,
                       bool reference)
{
    const struct network *net = model_network(m);
    const struct extent e = extent_of(net);
    const enum status st = fit(s, &e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++, x += shape_size(net->layers[0].in)) {
        float *const buffers[2] = { s->memory, s->memory + e.activation };
        const float *from = x;

        for (size_t k = 0; k < net->n_layers; k++) {
            const struct layer *l = &net->layers[k];
            const struct layer_passes *passes = reference ? &l->ops->reference : &l->ops->run;
            float *to = k + 1 == net->n_layers ? ret_logits + i * N_LABELS : buffers[k % 2];

            passes->forward(l, 1, model_params(m) + l->params, from, to, NULL, s->memory + 2 * e.activation);
            from = to;
        }
    }
    for (size_t i = 0; i < n * N_LABELS; i++)
        if (!isfinite(ret_logits[i]))
            return ST_NUMERIC;
    return ST_OK;
}

enum status session_run(struct session *s, const struct model *m, size_t n, const float *x, float *ret_logits)
{
    return run(s, m, n, x, ret_logits, false);
}

enum status session_run_reference(struct session *s, const struct model *m, size_t n, const float *x,
                                  float *ret_logits)
{
    return run(s, m, n, x, ret_logits, true);
}
