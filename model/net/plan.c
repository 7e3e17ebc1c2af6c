/* model/net/plan.c - see plan.h. */
#include "plan.h"

#include "../core/floats.h"
#include "cxrd/labels.h"
#include "cxrd/pool.h"
#include "layer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

bool plan_alike(const struct plan *p, const struct plan *q)
{
    return p->kernels == q->kernels && p->image_size == q->image_size && p->n_blocks == q->n_blocks &&
           p->features == q->features && p->head_channels == q->head_channels &&
           p->head_plane == q->head_plane &&
           memcmp(p->blocks, q->blocks, p->n_blocks * sizeof p->blocks[0]) == 0; /* of size_t: no gaps */
}

size_t plan_tiles(const struct block *b) { return b->tiles_y * b->tiles_x; }

size_t plan_winners(const struct block *b) { return b->h / 2 * (b->w / 2) * b->out_c; }

size_t plan_scratch(const struct plan *p)
{
    size_t most = 0;

    for (size_t i = 1; i < p->n_blocks; i++)
        most = block_scratch(&p->blocks[i]) > most ? block_scratch(&p->blocks[i]) : most;
    return most;
}

/* Every node reads the one before it. */
static bool is_chain(const struct network *net)
{
    for (size_t i = 1; i < net->n_nodes; i++)
        if (net->nodes[i].ops->n_from != 1 || net->nodes[i].from[0] != i - 1)
            return false;
    return net->n_nodes > 0;
}

static bool looks_at(const struct window *w, size_t side, size_t stride, size_t pad)
{
    return w->h == side && w->w == side && w->stride == stride && w->pad_h == pad && w->pad_w == pad;
}

/* Three nodes at l that make a block. */
static bool is_block(const struct node *l, const struct node *end)
{
    return end - l >= 3 && l[0].ops == &LAYER_CONV && looks_at(&l[0].window, 3, 1, 1) && l[0].groups <= 1 &&
           l[0].bias && l[1].ops == &LAYER_RELU && l[2].ops == &LAYER_MAX_POOL &&
           looks_at(&l[2].window, 2, 2, 0) && l[2].in[0].h % 2 == 0 && l[2].in[0].w % 2 == 0;
}

static void block_add(struct plan *p, const struct node *conv, size_t in_c)
{
    struct block *b = &p->blocks[p->n_blocks];

    *b = (struct block){ .h = conv->in[0].h,
                         .w = conv->in[0].w,
                         .in_c = in_c,
                         .out_c = conv->out.c,
                         .tiles_y = (conv->in[0].h + WINOGRAD_TILE - 1) / WINOGRAD_TILE,
                         .tiles_x = (conv->in[0].w + WINOGRAD_TILE - 1) / WINOGRAD_TILE };
    b->x_row = (b->tiles_x * WINOGRAD_TILE + 2) * in_c;
    b->x_size = (b->tiles_y * WINOGRAD_TILE + 2) * b->x_row;
    p->weights[p->n_blocks] = conv->params;
    p->biases[p->n_blocks] = conv->params + conv->n_params - conv->out.c;
    p->n_blocks++;
}

/* Every block's result goes where the next step reads it. */
static void connect(struct plan *p)
{
    for (size_t i = 0; i + 1 < p->n_blocks; i++) {
        struct block *b = &p->blocks[i];

        b->y_row = b[1].x_row;
        b->y_size = b[1].x_size;
        b->y_border = 1;
    }
    p->blocks[p->n_blocks - 1].y_row = p->blocks[p->n_blocks - 1].w / 2 * p->head_channels;
    p->blocks[p->n_blocks - 1].y_size = p->features;
    p->blocks[p->n_blocks - 1].y_border = 0;
}

enum status plan_make(const struct network *net, const struct kernels *k, struct plan *ret_plan)
{
    const struct node *l = net->nodes + 1, *end = net->nodes + net->n_nodes;
    struct plan p = { .kernels = k, .image_size = net->image_size, .folded = 1 };

    if (!is_chain(net))
        return ST_INVALID;
    if (l < end && l->ops == &LAYER_REPLICATE)
        p.folded = (l++)->out.c;
    for (; is_block(l, end) && p.n_blocks < PLAN_MAX_BLOCKS; l += 3) {
        const size_t in_c = p.n_blocks == 0 ? 1 : l->in[0].c;

        if (l->out.c % MAX_PANEL != 0 || (p.n_blocks > 0 && in_c % MAX_PANEL != 0))
            return ST_INVALID;
        block_add(&p, l, in_c);
    }
    if (p.n_blocks > 0 && (p.blocks[0].h > FIRST_MAX_SIDE || p.blocks[0].w > FIRST_MAX_SIDE))
        return ST_INVALID;
    if (end - l != 1 || l->ops != &LAYER_DENSE || l->out.c != N_LABELS || p.n_blocks < 2)
        return ST_INVALID;
    p.features = shape_size(l->in[0]);
    p.head_channels = l->in[0].c;
    p.head_plane = l->in[0].h * l->in[0].w;
    p.head_weights = l->params;
    p.head_bias = l->params + l->n_params - N_LABELS;
    if (p.features % ((size_t)HEAD_CHUNKS * HEAD_VECTOR) != 0)
        return ST_INVALID;
    connect(&p);
    *ret_plan = p;
    return ST_OK;
}

/* ---- prepared weights ---- */

enum status prepared_init(struct prepared *w, const struct plan *p, bool training)
{
    bool ok;

    *w = (struct prepared){ .first = floats_new(9 * p->blocks[0].out_c),
                            .head = floats_new(p->features * N_LABELS),
                            .head_bias = floats_new(N_LABELS) };
    ok = w->first && w->head && w->head_bias;
    for (size_t i = 0; i < p->n_blocks; i++) {
        const struct block *b = &p->blocks[i];
        const size_t size = WINOGRAD_POINTS * b->in_c * b->out_c;

        w->bias[i] = floats_new(b->out_c);
        ok = ok && w->bias[i];
        if (i > 0) {
            w->u[i] = floats_new(size);
            w->ut[i] = training ? floats_new(size) : NULL;
            ok = ok && w->u[i] && (w->ut[i] || !training);
        }
    }
    if (!ok)
        prepared_release(w);
    return ok ? ST_OK : ST_NOMEM;
}

void prepared_release(struct prepared *w)
{
    free(w->first);
    free(w->head);
    free(w->head_bias);
    for (size_t i = 0; i < PLAN_MAX_BLOCKS; i++) {
        free(w->bias[i]);
        free(w->u[i]);
        free(w->ut[i]);
    }
    *w = (struct prepared){ 0 };
}

/* w [O][folded][3][3] -> [9][O]: the channels see the same values, so their weights add up. */
static void fold_first(const struct plan *p, const float *w, float *first)
{
    const size_t O = p->blocks[0].out_c;

    for (size_t o = 0; o < O; o++)
        for (size_t k = 0; k < 9; k++) {
            float sum = 0;

            for (size_t c = 0; c < p->folded; c++)
                sum += w[(o * p->folded + c) * 9 + k];
            first[k * O + o] = sum;
        }
}

/* One finding's row. */
static void head_reorder(const struct plan *p, const float *w, float *head)
{
    for (size_t f = 0; f < p->features; f++)
        head[f] = w[plan_feature(p, f)];
}

struct transform {
    const struct plan *p;
    const struct prepared *w;
    const float *params;
};

/* One task is one input channel of one block, or one finding of the head. */
static void transform_task(void *arg, size_t task, size_t lane)
{
    const struct transform *t = arg;

    (void)lane;
    for (size_t i = 1; i < t->p->n_blocks; i++) {
        const struct block *b = &t->p->blocks[i];

        if (task < b->in_c) {
            t->p->kernels->weights_transform(b->in_c, b->out_c, t->params + t->p->weights[i], task, task + 1,
                                             t->w->u[i], t->w->ut[i]);
            return;
        }
        task -= b->in_c;
    }
    head_reorder(t->p, t->params + t->p->head_weights + task * t->p->features,
                 t->w->head + task * t->p->features);
}

void prepared_update(struct prepared *w, const struct plan *p, const float *params, struct pool *pool)
{
    struct transform t = { p, w, params };
    size_t n_tasks = N_LABELS;

    fold_first(p, params + p->weights[0], w->first);
    for (size_t i = 0; i < p->n_blocks; i++) {
        memcpy(w->bias[i], params + p->biases[i], p->blocks[i].out_c * sizeof(float));
        n_tasks += i > 0 ? p->blocks[i].in_c : 0;
    }
    memcpy(w->head_bias, params + p->head_bias, N_LABELS * sizeof(float));
    pool_run(pool, n_tasks, transform_task, &t);
}

/* ---- activations ---- */

enum status activations_init(struct activations *a, const struct plan *p, size_t n, bool training)
{
    bool ok;

    *a = (struct activations){ .n = n, .x = floats_new(n * p->blocks[0].x_size) };
    ok = a->x != NULL;
    for (size_t i = 0; i < p->n_blocks; i++) {
        a->y[i] = floats_new(n * p->blocks[i].y_size);
        ok = ok && a->y[i];
        if (training) {
            a->won[i] = aligned_alloc(64, (n * plan_winners(&p->blocks[i]) + 63) / 64 * 64);
            ok = ok && a->won[i];
        }
    }
    if (!ok)
        activations_release(a);
    return ok ? ST_OK : ST_NOMEM;
}

void activations_release(struct activations *a)
{
    free(a->x);
    for (size_t i = 0; i < PLAN_MAX_BLOCKS; i++) {
        free(a->y[i]);
        free(a->won[i]);
    }
    *a = (struct activations){ 0 };
}

void activations_input(struct activations *a, const struct plan *p, size_t n, const float *images)
{
    const struct block *b = &p->blocks[0];

    assert(n <= a->n);
    for (size_t i = 0; i < n; i++)
        for (size_t y = 0; y < b->h; y++, images += b->w)
            memcpy(a->x + i * b->x_size + (y + 1) * b->x_row + 1, images, b->w * sizeof(float));
}
