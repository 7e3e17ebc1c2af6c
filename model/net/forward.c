/* model/net/forward.c - the forward pass by the kernels: many images in one thread, or one image in many. */
#include "cxrd/labels.h"
#include "cxrd/pool.h"
#include "plan.h"

/* The first block, pooled rows begin..end-1 of image i. */
static void first_rows(const struct plan *p, const struct prepared *w, struct activations *a, size_t i,
                       size_t begin, size_t end)
{
    const struct block *b = &p->blocks[0];

    p->kernels->first_forward(b, begin, end, a->x + i * b->x_size, w->first, w->bias[0],
                              a->y[0] + i * b->y_size, a->won[0] ? a->won[0] + i * plan_winners(b) : NULL);
}

static void block_tiles(const struct plan *p, const struct prepared *w, struct activations *a, size_t k,
                        size_t begin, size_t end, float *scratch)
{
    p->kernels->block_forward(&p->blocks[k], begin, end, a->y[k - 1], w->u[k], w->bias[k], a->y[k], a->won[k],
                              scratch);
}

/* Chunk c of the head's sum over the features: the same chunks whoever computes them, and so short that a float32 sum
 * keeps its digits; the chunks are added in double. */
static void head_chunk(const struct plan *p, const struct prepared *w, const float *features, size_t n,
                       size_t c, float *partial)
{
    const size_t size = p->features / HEAD_CHUNKS;

    p->kernels->head_sums(n, N_LABELS, size, features + c * size, w->head + c * size, p->features, partial);
}

static void head_sum(const struct prepared *w, size_t n, const float *partial, size_t stride, float *logits)
{
    for (size_t i = 0; i < n * N_LABELS; i++) {
        double sum = (double)w->head_bias[i % N_LABELS];

        for (size_t c = 0; c < HEAD_CHUNKS; c++)
            sum += (double)partial[c * stride + i];
        logits[i] = (float)sum;
    }
}

enum { HEAD_IMAGES = 8 }; /* images whose partial sums fit on the stack */

void forward_features(const struct plan *p, const struct prepared *w, struct activations *a, size_t n,
                      float *scratch)
{
    for (size_t i = 0; i < n; i++)
        first_rows(p, w, a, i, 0, p->blocks[0].h / 2);
    for (size_t k = 1; k < p->n_blocks; k++) {
        const size_t tiles = n * plan_tiles(&p->blocks[k]);

        for (size_t t = 0; t < tiles; t += TILE_BLOCK)
            block_tiles(p, w, a, k, t, t + TILE_BLOCK < tiles ? t + TILE_BLOCK : tiles, scratch);
    }
}

void forward_head(const struct plan *p, const struct prepared *w, const struct activations *a, size_t n,
                  float *ret_logits)
{
    float partial[HEAD_CHUNKS][HEAD_IMAGES * N_LABELS];

    for (size_t i = 0; i < n; i += HEAD_IMAGES) {
        const size_t group = n - i < HEAD_IMAGES ? n - i : HEAD_IMAGES;

        for (size_t c = 0; c < HEAD_CHUNKS; c++)
            head_chunk(p, w, a->y[p->n_blocks - 1] + i * p->features, group, c, partial[c]);
        head_sum(w, group, partial[0], (size_t)HEAD_IMAGES * N_LABELS, ret_logits + i * N_LABELS);
    }
}

void forward(const struct plan *p, const struct prepared *w, struct activations *a, size_t n, float *scratch,
             float *ret_logits)
{
    forward_features(p, w, a, n, scratch);
    forward_head(p, w, a, n, ret_logits);
}

/* ---- one image over the threads of a pool ---- */

struct shared {
    const struct plan *p;
    const struct prepared *w;
    struct activations *a;
    size_t block; /* that is being computed; n_blocks: the head */
    size_t n_tasks, scratch_size;
    float *scratch; /* [lane] */
    float partial[HEAD_CHUNKS][N_LABELS];
};

static void shared_task(void *arg, size_t task, size_t lane)
{
    struct shared *s = arg;
    const struct plan *p = s->p;

    if (s->block == p->n_blocks) {
        head_chunk(p, s->w, s->a->y[p->n_blocks - 1], 1, task, s->partial[task]);
    } else if (s->block == 0) {
        const size_t rows = p->blocks[0].h / 2;

        first_rows(p, s->w, s->a, 0, rows * task / s->n_tasks, rows * (task + 1) / s->n_tasks);
    } else {
        const size_t tiles = plan_tiles(&p->blocks[s->block]);

        block_tiles(p, s->w, s->a, s->block, tiles * task / s->n_tasks, tiles * (task + 1) / s->n_tasks,
                    s->scratch + lane * s->scratch_size);
    }
}

void forward_shared(const struct plan *p, const struct prepared *w, struct activations *a, struct pool *pool,
                    float *scratch, float *ret_logits)
{
    struct shared s = { p, w, a, .scratch = scratch, .scratch_size = plan_scratch(p) };
    const size_t threads = pool_threads(pool);

    for (s.block = 0; s.block < p->n_blocks; s.block++) {
        const size_t tiles = plan_tiles(&p->blocks[s.block]);
        const size_t needed = s.block ? (tiles + TILE_BLOCK - 1) / TILE_BLOCK : 1;

        s.n_tasks = (needed + threads - 1) / threads * threads; /* as many for every thread */
        pool_run(pool, s.n_tasks, shared_task, &s);
    }
    s.n_tasks = HEAD_CHUNKS;
    pool_run(pool, s.n_tasks, shared_task, &s);
    head_sum(w, 1, s.partial[0], N_LABELS, ret_logits);
}
