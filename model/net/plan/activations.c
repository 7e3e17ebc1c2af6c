/* model/net/plan/activations.c - memory for the values of a plan, see forward.h. */
#include "../../core/floats.h"
#include "forward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum status activations_init(struct activations *a, const struct plan *p, size_t n, bool training)
{
    bool ok;

    *a = (struct activations){ .n = n, .n_memories = p->n_memories, .n_tapes = training ? p->n_ops : 0 };
    a->values = calloc(p->n_values, sizeof *a->values);
    a->memories = calloc(p->n_memories, sizeof *a->memories);
    a->tapes = calloc(p->n_ops + 1, sizeof *a->tapes);
    ok = a->values && a->memories && a->tapes;
    ok = ok && (a->arena = floats_new(n * p->arena)) != NULL;
    for (size_t i = 0; i < p->n_memories && ok; i++)
        if (!p->memories[i].shared)
            ok = (a->memories[i] = floats_new(n * p->memories[i].size)) != NULL;
    for (size_t i = 0; i < p->n_values && ok; i++) {
        const struct memory *m = &p->memories[p->values[i].memory];

        a->values[i] = m->shared ? a->arena + n * m->offset : a->memories[p->values[i].memory];
    }
    for (size_t i = 0; i < a->n_tapes && ok; i++)
        ok = (a->tapes[i] = aligned_alloc(64, (n * p->ops[i].n_tape + 64) / 64 * 64)) != NULL;
    if (!ok)
        activations_release(a);
    return ok ? ST_OK : ST_NOMEM;
}

void activations_release(struct activations *a)
{
    for (size_t i = 0; i < a->n_memories && a->memories; i++)
        free(a->memories[i]);
    free(a->memories);
    free(a->arena);
    for (size_t i = 0; i < a->n_tapes && a->tapes; i++)
        free(a->tapes[i]);
    free(a->values);
    free(a->tapes);
    *a = (struct activations){ 0 };
}

static void put_row(const struct layout *l, const float *from, size_t n, float *to)
{
    if (l->pixel == 1)
        memcpy(to, from, n * sizeof *to);
    for (size_t i = 0; i < n && l->pixel > 1; i++)
        to[i * l->pixel] = from[i];
}

void activations_input(struct activations *a, const struct plan *p, size_t n, const float *images)
{
    const struct layout *l = &p->values[0].layout;
    const struct shape s = p->values[0].shape;

    assert(n <= a->n);
    for (size_t i = 0; i < n * s.c * s.h; i++, images += s.w)
        put_row(l, images, s.w,
                a->values[0] + i / (s.c * s.h) * l->image + layout_at(l, i / s.h % s.c, i % s.h, 0));
}
