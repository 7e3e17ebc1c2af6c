/* tests/support/plan_run.c - see plan_run.h. */
#include "plan_run.h"

#include "model/core/floats.h"
#include "model/net/plan/forward.h"
#include "model/net/statistics.h"
#include "model/net/workspace.h"

#include <criterion/criterion.h>
#include <stdlib.h>

void plan_forward(const struct network *net, const struct kernels *k, const float *values,
                  const float *before, size_t n, const float *x, struct pool *pool, float *ret_logits)
{
    const size_t image = shape_size(net->nodes[0].out);
    struct activations a;
    struct prepared w;
    struct plan *p;
    float *scratch;

    cr_assert_eq(plan_new(net, k, FOR_INFERENCE, PRECISION_FLOAT32, &p), ST_OK);
    cr_assert_eq(prepared_init(&w, p), ST_OK);
    cr_assert_eq(activations_init(&a, p, n, false), ST_OK);
    scratch = floats_new(pool_threads(pool) * p->n_scratch);
    prepared_update(&w, p, values, pool);
    if (before) {
        activations_input(&a, p, n, before);
        forward(p, &w, &a, n, scratch, ret_logits);
    }
    if (pool) {
        for (size_t i = 0; i < n; i++) {
            activations_input(&a, p, 1, x + i * image);
            forward_shared(p, &w, &a, pool, scratch, ret_logits + i * net->n_labels);
        }
    } else {
        activations_input(&a, p, n, x);
        forward(p, &w, &a, n, scratch, ret_logits);
    }
    free(scratch);
    activations_release(&a);
    prepared_release(&w);
    plan_free(p);
}

/* The gradients that the workspace leaves in `sums`, in the file's order. */
static void collect(const struct plan *p, const struct kernels *k, struct sums *sums, float *ret_gradients)
{
    struct sum_tree tree = { .n_parts = 1, .parts = sums };

    for (size_t i = 0; i < p->n_ops; i++)
        for (size_t task = 0; task < p->ops[i].n_collects; task++)
            p->ops[i].kind->collect(&p->ops[i], k, &tree, task, ret_gradients);
}

void plan_gradient(const struct network *net, const struct kernels *k, enum norms norms, double momentum,
                   const float *values, const struct training_batch *batch, float *ret_gradients,
                   float *state)
{
    const size_t n = batch->n;
    float *statistics = floats_new(net->n_state);
    struct passage passage = { batch, floats_new(n * net->n_labels), floats_new(n * net->n_labels), NULL };
    struct sums sums;
    struct workspace workspace;
    struct prepared w;
    struct plan *p;

    cr_assert_eq(
        plan_new(net, k, norms == NORMS_BATCH ? FOR_TRAINING : FOR_FROZEN_TRAINING, PRECISION_FLOAT32, &p),
        ST_OK);
    cr_assert_eq(prepared_init(&w, p), ST_OK);
    cr_assert_eq(sums_init(&sums, p->n_sums), ST_OK);
    cr_assert_eq(workspace_init(&workspace, p, n), ST_OK);
    passage.features = floats_new(n * p->row);
    prepared_update(&w, p, values, NULL);
    workspace_run(&workspace, &(struct trained){ p, &w, 0, NULL }, &passage, 0, n, sums.memory, statistics);
    collect(p, k, &sums, ret_gradients);
    if (norms == NORMS_BATCH)
        statistics_follow(p, &(struct shard_statistics){ 1, &n, statistics }, momentum, state);
    free(passage.logits);
    free(passage.dlogits);
    free(passage.features);
    free(statistics);
    workspace_release(&workspace);
    sums_release(&sums);
    prepared_release(&w);
    plan_free(p);
}
