/* model/net/plan/share.c - memory for a forward pass: a value counts from the op that writes it to the last that reads it, and what
 * counts at other times may lie in the same place. The largest are placed first, each as low as it fits.
 *
 * Memories of their own have the image, which is wiped; values within a border of zeros, which nobody writes; what the head reads,
 * whose line has a rest of zeros, and what that was made of, since both are asked for afterwards (session_features(), explanations). */
#include "steps.h"

#include <stdint.h>
#include <stdlib.h>

static void keep(struct plan *p, size_t value) { p->memories[p->values[value].memory].shared = false; }

static void kept(struct plan *p)
{
    keep(p, 0);
    keep(p, p->head_value);
    for (size_t v = 0; v < p->n_values; v++)
        if (p->memories[p->values[v].memory].first == SIZE_MAX || p->values[v].bordered)
            keep(p, v);
    for (size_t i = 0; i < p->n_ops; i++)
        for (size_t k = 0; p->ops[i].y == p->head_value && k < p->ops[i].n_x; k++)
            keep(p, p->ops[i].x[k]);
}

static void times(struct plan *p)
{
    for (size_t m = 0; m < p->n_memories; m++)
        p->memories[m] = (struct memory){ .size = p->memories[m].size, .shared = true, .first = SIZE_MAX };
    for (size_t i = 0; i < p->n_ops; i++) {
        struct memory *y = &p->memories[p->values[p->ops[i].y].memory];

        y->first = i < y->first ? i : y->first;
        y->last = i > y->last ? i : y->last;
        for (size_t k = 0; k < p->ops[i].n_x; k++)
            p->memories[p->values[p->ops[i].x[k]].memory].last = i;
    }
}

static int larger_first(const void *a, const void *b)
{
    const struct memory *p = *(struct memory *const *)a, *q = *(struct memory *const *)b;

    if (p->size != q->size)
        return p->size > q->size ? -1 : 1;
    return (p > q) - (p < q);
}

/* As low as it fits among those that are placed, which lie in the order of their offsets. */
static size_t lowest(const struct memory *m, struct memory *const *placed, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n && placed[i]->offset < at + m->size; i++) {
        const size_t end = placed[i]->offset + placed[i]->size;

        if (placed[i]->first <= m->last && m->first <= placed[i]->last && end > at)
            at = end;
    }
    return at;
}

static void insert(struct memory *m, struct memory **placed, size_t n)
{
    size_t i = n;

    for (; i > 0 && placed[i - 1]->offset > m->offset; i--)
        placed[i] = placed[i - 1];
    placed[i] = m;
}

/* Offsets for those of n memories that are shared. */
static enum status arrange(struct memory *memories, size_t n, size_t *ret_arena)
{
    struct memory **sorted = calloc(2 * n, sizeof(void *)), **placed;
    size_t n_shared = 0;

    if (!sorted)
        return ST_NOMEM;
    placed = sorted + n;
    for (size_t m = 0; m < n; m++)
        if (memories[m].shared)
            sorted[n_shared++] = &memories[m];
    qsort(sorted, n_shared, sizeof(void *), larger_first);
    for (size_t i = 0; i < n_shared; i++) {
        struct memory *m = sorted[i];

        m->offset = lowest(m, placed, i);
        insert(m, placed, i);
        *ret_arena = m->offset + m->size > *ret_arena ? m->offset + m->size : *ret_arena;
    }
    free(sorted);
    return ST_OK;
}

enum status share(struct plan *p)
{
    times(p);
    kept(p);
    return arrange(p->memories, p->n_memories, &p->arena);
}

/* On the way back a slope counts from the last op that reads the value, or the head, to the first that writes it. */
enum status share_slopes(struct plan *p)
{
    const size_t head = p->values[p->head_value].memory;

    p->slopes = calloc(p->n_memories, sizeof *p->slopes);
    if (!p->slopes)
        return ST_NOMEM;
    for (size_t m = 0; m < p->n_memories; m++)
        p->slopes[m] = (struct memory){ .size = p->memories[m].size,
                                        .shared = p->memories[m].asked,
                                        .first = m == head ? p->n_ops : SIZE_MAX,
                                        .last = m == head ? p->n_ops : 0 };
    for (size_t i = 0; i < p->n_ops; i++) {
        struct memory *y = &p->slopes[p->values[p->ops[i].y].memory];

        y->first = i < y->first ? i : y->first;
        y->last = i > y->last ? i : y->last;
        for (size_t k = 0; k < p->ops[i].n_x; k++) {
            struct memory *x = &p->slopes[p->values[p->ops[i].x[k]].memory];

            x->last = i > x->last ? i : x->last;
        }
    }
    return arrange(p->slopes, p->n_memories, &p->slopes_arena);
}
