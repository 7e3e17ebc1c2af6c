/* model/net/training.c - gradients of a batch by the kernels, see cxrd/training.h.
 *
 * The mean loss is a sum over images, so every thread takes a share of the batch: lane i the images i*n/lanes up to
 * (i+1)*n/lanes, a few at a time, forward and backward, into sums of its own. The lanes' sums are added in lane
 * order, whoever was first. Between forward and backward a lane keeps the pooled results of a few images and a byte
 * for each of their cells, nothing else. */
#include "cxrd/training.h"

#include "../core/floats.h"
#include "cxrd/labels.h"
#include "gemm.h"
#include "loss.h"
#include "plan.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { GROUP = 4, SUM_TASKS = 32 };

/* Gradients as the kernels leave them, in one block of memory: what the lanes add up. */
struct sums {
    float *memory;                                                                         /* owned */
    float *first, *bias[PLAN_MAX_BLOCKS], *u[PLAN_MAX_BLOCKS], *head, *head_bias, *inputs; /* in it */
};

struct lane {
    struct activations activations;
    float *slopes[PLAN_MAX_BLOCKS]; /* loss by each block's pooled result, in its layout */
    float *scratch, *factors;       /* factors: of one image's features, for dropout */
    struct sums sums;
    double loss; /* summed over the lane's images */
};

struct training {
    struct network net;
    size_t inputs; /* where head.inputs.weight lies in the parameters */
    struct plan plan;
    struct prepared weights;
    struct pool *pool;
    size_t n_lanes, sums_size;
    struct lane *lanes;
    float *params, *gradients;
};

static size_t in_lines(size_t floats) { return (floats + 15) / 16 * 16; }

/* Give every part its place; returns how much memory they take. With `memory` NULL it only counts. */
static size_t sums_place(struct sums *s, const struct plan *p, size_t n_inputs, float *memory)
{
    size_t at = 0;
#define PLACE(part, n) ((part) = memory ? memory + at : NULL, at += in_lines(n))

    s->memory = memory;
    PLACE(s->first, 9 * p->blocks[0].out_c);
    PLACE(s->head, p->features * N_LABELS);
    PLACE(s->head_bias, N_LABELS);
    PLACE(s->inputs, N_LABELS * n_inputs);
    for (size_t i = 0; i < p->n_blocks; i++) {
        PLACE(s->bias[i], p->blocks[i].out_c);
        if (i > 0)
            PLACE(s->u[i], WINOGRAD_POINTS * p->blocks[i].in_c * p->blocks[i].out_c);
    }
#undef PLACE
    return at;
}

static void lane_release(struct lane *lane)
{
    activations_release(&lane->activations);
    for (size_t i = 0; i < PLAN_MAX_BLOCKS; i++)
        free(lane->slopes[i]);
    free(lane->scratch);
    free(lane->factors);
    free(lane->sums.memory);
}

static bool lane_init(struct lane *lane, const struct plan *p, size_t n_inputs, size_t sums_size)
{
    bool ok = activations_init(&lane->activations, p, GROUP, true) == ST_OK;

    for (size_t i = 0; i < p->n_blocks; i++) {
        lane->slopes[i] = floats_new(GROUP * p->blocks[i].y_size);
        ok = ok && lane->slopes[i];
    }
    lane->scratch = floats_new(plan_scratch(p));
    lane->factors = floats_new(p->features);
    sums_place(&lane->sums, p, n_inputs, floats_new(sums_size));
    return ok && lane->scratch && lane->factors && lane->sums.memory;
}

enum status training_new(const struct network *net, struct pool *pool, struct training **ret_training,
                         struct error *err)
{
    struct training *t = calloc(1, sizeof *t);
    bool ok = t != NULL;

    if (ok && plan_make(net, kernels(), &t->plan) != ST_OK) {
        free(t);
        return error_set(err, ST_INVALID, "the architecture '%s' cannot be trained here", net->architecture);
    }
    if (ok) {
        struct sums none;

        t->net = *net;
        t->inputs = net->n_inputs ? network_tensor(net, "head.inputs.weight")->offset : 0;
        t->pool = pool;
        t->n_lanes = pool_threads(pool);
        t->sums_size = sums_place(&none, &t->plan, net->n_inputs, NULL);
        t->lanes = calloc(t->n_lanes, sizeof *t->lanes);
        t->params = floats_new(net->n_params);
        t->gradients = floats_new(net->n_params);
        ok = t->lanes && t->params && t->gradients && prepared_init(&t->weights, &t->plan, true) == ST_OK;
    }
    for (size_t i = 0; ok && i < t->n_lanes; i++)
        ok = lane_init(&t->lanes[i], &t->plan, net->n_inputs, t->sums_size);
    if (!ok) {
        training_free(t);
        return error_nomem(err);
    }
    *ret_training = t;
    return ST_OK;
}

void training_free(struct training *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->lanes && i < t->n_lanes; i++)
        lane_release(&t->lanes[i]);
    prepared_release(&t->weights);
    free(t->lanes);
    free(t->params);
    free(t->gradients);
    free(t);
}

float *training_params(struct training *t) { return t->params; }
const float *training_gradients(const struct training *t) { return t->gradients; }

/* ---- a lane's share ---- */

struct batch {
    struct training *t;
    const struct training_batch *given;
    float *logits;
    pthread_mutex_t lock; /* guards `over` and the question */
    bool over;            /* cancelled */
};

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
static void drop_some(const struct batch *b, struct lane *lane, size_t i, size_t n, float *features)
{
    const size_t K = b->t->plan.features;

    for (size_t j = 0; j < n && b->given->dropout > 0; j++) {
        training_dropout(b->given, i + j, K, lane->factors);
        drop(&b->t->plan, lane->factors, features + j * K);
    }
}

static void inputs_forward(const struct training *t, size_t n, const float *inputs, float *logits)
{
    const size_t k = t->net.n_inputs;
    const float *w = t->params + t->inputs;

    for (size_t i = 0; i < n * N_LABELS; i++)
        for (size_t j = 0; j < k; j++)
            logits[i] += w[i % N_LABELS * k + j] * inputs[i / N_LABELS * k + j];
}

static void inputs_backward(const struct training *t, size_t n, const float *inputs, const float *dlogits,
                            float *dw)
{
    const size_t k = t->net.n_inputs;

    for (size_t i = 0; i < n * N_LABELS; i++)
        for (size_t j = 0; j < k; j++)
            dw[i % N_LABELS * k + j] += dlogits[i] * inputs[i / N_LABELS * k + j];
}

/* The head: the gradient of n images' logits into its weights and into the features' slopes. */
static void backward_head(const struct training *t, struct lane *lane, size_t n, const float *dlogits)
{
    const struct plan *p = &t->plan;
    const size_t last = p->n_blocks - 1, K = p->features;

    gemm_tn(N_LABELS, K, n, dlogits, N_LABELS, lane->activations.y[last], K, lane->sums.head, K);
    memset(lane->slopes[last], 0, n * K * sizeof(float));
    gemm_nn(n, K, N_LABELS, dlogits, N_LABELS, t->weights.head, K, lane->slopes[last], K);
    for (size_t i = 0; i < n * N_LABELS; i++)
        lane->sums.head_bias[i % N_LABELS] += dlogits[i];
}

static void backward_block(const struct training *t, struct lane *lane, size_t n, size_t k)
{
    const struct plan *p = &t->plan;
    const struct block *b = &p->blocks[k];
    const size_t tiles = n * plan_tiles(b);

    memset(lane->slopes[k - 1], 0, n * b->x_size * sizeof(float));
    for (size_t begin = 0; begin < tiles; begin += TILE_BLOCK)
        p->kernels->block_backward(b, begin, begin + TILE_BLOCK < tiles ? begin + TILE_BLOCK : tiles,
                                   lane->activations.y[k - 1], t->weights.ut[k], lane->slopes[k],
                                   lane->activations.won[k], lane->sums.u[k], lane->sums.bias[k],
                                   lane->slopes[k - 1], lane->scratch);
}

static void backward_first(const struct training *t, struct lane *lane, size_t n)
{
    const struct block *b = &t->plan.blocks[0];

    for (size_t i = 0; i < n; i++)
        t->plan.kernels->first_backward(
            b, 0, b->h / 2, lane->activations.x + i * b->x_size, lane->slopes[0] + i * b->y_size,
            lane->activations.won[0] + i * plan_winners(b), lane->sums.first, lane->sums.bias[0]);
}

/* Images i..i+n-1 of the batch, forward and backward. */
static void lane_images(const struct batch *b, struct lane *lane, size_t i, size_t n)
{
    const struct training_batch *g = b->given;
    const struct training *t = b->t;
    const struct plan *p = &t->plan;
    const size_t last = p->n_blocks - 1, k = t->net.n_inputs;
    const float *y = g->y + i * N_LABELS, *weights = g->weights ? g->weights + i * N_LABELS : NULL;
    float *logits = b->logits + i * N_LABELS, dlogits[GROUP * N_LABELS];

    activations_input(&lane->activations, p, n, g->x + i * p->image_size * p->image_size);
    forward_features(p, &t->weights, &lane->activations, n, lane->scratch);
    drop_some(b, lane, i, n, lane->activations.y[last]);
    forward_head(p, &t->weights, &lane->activations, n, logits);
    if (k)
        inputs_forward(t, n, g->inputs + i * k, logits);
    lane->loss += bce_sum(n * N_LABELS, logits, y, weights);
    bce_gradient(n * N_LABELS, logits, y, weights, 1 / (float)(g->n * N_LABELS), dlogits);
    if (k)
        inputs_backward(t, n, g->inputs + i * k, dlogits, lane->sums.inputs);
    backward_head(t, lane, n, dlogits);
    drop_some(b, lane, i, n, lane->slopes[last]);
    for (size_t block = last; block > 0; block--)
        backward_block(t, lane, n, block);
    backward_first(t, lane, n);
}

/* Before every few images of every lane: so many questions, whichever thread does what, and none after a yes. */
static bool is_over(struct batch *b)
{
    const struct training_batch *g = b->given;
    bool over;

    pthread_mutex_lock(&b->lock);
    if (!b->over && g->cancelled)
        b->over = g->cancelled(g->cancelled_arg);
    over = b->over;
    pthread_mutex_unlock(&b->lock);
    return over;
}

static void lane_task(void *arg, size_t task, size_t unused)
{
    struct batch *b = arg;
    struct training *t = b->t;
    struct lane *lane = &t->lanes[task];
    const size_t begin = b->given->n * task / t->n_lanes, end = b->given->n * (task + 1) / t->n_lanes;

    (void)unused; /* memory goes by task here: there are as many tasks as lanes */
    memset(lane->sums.memory, 0, t->sums_size * sizeof(float));
    lane->loss = 0;
    for (size_t i = begin; i < end && !is_over(b); i += GROUP)
        lane_images(b, lane, i, end - i < GROUP ? end - i : GROUP);
}

/* ---- the lanes together ---- */

/* One stretch of all lanes' sums into lane 0's, in lane order. */
static void sum_task(void *arg, size_t task, size_t lane)
{
    struct training *t = arg;
    const size_t begin = t->sums_size * task / SUM_TASKS, end = t->sums_size * (task + 1) / SUM_TASKS;
    float *to = t->lanes[0].sums.memory;

    (void)lane;
    for (size_t k = 1; k < t->n_lanes; k++)
        for (size_t i = begin; i < end; i++)
            to[i] += t->lanes[k].sums.memory[i];
}

/* Back into the file's order. One task is one input channel of one block; the last is the head. */
static void untransform_task(void *arg, size_t task, size_t lane)
{
    struct training *t = arg;
    const struct plan *p = &t->plan;
    const struct sums *s = &t->lanes[0].sums;

    (void)lane;
    for (size_t k = 1; k < p->n_blocks; k++) {
        const struct block *b = &p->blocks[k];

        if (task < b->in_c) {
            p->kernels->gradient_transform(b->in_c, b->out_c, s->u[k], task, task + 1,
                                           t->gradients + p->weights[k]);
            return;
        }
        task -= b->in_c;
    }
    for (size_t i = 0; i < N_LABELS * p->features; i++)
        t->gradients[p->head_weights + i / p->features * p->features + plan_feature(p, i % p->features)] =
            s->head[i];
}

/* [9][O] -> [O][folded][3][3]: the folded channels saw the same values, so their gradients are equal. */
static void unfold_first(struct training *t, const float *first)
{
    const struct plan *p = &t->plan;
    const size_t O = p->blocks[0].out_c;
    float *dw = t->gradients + p->weights[0];

    for (size_t o = 0; o < O; o++)
        for (size_t c = 0; c < p->folded; c++)
            for (size_t k = 0; k < 9; k++)
                dw[(o * p->folded + c) * 9 + k] = first[k * O + o];
}

static void collect(struct training *t)
{
    const struct plan *p = &t->plan;
    const struct sums *s = &t->lanes[0].sums;
    size_t n_tasks = 1;

    pool_run(t->pool, SUM_TASKS, sum_task, t);
    for (size_t k = 0; k < p->n_blocks; k++) {
        memcpy(t->gradients + p->biases[k], s->bias[k], p->blocks[k].out_c * sizeof(float));
        n_tasks += k > 0 ? p->blocks[k].in_c : 0;
    }
    memcpy(t->gradients + p->head_bias, s->head_bias, N_LABELS * sizeof(float));
    memcpy(t->gradients + t->inputs, s->inputs, N_LABELS * t->net.n_inputs * sizeof(float));
    unfold_first(t, s->first);
    pool_run(t->pool, n_tasks, untransform_task, t);
}

enum status training_batch_gradient(struct training *t, const struct training_batch *given, float *ret_logits,
                                    double *ret_loss)
{
    struct batch b = { .t = t, .given = given, .logits = ret_logits, .lock = PTHREAD_MUTEX_INITIALIZER };
    double loss = 0;

    assert(!given->inputs == !t->net.n_inputs && given->dropout >= 0 && given->dropout < 1);
    prepared_update(&t->weights, &t->plan, t->params, t->pool);
    pool_run(t->pool, t->n_lanes, lane_task, &b);
    pthread_mutex_destroy(&b.lock);
    if (b.over)
        return ST_CANCELLED;
    collect(t);
    for (size_t k = 0; k < t->n_lanes; k++)
        loss += t->lanes[k].loss;
    *ret_loss = loss / (double)(given->n * N_LABELS);
    return isfinite(*ret_loss) ? ST_OK : ST_NUMERIC;
}

enum status training_gradient(struct training *t, size_t n, const float *x, const float *y, float *ret_logits,
                              double *ret_loss)
{
    const struct training_batch b = { .n = n, .x = x, .y = y };

    return training_batch_gradient(t, &b, ret_logits, ret_loss);
}
