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
    struct plan plan;       /* whose layouts the memory has; without kernels: none yet */
    size_t images, threads; /* what it is large enough for */
    struct activations activations;
    float *scratch; /* [threads][plan_scratch()] */
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
    *s = (struct session){ 0 };
}

void session_free(struct session *s)
{
    if (!s)
        return;
    forget(s);
    free(s);
}

/* Memory for this plan. */
static enum status fit(struct session *s, const struct plan *p, size_t images, size_t threads)
{
    if (plan_alike(&s->plan, p) && s->images >= images && s->threads >= threads)
        return ST_OK;
    forget(s);
    s->scratch = floats_new(threads * plan_scratch(p));
    if (!s->scratch || activations_init(&s->activations, p, images, false) != ST_OK) {
        forget(s);
        return ST_NOMEM;
    }
    s->plan = *p;
    s->images = images;
    s->threads = threads;
    return ST_OK;
}

static enum status check_finite(size_t n, const float *logits)
{
    for (size_t i = 0; i < n * N_LABELS; i++)
        if (!isfinite(logits[i]))
            return ST_NUMERIC;
    return ST_OK;
}

/* The pictures of a run, which must not stay. Zeroes are what the border around them is made of. */
static void wipe_input(struct session *s, const struct plan *p, size_t n)
{
    explicit_bzero(s->activations.x, n * p->blocks[0].x_size * sizeof(float));
}

enum status session_run(struct session *s, const struct model *m, size_t n, const float *x, float *ret_logits)
{
    const struct plan *p = model_plan(m);
    const size_t plane = p->image_size * p->image_size;
    enum status st;

    assert(model_sees(m));
    st = fit(s, p, n < GROUP ? n : GROUP, 1);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i += GROUP) {
        const size_t group = n - i < GROUP ? n - i : GROUP;

        activations_input(&s->activations, p, group, x + i * plane);
        forward(p, model_prepared(m), &s->activations, group, s->scratch, ret_logits + i * N_LABELS);
    }
    wipe_input(s, p, n < GROUP ? n : GROUP);
    return check_finite(n, ret_logits);
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
    return check_finite(1, ret_logits);
}

const float *session_features(const struct session *s, const struct model *m)
{
    const struct plan *p = model_plan(m);

    assert(plan_alike(&s->plan, p)); /* of another geometry: no such run */
    return s->activations.y[p->n_blocks - 1];
}
