/* model/kernels/filters.c - a network's weights as the kernels of graphs read them; and the scratch that they need. */
#include "kernels.h"

#include <string.h>

static size_t taps_of(const struct geometry *g) { return g->window.h * g->window.w; }

/* The weight from channel c to result o by tap t: 0 where they are of different groups. */
static float weight_at(const struct filters *f, const float *w, size_t o, size_t c, size_t t)
{
    const size_t in = f->in / f->groups, out = f->out / f->groups;

    if (f->groups == 1)
        return w[(o * f->in + c) * f->taps + t];
    return c / in == o / out ? w[(o * in + c % in) * f->taps + t] : 0;
}

static size_t end_of(size_t panel, size_t begin, size_t channels)
{
    return begin + panel < channels ? begin + panel : channels;
}

/* A panel of results from `first` on, by `n` channels from `from` on: [taps][n][panel], of zeros. Row by row of what is written: each
 * step of training packs all weights anew. */
static void panel_pack(size_t panel, const struct filters *f, size_t first, size_t from, size_t n,
                       const float *w, const float *scale, float *packed)
{
    for (size_t c = from; c < end_of(n, from, f->in); c++)
        for (size_t t = 0; t < f->taps; t++) {
            float *row = packed + (t * n + c - from) * panel;

            for (size_t o = first; o < end_of(panel, first, f->out); o++)
                row[o - first] = weight_at(f, w, o, c, t) * (scale ? scale[o] : 1);
        }
}

void filters_pack(size_t panel, const struct geometry *g, const struct filters *f, const float *w,
                  const float *scale, float *packed)
{
    memset(packed, 0, g->out.c * g->in.c * taps_of(g) * sizeof *packed);
    for (size_t first = 0; first < f->out; first += panel)
        panel_pack(panel, f, first, 0, g->in.c, w, scale, packed + first * f->taps * g->in.c);
}

/* The panels of channels that the groups of a panel of results see: from the first to behind the last. */
static size_t block_end(size_t panel, const struct filters *f, size_t first)
{
    const size_t in = f->in / f->groups, out = f->out / f->groups;

    return ((end_of(panel, first, f->out) - 1) / out * in + in + panel - 1) / panel * panel;
}

static size_t block_begin(size_t panel, const struct filters *f, size_t first)
{
    return first / (f->out / f->groups) * (f->in / f->groups) / panel * panel;
}

size_t filters_block(size_t panel, const struct filters *f)
{
    size_t most = 0;

    for (size_t first = 0; first < f->out; first += panel) {
        const size_t n = block_end(panel, f, first) - block_begin(panel, f, first);

        most = n > most ? n : most;
    }
    return most;
}

size_t filters_block_from(size_t panel, const struct filters *f, size_t block, size_t first)
{
    const size_t last = (f->in + panel - 1) / panel * panel - block, from = block_begin(panel, f, first);

    return from < last ? from : last;
}

void filters_pack_blocks(size_t panel, const struct filters *f, size_t block, const float *w,
                         const float *scale, float *packed)
{
    memset(packed, 0, (f->out + panel - 1) / panel * panel * f->taps * block * sizeof *packed);
    for (size_t first = 0; first < f->out; first += panel, packed += f->taps * block * panel)
        panel_pack(panel, f, first, filters_block_from(panel, f, block, first), block, w, scale, packed);
}

void filters_pack_depthwise(size_t panel, const struct geometry *g, size_t channels, const float *w,
                            const float *scale, float *packed)
{
    const size_t taps = taps_of(g);

    memset(packed, 0, g->in.c * taps * sizeof *packed);
    for (size_t c = 0; c < channels; c++)
        for (size_t t = 0; t < taps; t++)
            packed[(c / panel * taps + t) * panel + c % panel] = w[c * taps + t] * (scale ? scale[c] : 1);
}

void filters_pack_phase(size_t panel, const struct geometry *forward, const struct phase *p,
                        const struct filters *f, const float *w, float *packed)
{
    const size_t taps = taps_of(&p->g), O = p->g.in.c;

    memset(packed, 0, p->g.out.c * O * taps * sizeof *packed);
    for (size_t first = 0; first < f->in; first += panel)
        for (size_t t = 0; t < taps; t++) {
            const size_t tap = phase_tap(forward, p, t);

            for (size_t o = 0; o < f->out; o++) {
                float *row = packed + (first * taps + t * panel) * O + o * panel;

                for (size_t c = first; c < end_of(panel, first, f->in); c++)
                    row[c - first] = weight_at(f, w, o, c, tap);
            }
        }
}

void filters_pack_phase_depthwise(size_t panel, const struct geometry *forward, const struct phase *p,
                                  size_t channels, const float *w, float *packed)
{
    const size_t taps = taps_of(&p->g), all = taps_of(forward);

    memset(packed, 0, p->g.in.c * taps * sizeof *packed);
    for (size_t t = 0; t < taps; t++) {
        const size_t tap = phase_tap(forward, p, t);

        for (size_t c = 0; c < channels; c++)
            packed[(c / panel * taps + t) * panel + c % panel] = w[c * all + tap];
    }
}

/* Whole vectors of any instruction set. */
static size_t rounded(size_t floats) { return (floats + MAX_PANEL - 1) / MAX_PANEL * MAX_PANEL; }

size_t convolution_scratch(const struct geometry *g)
{
    const size_t pointers = taps_of(g) * LAST_STRIP * (sizeof(void *) / sizeof(float));
    const size_t thin = g->in.c < MAX_PANEL ? g->window.h * LAST_STRIP * rounded(g->window.w * g->in.c) : 0;
    const size_t normalised = LAST_STRIP * rounded(g->in.c);

    return pointers + (thin > normalised ? thin : normalised);
}

size_t winograd_scratch(const struct geometry *g)
{
    return WINOGRAD_POINTS * ((size_t)TILE_BLOCK * (g->in.c + g->out.c) + (size_t)2 * PANEL_PAD);
}

struct slope_matrix slope_matrix_of(size_t panel, const struct geometry *g)
{
    if (g->in.c >= panel)
        return (struct slope_matrix){ taps_of(g), g->in.c };
    return (struct slope_matrix){ 1, (taps_of(g) * g->in.c + panel - 1) / panel * panel };
}

size_t filters_slope_scratch(const struct geometry *g)
{
    const size_t thin = g->in.c < MAX_PANEL ? rounded(taps_of(g) * g->in.c) : 0;

    return SLOPE_STRIP * ((thin > g->in.c ? thin : rounded(g->in.c)) + g->out.c);
}
