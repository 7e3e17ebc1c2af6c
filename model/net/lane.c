/* model/net/lane.c - see lane.h. */
#include "lane.h"

#include "../core/floats.h"
#include "cxrd/labels.h"
#include "gemm.h"
#include "loss.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status lane_init(struct lane *lane, const struct plan *p)
{
    bool ok;

    *lane = (struct lane){ .scratch = floats_new(plan_scratch(p)), .factors = floats_new(p->features) };
    ok =
        activations_init(&lane->activations, p, LANE_IMAGES, true) == ST_OK && lane->scratch && lane->factors;
    for (size_t i = 0; i < p->n_blocks; i++) {
        lane->slopes[i] = floats_new(LANE_IMAGES * p->blocks[i].y_size);
        ok = ok && lane->slopes[i];
    }
    if (!ok)
        lane_release(lane);
    return ok ? ST_OK : ST_NOMEM;
}

void lane_release(struct lane *lane)
{
    activations_release(&lane->activations);
    for (size_t i = 0; i < PLAN_MAX_BLOCKS; i++)
        free(lane->slopes[i]);
    free(lane->scratch);
    free(lane->factors);
    *lane = (struct lane){ 0 };
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

/* Multiply one image's features, or their slopes, with the lane's factors. */
static void drop(const struct plan *p, const float *factors, float *features)
{
    for (size_t f = 0; f < p->features; f++)
        features[f] *= factors[plan_feature(p, f)];
}

/* Images i..i+n-1 of the batch into the lane's features, or into their slopes. */
static void drop_some(struct lane *lane, const struct plan *p, const struct training_batch *b, size_t i,
                      size_t n, float *features)
{
    for (size_t j = 0; j < n && b->dropout > 0; j++) {
        training_dropout(b, i + j, p->features, lane->factors);
        drop(p, lane->factors, features + j * p->features);
    }
}

static void inputs_forward(const struct trained *net, size_t n, const float *inputs, float *logits)
{
    const size_t k = net->n_inputs;

    for (size_t i = 0; i < n * N_LABELS; i++)
        for (size_t j = 0; j < k; j++)
            logits[i] += net->inputs[i % N_LABELS * k + j] * inputs[i / N_LABELS * k + j];
}

static void inputs_backward(const struct trained *net, size_t n, const float *inputs, const float *dlogits,
                            float *dw)
{
    const size_t k = net->n_inputs;

    for (size_t i = 0; i < n * N_LABELS; i++)
        for (size_t j = 0; j < k; j++)
            dw[i % N_LABELS * k + j] += dlogits[i] * inputs[i / N_LABELS * k + j];
}

/* The head: the gradient of n images' logits into its bias and into the features' slopes. */
static void backward_head(struct lane *lane, const struct trained *net, size_t n, const float *dlogits,
                          struct sums *sums)
{
    const size_t K = net->plan->features;
    float *slopes = lane->slopes[net->plan->n_blocks - 1];

    memset(slopes, 0, n * K * sizeof(float));
    gemm_nn(n, K, N_LABELS, dlogits, N_LABELS, net->weights->head, K, slopes, K);
    for (size_t i = 0; i < n * N_LABELS; i++)
        sums->head_bias[i % N_LABELS] += dlogits[i];
}

static void backward_block(struct lane *lane, const struct trained *net, size_t n, size_t k,
                           struct sums *sums)
{
    const struct plan *p = net->plan;
    const struct block *b = &p->blocks[k];
    const size_t tiles = n * plan_tiles(b);

    memset(lane->slopes[k - 1], 0, n * b->x_size * sizeof(float));
    for (size_t begin = 0; begin < tiles; begin += TILE_BLOCK)
        p->kernels->block_backward(b, begin, begin + TILE_BLOCK < tiles ? begin + TILE_BLOCK : tiles,
                                   lane->activations.y[k - 1], net->weights->ut[k], lane->slopes[k],
                                   lane->activations.won[k], sums->u[k], sums->bias[k], lane->slopes[k - 1],
                                   lane->scratch);
}

static void backward_first(struct lane *lane, const struct plan *p, size_t n, struct sums *sums)
{
    const struct block *b = &p->blocks[0];

    for (size_t i = 0; i < n; i++)
        p->kernels->first_backward(
            b, 0, b->h / 2, lane->activations.x + i * b->x_size, lane->slopes[0] + i * b->y_size,
            lane->activations.won[0] + i * plan_winners(b), sums->first, sums->bias[0]);
}

double lane_images(struct lane *lane, const struct trained *net, const struct passage *passage, size_t i,
                   size_t n, struct sums *sums)
{
    const struct training_batch *batch = passage->batch;
    const struct plan *p = net->plan;
    const size_t last = p->n_blocks - 1, k = net->n_inputs;
    const float *y = batch->y + i * N_LABELS,
                *weights = batch->weights ? batch->weights + i * N_LABELS : NULL;
    float *logits = passage->logits + i * N_LABELS, *dlogits = passage->dlogits + i * N_LABELS;

    assert(n <= LANE_IMAGES);
    activations_input(&lane->activations, p, n, batch->x + i * p->image_size * p->image_size);
    forward_features(p, net->weights, &lane->activations, n, lane->scratch);
    drop_some(lane, p, batch, i, n, lane->activations.y[last]);
    memcpy(passage->features + i * p->features, lane->activations.y[last], n * p->features * sizeof(float));
    forward_head(p, net->weights, &lane->activations, n, logits);
    if (k)
        inputs_forward(net, n, batch->inputs + i * k, logits);
    bce_gradient(n * N_LABELS, logits, y, weights, 1 / (float)(batch->n * N_LABELS), dlogits);
    if (k)
        inputs_backward(net, n, batch->inputs + i * k, dlogits, sums->inputs);
    backward_head(lane, net, n, dlogits, sums);
    drop_some(lane, p, batch, i, n, lane->slopes[last]);
    for (size_t block = last; block > 0; block--)
        backward_block(lane, net, n, block, sums);
    backward_first(lane, p, n, sums);
    return bce_sum(n * N_LABELS, logits, y, weights);
}
