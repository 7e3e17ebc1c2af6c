/* model/net/sums.c - see sums.h. */
#include "sums.h"

#include "../core/floats.h"
#include "cxrd/labels.h"

#include <stdlib.h>
#include <string.h>

static size_t in_lines(size_t floats) { return (floats + 15) / 16 * 16; }

/* Give every part its place, from `memory` on; with NULL it only counts. Returns how many floats they take. */
static size_t place(struct sums *s, const struct plan *p, size_t n_inputs, float *memory)
{
    size_t at = 0;
#define PLACE(part, n) ((part) = memory ? memory + at : NULL, at += in_lines(n))

    PLACE(s->first, 9 * p->blocks[0].out_c);
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

enum status sums_init(struct sums *s, const struct plan *p, size_t n_inputs)
{
    *s = (struct sums){ 0 };
    s->size = place(s, p, n_inputs, NULL);
    s->memory = floats_new(s->size);
    if (!s->memory)
        return ST_NOMEM;
    place(s, p, n_inputs, s->memory);
    return ST_OK;
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

    for (size_t i = 0; i < s->size; i++) {
        to[i] += from[i];
        from[i] = 0;
    }
}
