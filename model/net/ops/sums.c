/* model/net/ops/sums.c - see sums.h. */
#include "sums.h"

#include "../../core/floats.h"

#include <stdlib.h>
#include <string.h>

enum status sums_init(struct sums *s, size_t size)
{
    *s = (struct sums){ .size = size, .memory = floats_new(size) };
    return s->memory ? ST_OK : ST_NOMEM;
}

void sums_release(struct sums *s)
{
    free(s->memory);
    *s = (struct sums){ 0 };
}

void sums_clear(struct sums *s) { memset(s->memory, 0, s->size * sizeof(float)); }

void sums_take(struct sums *s, struct sums *other)
{
    float *restrict to = s->memory, *restrict from = other->memory;

    for (size_t i = 0; i < other->size; i++) {
        to[i] += from[i];
        from[i] = 0;
    }
}

static void part_add(const struct sum_tree *t, size_t to, size_t from, size_t at, size_t n)
{
    float *sum = t->parts[to].memory + at;
    const float *other = t->parts[from].memory + at;

    for (size_t i = 0; i < n; i++)
        sum[i] += other[i];
}

const float *sum_tree_add(const struct sum_tree *t, size_t at, size_t n)
{
    if (t->halves)
        for (size_t step = 1; step < t->n_parts; step *= 2)
            for (size_t k = 0; k < t->n_parts; k += 2 * step)
                part_add(t, k, k + step, at, n);
    else
        for (size_t k = 1; k < t->n_parts; k++)
            part_add(t, 0, k, at, n);
    return sum_tree_at(t, at);
}
