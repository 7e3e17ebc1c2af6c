/* model/net/plan/prepared.c - see prepared.h. */
#include "prepared.h"

#include "../../core/floats.h"

#include <stdlib.h>
#include <string.h>

enum status prepared_init(struct prepared *w, const struct plan *p)
{
    *w = (struct prepared){ .ops = floats_new(p->n_weights),
                            .head = floats_new(p->row * p->net->n_labels),
                            .head_bias = floats_new(p->net->n_labels) };
    if (w->ops && w->head && w->head_bias)
        return ST_OK;
    prepared_release(w);
    return ST_NOMEM;
}

void prepared_release(struct prepared *w)
{
    free(w->ops);
    free(w->head);
    free(w->head_bias);
    *w = (struct prepared){ 0 };
}

struct update {
    const struct plan *p;
    const struct prepared *w;
    const float *values;
};

/* One finding's row. */
static void head_prepare(const struct update *u, size_t finding)
{
    const struct plan *p = u->p;
    const float *w = u->values + p->net->head_weights + finding * p->features;
    float *head = u->w->head + finding * p->row;

    for (size_t f = 0; f < p->features; f++)
        head[f] = w[plan_feature(p, f)];
}

/* A task is one of an op's, or a finding of the head. */
static void update_task(void *arg, size_t task, size_t thread)
{
    const struct update *u = arg;
    const struct plan *p = u->p;

    (void)thread;
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *op = &p->ops[i];

        if (task < op->n_prepares) {
            op->kind->prepare(op, p->kernels, u->values, task, u->w->ops + op->weights);
            return;
        }
        task -= op->n_prepares;
    }
    head_prepare(u, task);
}

void prepared_update(struct prepared *w, const struct plan *p, const float *values, struct pool *pool)
{
    struct update u = { p, w, values };
    size_t n_tasks = p->net->n_labels;

    for (size_t i = 0; i < p->n_ops; i++)
        n_tasks += p->ops[i].n_prepares;
    memcpy(w->head_bias, values + p->net->head_bias, p->net->n_labels * sizeof(float));
    pool_run(pool, n_tasks, update_task, &u);
}
