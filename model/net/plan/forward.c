/* model/net/plan/forward.c - the forward pass: many images in one thread, or one image in many. */
#include "forward.h"

#include "cxrd/labels.h"

struct op_io forward_io(const struct plan *p, const struct prepared *w, const struct activations *a, size_t i)
{
    const struct op *op = &p->ops[i];
    struct op_io io = { .kernels = p->kernels,
                        .weights = w->ops + op->weights,
                        .y = a->values[op->y],
                        .tape = a->n_tapes > 0 ? a->tapes[i] : NULL,
                        .y_layout = &p->values[op->y].layout };

    if (a->statistics && op->node)
        io.statistics = a->statistics + (op->node->state - p->net->n_params);
    for (size_t k = 0; k < op->n_x; k++) {
        io.x[k] = a->values[op->x[k]];
        io.x_layout[k] = &p->values[op->x[k]].layout;
    }
    return io;
}

static size_t at_most(size_t n, size_t most) { return n < most ? n : most; }

void forward_features(const struct plan *p, const struct prepared *w, struct activations *a, size_t n,
                      float *scratch)
{
    for (size_t i = 0; i < p->n_ops; i++) {
        const struct op *op = &p->ops[i];
        const size_t units = n * op->units;
        struct op_io io = forward_io(p, w, a, i);

        io.scratch = scratch;
        for (size_t u = 0, step; u < units; u += step) {
            step = at_most(op->most, units - u);
            op->kind->forward(op, &io, u, u + step);
        }
    }
}

/* ---- the head ---- */

/* Chunk c of the head's sum over the features: the same chunks whoever computes them, and so short that a float32 sum
 * keeps its digits; the chunks are added in double. */
static void head_chunk(const struct plan *p, const struct prepared *w, const float *features, size_t n,
                       size_t c, float *partial)
{
    const size_t size = p->row / HEAD_CHUNKS;

    p->kernels->head_sums(n, p->net->n_labels, size, features + c * size, w->head + c * size, p->row,
                          partial);
}

static void head_sum(const struct plan *p, const struct prepared *w, size_t n, const float *partial,
                     size_t stride, float *logits)
{
    const size_t L = p->net->n_labels;

    for (size_t i = 0; i < n * L; i++) {
        double sum = (double)w->head_bias[i % L];

        for (size_t c = 0; c < HEAD_CHUNKS; c++)
            sum += (double)partial[c * stride + i];
        logits[i] = (float)sum;
    }
}

enum { HEAD_IMAGES = 8 }; /* images whose partial sums are on the stack: 32 kB with MAX_LABELS */

void forward_head(const struct plan *p, const struct prepared *w, const float *features, size_t n,
                  float *ret_logits)
{
    const size_t L = p->net->n_labels;
    float partial[HEAD_CHUNKS][HEAD_IMAGES * MAX_LABELS];

    for (size_t i = 0; i < n; i += HEAD_IMAGES) {
        const size_t group = n - i < HEAD_IMAGES ? n - i : HEAD_IMAGES;

        for (size_t c = 0; c < HEAD_CHUNKS; c++)
            head_chunk(p, w, features + i * p->row, group, c, partial[c]);
        head_sum(p, w, group, partial[0], (size_t)HEAD_IMAGES * MAX_LABELS, ret_logits + i * L);
    }
}

void forward(const struct plan *p, const struct prepared *w, struct activations *a, size_t n, float *scratch,
             float *ret_logits)
{
    forward_features(p, w, a, n, scratch);
    forward_head(p, w, a->values[p->head_value], n, ret_logits);
}

/* ---- one image over the threads of a pool ---- */

struct shared {
    const struct plan *p;
    const struct prepared *w;
    const struct activations *a;
    float *scratch; /* [thread] */
    const struct op *op;
    struct op_io io;
    size_t n_tasks;
    float partial[HEAD_CHUNKS][MAX_LABELS];
};

static void op_task(void *arg, size_t task, size_t thread)
{
    const struct shared *s = arg;
    const size_t grain = s->op->grain ? s->op->grain : 1, grains = (s->op->units + grain - 1) / grain;
    const size_t begin = grains * task / s->n_tasks * grain;
    const size_t end = at_most(grains * (task + 1) / s->n_tasks * grain, s->op->units);
    struct op_io io = s->io;

    io.scratch = s->scratch + thread * s->p->n_scratch;
    if (begin < end)
        s->op->kind->forward(s->op, &io, begin, end);
}

static void head_task(void *arg, size_t task, size_t thread)
{
    struct shared *s = arg;

    (void)thread;
    head_chunk(s->p, s->w, s->a->values[s->p->head_value], 1, task, s->partial[task]);
}

void forward_shared(const struct plan *p, const struct prepared *w, struct activations *a, struct pool *pool,
                    float *scratch, float *ret_logits)
{
    struct shared s = { .p = p, .w = w, .a = a, .scratch = scratch };
    const size_t threads = pool_threads(pool);

    for (size_t i = 0; i < p->n_ops; i++) {
        size_t needed;

        s.op = &p->ops[i];
        s.io = forward_io(p, w, a, i);
        needed = (s.op->units - 1) / s.op->most + 1;
        s.n_tasks = (needed + threads - 1) / threads * threads; /* as many for every thread */
        if (s.op->units <= s.op->grain || s.op->units == 1)
            s.n_tasks = 1; /* which nobody is asked to help with */
        pool_run(pool, s.n_tasks, op_task, &s);
    }
    pool_run(pool, HEAD_CHUNKS, head_task, &s);
    head_sum(p, w, 1, s.partial[0], MAX_LABELS, ret_logits);
}
