/* tests/support/probe.c - see probe.h. */
#include "probe.h"

#include "cxrd/rng.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static float *floats(size_t n)
{
    float *p = calloc(n ? n : 1, sizeof *p);

    assert(p);
    return p;
}

/* ±1/16, ±3/16, … in random order. */
static void fill_distinct(struct rng *rng, float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = (float)(i / 2 * 2 + 1) * (i % 2 ? -0.0625f : 0.0625f);
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)rng_below(rng, i);
        const float t = values[i - 1];

        values[i - 1] = values[j];
        values[j] = t;
    }
}

static void fill_sixteenths(struct rng *rng, float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] = ((float)rng_below(rng, 31) - 15) / 16;
}

static void count_tensors(struct node *l, const struct described *tensors, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t count = 1;

        for (size_t d = 0; d < tensors[i].tensor.rank; d++)
            count *= tensors[i].tensor.dims[d];
        *(tensors[i].tensor.state ? &l->n_state : &l->n_params) += count;
    }
}

static void blocks_allocate(struct probe *p)
{
    for (size_t k = 0; k < p->node.ops->n_from; k++) {
        p->nx[k] = p->n * shape_size(p->node.in[k]);
        p->x[k] = floats(p->nx[k]);
        p->dx[k] = floats(p->nx[k]);
    }
    p->ny = p->n * shape_size(p->node.out);
    p->y = floats(p->ny);
    p->r = floats(p->ny);
    p->params = floats(p->node.n_params);
    p->dparams = floats(p->node.n_params);
    p->state = floats(p->node.n_state);
    p->tape = calloc(p->n * p->node.tape_bytes + 1, 1);
    assert(p->tape);
}

const char *probe_init(struct probe *p, const struct node *author, const struct shape *in, size_t n)
{
    struct described tensors[LAYER_MAX_TENSORS];
    size_t n_tensors = 0;
    const char *wrong;
    struct rng rng;

    *p = (struct probe){ .node = *author, .n = n, .step = 1.0f / 32 };
    for (size_t k = 0; k < author->ops->n_from; k++)
        p->node.in[k] = in[k];
    wrong = author->ops->shape(&p->node, tensors, &n_tensors);
    if (wrong)
        return wrong;
    count_tensors(&p->node, tensors, n_tensors);
    blocks_allocate(p);
    rng_seed(&rng, 7, 0);
    for (size_t k = 0; k < author->ops->n_from; k++) {
        fill_distinct(&rng, p->x[k], p->nx[k]);
        for (size_t i = 0; i < p->nx[k]; i++)
            p->dx[k][i] = NAN; /* backward overwrites it, whatever was there */
    }
    fill_sixteenths(&rng, p->r, p->ny);
    fill_sixteenths(&rng, p->params, p->node.n_params);
    for (size_t i = 0; i < p->node.n_state; i++)
        p->state[i] = (float)(rng_below(&rng, 15) + 1) / 16; /* a variance is not negative */
    return NULL;
}

void probe_release(struct probe *p)
{
    for (size_t k = 0; k < NODE_MAX_INPUTS; k++) {
        free(p->x[k]);
        free(p->dx[k]);
    }
    free(p->y);
    free(p->r);
    free(p->params);
    free(p->dparams);
    free(p->state);
    free(p->tape);
    *p = (struct probe){ 0 };
}

static void forward(struct probe *p, void *tape)
{
    const float *const x[NODE_MAX_INPUTS] = { p->x[0], p->x[1] };

    p->node.ops->forward(&p->node, p->n, p->params, p->training ? NULL : p->state, x, p->y, tape);
}

static void backward(struct probe *p, float *const dx[NODE_MAX_INPUTS])
{
    const float *const x[NODE_MAX_INPUTS] = { p->x[0], p->x[1] };

    p->node.ops->backward(&p->node, p->n, p->params, p->training ? NULL : p->state, x, p->tape, p->r, dx,
                          p->dparams);
}

void probe_forward(struct probe *p) { forward(p, p->tape); }
void probe_forward_without_tape(struct probe *p) { forward(p, NULL); }
void probe_backward(struct probe *p) { backward(p, p->dx); }
void probe_backward_without_dx(struct probe *p) { backward(p, (float *[NODE_MAX_INPUTS]){ NULL }); }

static double loss_at(struct probe *p, float *where, float value)
{
    const float kept = *where;
    double loss = 0;

    *where = value;
    probe_forward_without_tape(p);
    *where = kept;
    for (size_t i = 0; i < p->ny; i++)
        loss += (double)p->r[i] * (double)p->y[i];
    return loss;
}

double probe_slope(struct probe *p, float *where)
{
    const float h = p->step;

    return (loss_at(p, where, *where + h) - loss_at(p, where, *where - h)) / (2 * (double)h);
}

const char *probe_describe(const struct probe *p)
{
    const struct node *l = &p->node;
    static char text[200];

    snprintf(
        text, sizeof text,
        "%s%s of %zu x %zu x %zu, window %zu x %zu by %zu x %zu, border from %zu x %zu on, %zu x %zu apart, "
        "%zu groups",
        l->ops->kind, p->training ? " in training" : "", l->in[0].c, l->in[0].h, l->in[0].w, l->window.h,
        l->window.w, l->window.stride_h, l->window.stride_w, l->window.top, l->window.left,
        l->window.dilation_h, l->window.dilation_w, l->groups);
    return text;
}
