/* tests/support/picture.c - see picture.h. */
#include "picture.h"

#include "model/core/floats.h"

#include <stdlib.h>
#include <string.h>

static size_t rounded(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

struct window window_drawn(struct rng *r, size_t most)
{
    struct window k = { .dilation_h = 1, .dilation_w = 1 };

    k.h = between(r, 1, most);
    k.w = between(r, 1, most);
    k.stride_h = between(r, 1, 3);
    k.stride_w = below(r, 4) ? k.stride_h : between(r, 1, 4);
    if (below(r, 4) == 0) {
        k.dilation_h = between(r, 1, 4);
        k.dilation_w = between(r, 1, 4);
    }
    k.top = below(r, k.h + 2);
    k.left = below(r, k.w + 2);
    k.bottom = coin(r) ? k.top : below(r, k.h + 2);
    k.right = coin(r) ? k.left : below(r, k.w + 2);
    k.count_include_pad = coin(r);
    return k;
}

float *drawn(struct rng *r, size_t n)
{
    float *v = floats_new(n);

    for (size_t i = 0; i < n; i++)
        v[i] = rng_uniform(r, -1, 1);
    return v;
}

struct picture picture_new(struct rng *r, size_t P, size_t n, struct shape s, enum form form, float around)
{
    struct picture p = { .n = n, .c = s.c, .P = P, .panels = rounded(s.c, P) / P, .s = s };
    const size_t top = below(r, 3), left = below(r, 3), h = s.h + top + below(r, 3),
                 w = s.w + left + below(r, 3);
    const bool thin = form == THIN, half = form == HALF_PANELS && s.c <= P / 2 && coin(r);
    const size_t before = thin || half ? 0 : below(r, 3), pixel = half ? P / 2 : P,
                 all = before + p.panels + (thin || half ? 0 : below(r, 3));
    size_t origin;

    if (!thin)
        p.s.c = p.panels * P;
    p.lies = form == HALF_PANELS ? rounded(s.c, P / 2) : p.s.c;
    if (thin)
        p.v = (struct view){ .pixel = s.c, .row = w * s.c, .panel = 0, .image = h * w * s.c };
    else if (half || coin(r))
        p.v = (struct view){
            .pixel = pixel, .row = w * pixel, .panel = h * w * pixel, .image = all * h * w * pixel
        };
    else
        p.v = (struct view){ .pixel = all * P, .row = w * all * P, .panel = P, .image = h * w * all * P };
    origin = before * p.v.panel + top * p.v.row + left * p.v.pixel;
    p.size = n * p.v.image;
    p.memory = floats_new(p.size);
    p.first = p.memory + origin;
    for (size_t i = 0; i < p.size; i++)
        p.memory[i] = around;
    return p;
}

struct picture picture_alike(const struct picture *p, float around)
{
    struct picture alike = *p;

    alike.memory = floats_new(p->size);
    alike.first = alike.memory + (p->first - p->memory);
    for (size_t i = 0; i < p->size; i++)
        alike.memory[i] = around;
    return alike;
}

void picture_fill(struct picture *p, struct rng *r, const float *plain)
{
    for (size_t s = 0; s < p->n; s++)
        for (size_t c = 0; c < p->lies; c++)
            for (size_t i = 0; i < p->s.h; i++)
                for (size_t j = 0; j < p->s.w; j++)
                    p->memory[at(p, s, c, i, j)] =
                        c < p->c ? plain[((s * p->c + c) * p->s.h + i) * p->s.w + j] : rng_uniform(r, -1, 1);
}

bool untouched_around(const struct picture *p)
{
    float *copy = floats_new(p->size);
    size_t other = 0;

    memcpy(copy, p->memory, p->size * sizeof *copy);
    for (size_t s = 0; s < p->n; s++)
        for (size_t c = 0; c < p->lies; c++)
            for (size_t i = 0; i < p->s.h; i++)
                for (size_t j = 0; j < p->s.w; j++)
                    copy[at(p, s, c, i, j)] = UNTOUCHED;
    for (size_t i = 0; i < p->size; i++)
        other += copy[i] != UNTOUCHED;
    free(copy);
    return other == 0;
}
