/* model/net/workspace.c - see workspace.h. */
#include "workspace.h"

#include "../core/floats.h"
#include "loss.h"
#include "ops/gemm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The slopes of the values in the memory of this one; NULL: nobody asks. */
static float *slopes_of(const struct workspace *workspace, const struct plan *p, size_t value)
{
    const struct memory *m = p->slopes ? &p->slopes[p->values[value].memory] : NULL;

    return m && m->shared ? workspace->slopes + workspace->images * m->offset : NULL;
}

enum status workspace_init(struct workspace *workspace, const struct plan *p, size_t images)
{
    *workspace = (struct workspace){ .images = images,
                                     .slopes = floats_new(images * p->slopes_arena),
                                     .scratch = floats_new(p->n_scratch),
                                     .factors = floats_new(p->features) };
    if (workspace->slopes && workspace->scratch && workspace->factors &&
        activations_init(&workspace->activations, p, images, p->purpose != FOR_INFERENCE) == ST_OK)
        return ST_OK;
    workspace_release(workspace);
    return ST_NOMEM;
}

double workspace_bytes(const struct plan *p, size_t images)
{
    double floats = (double)p->arena + (double)p->slopes_arena, tapes = 0;

    for (size_t i = 0; i < p->n_memories; i++)
        floats += p->memories[i].shared ? 0 : (double)p->memories[i].size;
    for (size_t i = 0; i < p->n_ops; i++)
        tapes += (double)p->ops[i].n_tape;
    return (double)images * (floats * (double)sizeof(float) + tapes) +
           (double)p->n_scratch * (double)sizeof(float);
}

void workspace_release(struct workspace *workspace)
{
    activations_release(&workspace->activations);
    free(workspace->slopes);
    free(workspace->scratch);
    free(workspace->factors);
    *workspace = (struct workspace){ 0 };
}

/* ---- what a recipe does besides, see cxrd/training.h ---- */

void training_dropout(const struct training_batch *b, size_t i, size_t n, float *ret_factors)
{
    const uint64_t limit = (uint64_t)(b->dropout * 65536);
    const float kept = 1 / (1 - (float)limit / 65536);
    struct rng rng;

    rng_seed(&rng, b->dropout_seed, i);
    for (size_t f = 0; f < n; f += 4) {
        uint64_t bits = rng_next(&rng);

        for (size_t j = f; j < f + 4 && j < n; j++, bits >>= 16)
            ret_factors[j] = (bits & 0xffff) < limit ? 0 : kept;
    }
}

/* Multiply one image's features, or their slopes, with the workspace's factors. */
static void drop(const struct plan *p, const float *factors, float *features)
{
    for (size_t f = 0; f < p->features; f++)
        features[f] *= factors[plan_feature(p, f)];
}

/* Of images i..i+n-1 of the batch: their features [n][row], or the slopes by them. */
static void drop_some(struct workspace *workspace, const struct plan *p, const struct training_batch *b,
                      size_t i, size_t n, float *features)
{
    for (size_t j = 0; j < n && b->dropout > 0; j++) {
        training_dropout(b, i + j, p->features, workspace->factors);
        drop(p, workspace->factors, features + j * p->row);
    }
}

static void inputs_forward(const struct trained *net, size_t n, const float *inputs, float *logits)
{
    const size_t k = net->n_inputs, L = net->plan->net->n_labels;

    for (size_t i = 0; i < n * L; i++)
        for (size_t j = 0; j < k; j++)
            logits[i] += net->inputs[i % L * k + j] * inputs[i / L * k + j];
}

static void inputs_backward(const struct trained *net, size_t n, const float *inputs, const float *dlogits,
                            float *dw)
{
    const size_t k = net->n_inputs, L = net->plan->net->n_labels;

    for (size_t i = 0; i < n * L; i++)
        for (size_t j = 0; j < k; j++)
            dw[i % L * k + j] += dlogits[i] * inputs[i / L * k + j];
}

static void backward_op(struct workspace *workspace, const struct trained *net, size_t n, size_t i,
                        float *sums)
{
    const struct plan *p = net->plan;
    const struct op *op = &p->ops[i];
    struct op_io io = forward_io(p, net->weights, &workspace->activations, i);

    io.sums = sums + op->sums;
    io.scratch = workspace->scratch;
    io.dy = slopes_of(workspace, p, op->y);
    for (size_t k = 0; k < op->n_x; k++) {
        io.dx[k] = slopes_of(workspace, p, op->x[k]);
        if (io.dx[k] && op->begins[k] && !op->writes)
            memset(io.dx[k], 0, n * p->values[op->x[k]].layout.image * sizeof(float));
    }
    if (io.dy)
        op->kind->backward(op, &io, n);
}

/* Everything behind the head, from the slopes of n images' logits; a frozen backbone asks for none. */
static void backward_backbone(struct workspace *workspace, const struct trained *net,
                              const struct training_batch *b, size_t i, size_t n, const float *dlogits,
                              float *sums)
{
    const struct plan *p = net->plan;
    const size_t L = p->net->n_labels;
    float *slopes = slopes_of(workspace, p, p->head_value);

    if (!slopes)
        return;
    memset(slopes, 0, n * p->row * sizeof(float));
    gemm_nn(n, p->features, L, dlogits, L, net->weights->head, p->row, slopes, p->row);
    drop_some(workspace, p, b, i, n, slopes);
    for (size_t op = p->n_ops; op-- > 0;)
        backward_op(workspace, net, n, op, sums);
}

double workspace_run(struct workspace *workspace, const struct trained *net, const struct passage *passage,
                     size_t i, size_t n, float *sums, float *ret_statistics)
{
    const struct training_batch *batch = passage->batch;
    const struct plan *p = net->plan;
    const size_t k = net->n_inputs, L = p->net->n_labels;
    const float *y = batch->y + i * L, *weights = batch->weights ? batch->weights + i * L : NULL;
    float *logits = passage->logits + i * L, *dlogits = passage->dlogits + i * L;
    float *features = passage->features + i * p->row;

    workspace->activations.statistics = ret_statistics;
    activations_input(&workspace->activations, p, n, batch->x + i * shape_size(p->values[0].shape));
    forward_features(p, net->weights, &workspace->activations, n, workspace->scratch);
    memcpy(features, workspace->activations.values[p->head_value], n * p->row * sizeof(float));
    drop_some(workspace, p, batch, i, n,
              features); /* those that the ops left stay: the way back looks at them */
    forward_head(p, net->weights, features, n, logits);
    if (k)
        inputs_forward(net, n, batch->inputs + i * k, logits);
    bce_gradient(n * L, logits, y, weights, 1 / (float)(batch->n * L), dlogits);
    if (k)
        inputs_backward(net, n, batch->inputs + i * k, dlogits, sums + p->inputs_sums);
    for (size_t j = 0; j < n * L; j++)
        sums[p->bias_sums + j % L] += dlogits[j];
    backward_backbone(workspace, net, batch, i, n, dlogits, sums);
    return bce_sum(n * L, logits, y, weights);
}
