/* model/net/training.c - gradients of a batch by the kernels, see cxrd/training.h.
 *
 * The mean loss is a sum over images. A batch has its shards whatever the threads: shard s the images s*n/S up to
 * (s+1)*n/S. They are the leaves of one binary tree, whose every node is the sum of its lower and its upper half; so the
 * gradient depends on S alone. The threads take subtrees, whose sums are the parts; the parts are added at the end, where
 * the gradient comes back into the file's order. The more parts, the more threads can work; the fewer, the less memory.
 *
 * The head's weights, most of the network's, have a gradient that is a product of what each image leaves behind, so it needs
 * no sums of its own: it is computed at the end, some features at a time, over the same tree.
 *
 * Ranks share the parts out, and add them up along the rest of the tree (cxrd/ranks.h). There the head has sums, too, behind those of
 * a part: they are smaller than what the images of a batch leave behind. */
#include "cxrd/training.h"

#include "cxrd/memory.h"

#include "../core/floats.h"
#include "ops/gemm.h"
#include "statistics.h"
#include "workspace.h"

#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_STRETCH = 1024, /* features */
    SPARES = 5           /* as deep as a tree can be: TRAINING_MAX_SHARDS is 1 << SPARES */
};

struct training {
    const struct network *net;
    struct plan *plan;
    struct prepared weights;
    struct pool *pool;
    size_t n_shards;               /* 0: each thread's share is one, added in their order */
    struct workspace *workspaces;  /* [threads] */
    struct sums (*spares)[SPARES]; /* [threads]: upper halves, by their height; 0 when no task runs */
    struct ranks *ranks;           /* borrowed; NULL: alone */
    size_t first, width, n_own;    /* this rank's: its first shard; shards of a part; parts */
    struct sums *parts;            /* [n_own], one at least */
    float *room;                   /* of ranks_sum(); NULL: alone */
    struct sum_tree
        tree; /* what gradients are collected from: the parts, or one that is the sum of all ranks' */
    struct passage passage; /* of up to `most` images; owned but for its batch and logits */
    size_t most, together;  /* images of a batch, and of those that a workspace takes at a time */
    float *stretches;       /* [threads][SPARES + 1] sums of the head, see head_shard() */
    double *losses;         /* [shards], summed over their images */
    size_t *images;         /* [shards]: how many the last batch had */
    float *statistics;      /* [shards][n_state] of it; NULL: the running ones count */
    float *params, *gradients;
};

/* Floats of one sum of a stretch of the head's weights, [labels][HEAD_STRETCH]. */
static size_t head_sum_size(const struct network *net) { return net->n_labels * HEAD_STRETCH; }

static size_t at_most(size_t n, size_t most) { return n < most ? n : most; }

/* Parts of `n_shards` enough to share them evenly among the threads. */
static size_t parts_for(size_t n_shards, size_t n_threads)
{
    size_t parts = 1;

    while (parts < n_shards && n_threads > 1 && parts < 2 * n_threads)
        parts *= 2;
    return parts;
}

static size_t head_stretches(const struct plan *p) { return (p->features + HEAD_STRETCH - 1) / HEAD_STRETCH; }

/* Floats of the sums of a part. */
static size_t part_size(const struct training *t)
{
    return t->plan->n_sums + (t->ranks ? head_stretches(t->plan) * head_sum_size(t->net) : 0);
}

static enum status sums_make(struct training *t)
{
    const size_t threads = pool_threads(t->pool);
    enum status st = ST_OK;

    for (size_t i = 0; (i < t->n_own || i == 0) && st == ST_OK; i++)
        st = sums_init(&t->parts[i], part_size(t));
    for (size_t i = 0; i < threads && st == ST_OK; i++)
        st = workspace_init(&t->workspaces[i], t->plan, t->together);
    for (size_t i = 0; i < threads; i++)
        for (size_t j = 0, n = 1; n < t->width && st == ST_OK; n *= 2)
            st = sums_init(&t->spares[i][j++], t->plan->n_sums);
    if (t->ranks && st == ST_OK) {
        t->room = floats_new(ranks_sum_room(t->ranks, t->n_shards, part_size(t)));
        st = t->room ? ST_OK : ST_NOMEM;
    }
    return st;
}

/* Which shards are this rank's, and room for their parts. A share that is no subtree is cut into shards. */
static enum status parts_share(struct training *t)
{
    const size_t me = ranks_me(t->ranks), threads = pool_threads(t->pool);
    const size_t end = ranks_share(t->ranks, me + 1, t->n_shards);
    size_t share;

    t->first = ranks_share(t->ranks, me, t->n_shards);
    share = end - t->first;
    t->n_own = t->n_shards == 0                                       ? threads
               : (share & (share - 1)) || (share && t->first % share) ? share
               : share                                                ? parts_for(share, threads)
                                                                      : 0;
    t->width = t->n_own ? share / t->n_own : 1;
    t->parts = calloc(t->n_own + 1, sizeof *t->parts);
    t->tree = (struct sum_tree){ t->parts, t->ranks ? 1 : t->n_own, t->n_shards > 0 };
    return t->parts ? ST_OK : ST_NOMEM;
}

static enum purpose purpose_of(enum norms norms)
{
    switch (norms) {
    case NORMS_BATCH: return FOR_TRAINING;
    case NORMS_FROZEN: return FOR_FROZEN_TRAINING;
    case NORMS_FROZEN_BACKBONE: break;
    }
    return FOR_INFERENCE;
}

/* Linux gives out memory that it does not have, and ends the process when it is written to: so what cannot be is refused before. */
static enum status memory_check(const struct training *t, size_t threads, struct error *err)
{
    enum { MB = 1 << 20 };
    const double needed = (double)threads * workspace_bytes(t->plan, t->together) +
                          (double)t->n_own * (double)part_size(t) * (double)sizeof(float);
    const double there = memory_usable();

    if (needed <= there)
        return ST_OK;
    return error_set(
        err, ST_LIMIT,
        "a step of this training needs %.0f MB of memory and there are %.0f: more shards, a smaller "
        "batch, smaller pictures or fewer threads need less",
        needed / MB, there / MB);
}

enum status training_new(const struct network *net, size_t n_shards, size_t most, enum norms norms,
                         struct pool *pool, struct ranks *ranks, struct training **ret_training,
                         struct error *err)
{
    const size_t threads = pool_threads(pool), shards = n_shards ? n_shards : threads;
    const enum purpose purpose = purpose_of(norms);
    const bool by_shard = purpose == FOR_TRAINING && net->n_state > 0;
    struct training *t = calloc(1, sizeof *t);

    assert(n_shards <= TRAINING_MAX_SHARDS && (n_shards & (n_shards - 1)) == 0 && (n_shards > 0 || !ranks));
    if (!t)
        return error_nomem(err);
    t->net = network_ref(net);
    if (plan_new(net, kernels(), purpose, PRECISION_FLOAT32, &t->plan) != ST_OK) {
        training_free(t);
        return error_nomem(err);
    }
    t->pool = pool;
    t->ranks = ranks;
    t->n_shards = n_shards;
    t->workspaces = calloc(threads, sizeof *t->workspaces);
    t->spares = calloc(threads, sizeof *t->spares);
    if (parts_share(t) != ST_OK) {
        training_free(t);
        return error_nomem(err);
    }
    t->most = most;
    t->together = (most + shards - 1) / shards;
    if (!by_shard)
        t->together = at_most(t->together, WORKSPACE_IMAGES);
    if (memory_check(t, threads, err) != ST_OK) {
        training_free(t);
        return ST_LIMIT;
    }
    t->passage.dlogits = floats_new(most * net->n_labels);
    t->passage.features = floats_new(most * t->plan->row);
    t->stretches = floats_new(threads * (SPARES + 1) * head_sum_size(net));
    t->losses = calloc(shards, sizeof *t->losses);
    t->images = calloc(shards, sizeof *t->images);
    t->statistics = by_shard ? floats_new(shards * net->n_state) : NULL;
    t->params = floats_new(net->n_params + net->n_state);
    t->gradients = floats_new(net->n_params);
    if (!t->passage.dlogits || !t->passage.features || !t->stretches || !t->workspaces || !t->spares ||
        !t->losses || !t->images || (by_shard && !t->statistics) || !t->params || !t->gradients ||
        prepared_init(&t->weights, t->plan) != ST_OK || sums_make(t) != ST_OK) {
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
    for (size_t i = 0; t->workspaces && i < pool_threads(t->pool); i++)
        workspace_release(&t->workspaces[i]);
    for (size_t i = 0; t->spares && i < pool_threads(t->pool) * SPARES; i++)
        sums_release(&t->spares[i / SPARES][i % SPARES]);
    for (size_t i = 0; t->parts && (i < t->n_own || i == 0); i++)
        sums_release(&t->parts[i]);
    network_unref(t->net);
    plan_free(t->plan);
    prepared_release(&t->weights);
    free(t->workspaces);
    free(t->spares);
    free(t->parts);
    free(t->room);
    free(t->passage.dlogits);
    free(t->passage.features);
    free(t->stretches);
    free(t->losses);
    free(t->images);
    free(t->statistics);
    free(t->params);
    free(t->gradients);
    free(t);
}

float *training_params(struct training *t) { return t->params; }
const float *training_gradients(const struct training *t) { return t->gradients; }

/* ---- a part: a subtree of shards ---- */

struct batch {
    struct training *t;
    const struct training_batch *given;
    size_t n_shards;
    pthread_mutex_t lock; /* guards `over` and the question */
    bool over;            /* cancelled */
};

/* Before every few images of every shard: so many questions, whichever thread does what, and none after a yes. */
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

/* The images of a shard are *ret_begin..end-1; returns end. */
static size_t shard_range(const struct batch *b, size_t shard, size_t *ret_begin)
{
    *ret_begin = b->given->n * shard / b->n_shards;
    return b->given->n * (shard + 1) / b->n_shards;
}

static void sum_shard(struct batch *b, struct workspace *workspace, size_t shard, struct sums *into)
{
    struct training *t = b->t;
    const struct trained net = { t->plan, &t->weights, t->net->n_inputs, t->params + t->net->head_inputs };
    float *statistics = t->statistics ? t->statistics + shard * t->net->n_state : NULL;
    size_t i;
    const size_t end = shard_range(b, shard, &i);

    t->images[shard] = end - i;
    for (; i < end && !is_over(b); i += t->together)
        t->losses[shard] += workspace_run(workspace, &net, &t->passage, i, at_most(end - i, t->together),
                                          into->memory, statistics);
}

static bool has_images(const struct batch *b, size_t first, size_t n)
{
    size_t begin, ignored;

    shard_range(b, first, &begin);
    return begin < shard_range(b, first + n - 1, &ignored);
}

/* Add the sum of `n` shards from `first` on, a power of two, to `into`, which is 0. A half without images is 0, and costs
 * nothing: sums that begin at 0 are never -0, so leaving out what would be added changes no bit. */
static void sum_subtree(struct batch *b, size_t thread, size_t first, size_t n, struct sums *into,
                        struct sums *spare)
{
    const size_t half = n / 2;

    if (n == 1) {
        sum_shard(b, &b->t->workspaces[thread], first, into);
        return;
    }
    if (!has_images(b, first, half)) {
        sum_subtree(b, thread, first + half, half, into, spare);
        return;
    }
    sum_subtree(b, thread, first, half, into, spare);
    if (!has_images(b, first + half, half))
        return;
    sum_subtree(b, thread, first + half, half, spare, spare + 1);
    sums_take(into, spare);
}

static void part_task(void *arg, size_t task, size_t thread)
{
    struct batch *b = arg;
    const struct training *t = b->t;
    const size_t n = t->n_shards ? t->width : 1;

    sums_clear(&t->parts[task]);
    sum_subtree(b, thread, t->first + task * n, n, &t->parts[task], t->spares[thread]);
}

/* ---- the head's weights: sums [labels][HEAD_STRETCH] of the features from `at` on ---- */

static void head_shard(const struct batch *b, size_t at, size_t size, size_t shard, float *sum)
{
    const struct passage *p = &b->t->passage;
    const size_t K = b->t->plan->row, L = b->t->net->n_labels;
    size_t i;
    const size_t end = shard_range(b, shard, &i);

    memset(sum, 0, head_sum_size(b->t->net) * sizeof *sum);
    for (; i < end; i += WORKSPACE_IMAGES)
        gemm_tn(L, size, at_most(end - i, WORKSPACE_IMAGES), p->dlogits + i * L, L, p->features + i * K + at,
                K, sum, HEAD_STRETCH);
}

static void head_add(size_t n, float *restrict sum, const float *restrict other)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += other[i];
}

static void head_subtree(const struct batch *b, size_t at, size_t size, size_t first, size_t n, float *sums)
{
    const size_t one = head_sum_size(b->t->net);

    if (n == 1) {
        head_shard(b, at, size, first, sums);
        return;
    }
    head_subtree(b, at, size, first, n / 2, sums);
    head_subtree(b, at, size, first + n / 2, n / 2, sums + one);
    head_add(one, sums, sums + one);
}

/* Where the sums of a stretch lie in a part, where it has any. */
static float *head_of_part(const struct training *t, size_t part, size_t at)
{
    return t->parts[part].memory + t->plan->n_sums + at / HEAD_STRETCH * head_sum_size(t->net);
}

/* A task is a stretch of a part. */
static void head_task(void *arg, size_t task, size_t thread)
{
    const struct batch *b = arg;
    const struct training *t = b->t;
    const size_t stretches = head_stretches(t->plan), at = task % stretches * HEAD_STRETCH,
                 part = task / stretches, one = head_sum_size(t->net);
    float *sums = t->stretches + thread * (SPARES + 1) * one;

    head_subtree(b, at, at_most(t->plan->features - at, HEAD_STRETCH), t->first + part * t->width, t->width,
                 sums);
    memcpy(head_of_part(t, part, at), sums, one * sizeof *sums);
}

static void collect_head(const struct batch *b, size_t thread, size_t at)
{
    const struct training *t = b->t;
    const struct plan *p = t->plan;
    const size_t size = at_most(p->features - at, HEAD_STRETCH);
    const size_t one = head_sum_size(t->net);
    float *sums = t->ranks ? head_of_part(t, 0, at) : t->stretches + thread * (SPARES + 1) * one;

    if (t->n_shards > 0 && !t->ranks)
        head_subtree(b, at, size, 0, t->n_shards, sums);
    else if (!t->ranks)
        head_shard(b, at, size, 0, sums);
    for (size_t k = 1; k < b->n_shards && t->n_shards == 0; k++) {
        head_shard(b, at, size, k, sums + one);
        head_add(one, sums, sums + one);
    }
    for (size_t o = 0; o < t->net->n_labels; o++)
        for (size_t f = 0; f < size; f++)
            t->gradients[p->net->head_weights + o * p->features + plan_feature(p, at + f)] =
                sums[o * HEAD_STRETCH + f];
}

/* ---- all of it ---- */

/* The rest: the head's bias and inputs. */
static void collect_rest(struct training *t)
{
    const struct plan *p = t->plan;
    const size_t n_labels = t->net->n_labels, n_inputs = n_labels * t->net->n_inputs;

    memcpy(t->gradients + p->net->head_bias, sum_tree_add(&t->tree, p->bias_sums, n_labels),
           n_labels * sizeof(float));
    memcpy(t->gradients + t->net->head_inputs, sum_tree_add(&t->tree, p->inputs_sums, n_inputs),
           n_inputs * sizeof(float));
}

/* A task is a stretch of the head, or one of an op's; the last is the rest. */
static void collect_task(void *arg, size_t task, size_t thread)
{
    const struct batch *b = arg;
    struct training *t = b->t;
    const struct plan *p = t->plan;

    if (task < head_stretches(p)) {
        collect_head(b, thread, task * HEAD_STRETCH);
        return;
    }
    task -= head_stretches(p);
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *op = &p->ops[i];

        if (task < op->n_collects) {
            op->kind->collect(op, p->kernels, &t->tree, task, t->gradients);
            return;
        }
        task -= op->n_collects;
    }
    collect_rest(t);
}

static void collect(struct batch *b)
{
    const struct plan *p = b->t->plan;
    size_t n_tasks = head_stretches(p) + 1;

    for (size_t i = 0; i < p->n_ops; i++)
        n_tasks += p->ops[i].n_collects;
    pool_run(b->t->pool, n_tasks, collect_task, b);
}

/* ---- what the ranks tell one another ---- */

/* The first image of a rank's shards, of a batch of n. */
static size_t rank_begins(const struct training *t, size_t rank, size_t n)
{
    return t->ranks ? n * ranks_share(t->ranks, rank, t->n_shards) / t->n_shards : n * rank;
}

size_t training_images(const struct training *t, size_t n, size_t *ret_begin)
{
    *ret_begin = rank_begins(t, ranks_me(t->ranks), n);
    return rank_begins(t, ranks_me(t->ranks) + 1, n);
}

/* The result of each shard, and the sum of all parts. */
static enum status exchange(struct batch *b)
{
    struct training *t = b->t;
    size_t images[RANKS_MAX + 1], begin;
    float *parts[TRAINING_MAX_SHARDS];
    enum status st;

    for (size_t q = 0; q <= ranks_n(t->ranks); q++)
        images[q] = rank_begins(t, q, b->given->n);
    for (size_t k = 0; k < t->n_shards; k++) {
        t->images[k] = shard_range(b, k, &begin);
        t->images[k] -= begin;
    }
    for (size_t i = 0; i < t->n_own || i == 0; i++)
        parts[i] = t->parts[i].memory;
    pool_run(t->pool, t->n_own * head_stretches(t->plan), head_task, b);
    st = ranks_gather(t->ranks, t->losses, sizeof *t->losses, NULL, t->n_shards, NULL);
    if (st == ST_OK)
        st = ranks_gather(t->ranks, t->passage.logits, t->net->n_labels * sizeof(float), images, b->given->n,
                          NULL);
    if (st == ST_OK && t->statistics)
        st = ranks_gather(t->ranks, t->statistics, t->net->n_state * sizeof(float), NULL, t->n_shards, NULL);
    return st == ST_OK ? ranks_sum(t->ranks, t->n_shards, t->width, parts, part_size(t), t->room, NULL) : st;
}

enum status training_batch_gradient(struct training *t, const struct training_batch *given, float *ret_logits,
                                    double *ret_loss)
{
    struct batch b = { .t = t, .given = given, .lock = PTHREAD_MUTEX_INITIALIZER };
    double loss = 0;
    enum status st;

    assert(!given->inputs == !t->net->n_inputs && given->dropout >= 0 && given->dropout < 1 &&
           given->n <= t->most);
    t->passage.batch = given;
    t->passage.logits = ret_logits;
    b.n_shards = t->n_shards ? t->n_shards : t->n_own;
    prepared_update(&t->weights, t->plan, t->params, t->pool);
    memset(t->losses, 0, b.n_shards * sizeof *t->losses);
    memset(t->images, 0, b.n_shards * sizeof *t->images);
    pool_run(t->pool, t->n_own, part_task, &b);
    pthread_mutex_destroy(&b.lock);
    if (b.over)
        return ST_CANCELLED;
    st = t->ranks ? exchange(&b) : ST_OK;
    if (st != ST_OK)
        return st;
    collect(&b);
    for (size_t k = 0; k < b.n_shards; k++)
        loss += t->losses[k];
    *ret_loss = loss / (double)(given->n * t->net->n_labels);
    return isfinite(*ret_loss) ? ST_OK : ST_NUMERIC;
}

void training_follow(struct training *t, double momentum)
{
    const size_t shards = t->n_shards ? t->n_shards : t->n_own;
    const struct shard_statistics s = { shards, t->images, t->statistics };

    if (t->statistics)
        statistics_follow(t->plan, &s, momentum, t->params + t->net->n_params);
}

enum status training_gradient(struct training *t, size_t n, const float *x, const float *y, float *ret_logits,
                              double *ret_loss)
{
    const struct training_batch b = { .n = n, .x = x, .y = y };

    return training_batch_gradient(t, &b, ret_logits, ret_loss);
}
