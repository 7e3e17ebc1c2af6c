/* jobs/phantom/lesion.c - see lesion.h: where in a lung a finding lies. */
#include "lesion.h"

struct point lung_point(const struct chest *c, int side, float u, float v)
{
    float y = c->apex + v * (c->dome[side] - c->apex), d = 0;

    for (int i = 0; i < 3; i++) { /* the floor depends on d, d on y: settles at once */
        const float inner = chest_medial(c, side, y), outer = chest_lateral(c, side, y);

        d = inner + u * (outer - inner);
        y = c->apex + v * (chest_floor(c, side, d) - c->apex);
    }
    return (struct point){ c->midline + side_sign(side) * d, y };
}

/* How much lung is left to be seen around a point, 0..1. */
static float lung_seen(const struct scene *s, struct point at, float radius)
{
    static const float around[][2] = { { 0, 0 }, { 1, 0 }, { -1, 0 }, { 0, 1 }, { 0, -1 } };
    enum { POINTS = sizeof around / sizeof *around };
    float seen = 0;

    for (size_t i = 0; i < POINTS; i++) {
        const float x = at.x + around[i][0] * radius, y = at.y + around[i][1] * radius;
        const struct box dot = { x, y, x, y };
        const struct pixels p = box_pixels(&dot, s->size);
        const size_t pixel = p.y0 * s->size + p.x0;

        if (p.x0 < s->size && p.y0 < s->size)
            seen +=
                s->fill.values[pixel] < 0 ? 0 : s->air.values[pixel] * (1 - s->fill.values[pixel]) / POINTS;
    }
    return seen;
}

struct point lung_place(struct lesion *l, const struct scene *s, int side, const struct region *within,
                        float radius)
{
    struct point best = { 0 };
    float most = -1;

    for (int i = 0; i < 20 && most < 0.55f; i++) {
        const float u = rng_uniform(&l->rng, within->u0, within->u1);
        const float v = rng_uniform(&l->rng, within->v0, within->v1);
        const struct point at = lung_point(&s->chest, side, u, v);
        const float seen = lung_seen(s, at, radius);

        if (seen > most) {
            most = seen;
            best = at;
        }
    }
    return best;
}
