/* model/net/session.c - scratch memory for forward passes, see cxrd/session.h. */
#include "cxrd/session.h"

#include "../core/floats.h"
#include "model_parts.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Images that go through a block together: more of them read the weights less often, and take more memory. */
enum { GROUP = 2 };

struct session {
    const struct network *net; /* a reference; NULL: no memory yet */
    const struct kernels *kernels;
    enum precision precision;
    size_t images, threads; /* what it is large enough for */
    struct activations activations;
    float *scratch; /* [threads][n_scratch of the plan] */
};

enum status session_new(struct session **ret_session)
{
    struct session *s = calloc(1, sizeof *s);

    if (!s)
        return ST_NOMEM;
    *ret_session = s;
    return ST_OK;
}

static void forget(struct session *s)
{
    activations_release(&s->activations);
    free(s->scratch);
    network_unref(s->net);
    *s = (struct session){ 0 };
}

void session_free(struct session *s)
{
    if (!s)
        return;
    forget(s);
    free(s);
}

/* Whether its memory is that of a plan: wherever the weights lie. */
static bool is_for(const struct session *s, const struct plan *p)
{
    return s->net && s->kernels == p->kernels && s->precision == p->precision &&
           network_alike(s->net, p->net);
}

/* Memory for this plan. */
static enum status fit(struct session *s, const struct plan *p, size_t images, size_t threads)
{
    if (is_for(s, p) && s->images >= images && s->threads >= threads)
        return ST_OK;
    forget(s);
    s->scratch = floats_new(threads * p->n_scratch);
    if (!s->scratch || activations_init(&s->activations, p, images, false) != ST_OK) {
        forget(s);
        return ST_NOMEM;
    }
    s->net = network_ref(p->net);
    s->kernels = p->kernels;
    s->precision = p->precision;
    s->images = images;
    s->threads = threads;
    return ST_OK;
}

static enum status check_finite(const struct plan *p, size_t n, const float *logits)
{
    for (size_t i = 0; i < n * p->net->n_labels; i++)
        if (!isfinite(logits[i]))
            return ST_NUMERIC;
    return ST_OK;
}

/* The pictures of a run, which must not stay. Zeroes are what the border around them is made of. */
static void wipe_input(struct session *s, const struct plan *p, size_t n)
{
    explicit_bzero(s->activations.values[0], n * p->values[0].layout.image * sizeof(float));
}

enum status session_run(struct session *s, const struct model *m, size_t n, const float *x, float *ret_logits)
{
    const struct plan *p = model_plan(m);
    const size_t plane = shape_size(p->values[0].shape);
    enum status st;

    assert(model_sees(m));
    st = fit(s, p, n < GROUP ? n : GROUP, 1);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i += GROUP) {
        const size_t group = n - i < GROUP ? n - i : GROUP;

        activations_input(&s->activations, p, group, x + i * plane);
        forward(p, model_prepared(m), &s->activations, group, s->scratch, ret_logits + i * p->net->n_labels);
    }
    wipe_input(s, p, n < GROUP ? n : GROUP);
    return check_finite(p, n, ret_logits);
}

enum status session_run_shared(struct session *s, const struct model *m, struct pool *pool, const float *x,
                               float *ret_logits)
{
    const struct plan *p = model_plan(m);
    enum status st;

    assert(model_sees(m));
    st = fit(s, p, 1, pool_threads(pool));

    if (st != ST_OK)
        return st;
    activations_input(&s->activations, p, 1, x);
    forward_shared(p, model_prepared(m), &s->activations, pool, s->scratch, ret_logits);
    wipe_input(s, p, 1);
    return check_finite(p, 1, ret_logits);
}

const float *session_value(const struct session *s, const struct model *m, size_t value)
{
    assert(is_for(s, model_plan(m))); /* of another geometry: no such run */
    return s->activations.values[value];
}

const float *session_features(const struct session *s, const struct model *m)
{
    return session_value(s, m, model_plan(m)->head_value);
}

enum status session_head(struct session *s, const struct model *m, const float *features, float *ret_logits)
{
    const struct plan *p = model_plan(m);
    enum status st;

    assert(model_sees(m));
    st = fit(s, p, 1, 1);

    if (st != ST_OK)
        return st;
    memcpy(s->activations.values[p->head_value], features, p->features * sizeof *features);
    forward_head(p, model_prepared(m), s->activations.values[p->head_value], 1, ret_logits);
    return check_finite(p, 1, ret_logits);
}
