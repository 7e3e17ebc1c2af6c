/* jobs/phantom/scene.c - the layers of a picture, and where in them the lungs are. */
#include "chest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum status scene_init(struct scene *s, size_t size, struct error *err)
{
    const size_t n = size * size;
    float *block = calloc(4 * n + 5 * size, sizeof *block);

    if (!block)
        return error_nomem(err);
    *s = (struct scene){ .size = size };
    s->tissue = (struct plane){ size, block };
    s->air = (struct plane){ size, block + n };
    s->fill = (struct plane){ size, block + 2 * n };
    s->lines = (struct plane){ size, block + 3 * n };
    block += 4 * n;
    for (int side = 0; side < N_SIDES; side++) {
        s->lateral[side] = block + 2 * (size_t)side * size;
        s->medial[side] = s->lateral[side] + size;
    }
    s->floor = block + 4 * size;
    return ST_OK;
}

void scene_release(struct scene *s)
{
    free(s->tissue.values); /* the one block */
    *s = (struct scene){ 0 };
}

static void measure_lungs(struct scene *s)
{
    const struct chest *c = &s->chest;

    for (size_t i = 0; i < s->size; i++) {
        const float at = pixel_centre(i, s->size);
        const int side = at < c->midline ? SIDE_RIGHT : SIDE_LEFT;

        s->floor[i] = chest_floor(c, side, fabsf(at - c->midline));
        for (int k = 0; k < N_SIDES; k++) {
            s->lateral[k][i] = chest_lateral(c, k, at);
            s->medial[k][i] = chest_medial(c, k, at);
        }
    }
}

struct box scene_lung(const struct scene *s, int side)
{
    const struct chest *c = &s->chest;
    const float wall = c->midline + side_sign(side) * c->half_width;

    return (struct box){ fminf(wall, c->midline), c->apex, fmaxf(wall, c->midline), chest_base(c, side) };
}

/* The lung's thickness along the beam: a chord of the round chest, thinner at the tip, ending at the diaphragm. */
static void fill_with_air(struct scene *s, int side)
{
    const struct chest *c = &s->chest;
    const struct box box = scene_lung(s, side);
    const struct pixels p = box_pixels(&box, s->size);

    for (size_t row = p.y0; row < p.y1; row++) {
        float *air = s->air.values + row * s->size;
        const float y = pixel_centre(row, s->size);
        const float tip = 0.62f + 0.38f * ramp((y - c->apex) / 0.18f);

        for (size_t col = p.x0; col < p.x1; col++) {
            const float d = side_sign(side) * (pixel_centre(col, s->size) - c->midline);
            const float outer = (s->lateral[side][row] - d) / (0.32f * c->half_width);
            const float inner = (d - s->medial[side][row]) / 0.03f, below = (s->floor[col] - y) / 0.007f;

            if (outer > 0 && inner > 0 && below > 0)
                air[col] = tip * sqrtf(1 - square(1 - fminf(outer, 1))) * ramp(inner) * ramp(below) *
                           ramp(outer * 8);
        }
    }
}

void scene_draw_chest(struct scene *s, struct rng *r)
{
    memset(s->tissue.values, 0, 4 * s->size * s->size * sizeof *s->tissue.values); /* all four layers */
    measure_lungs(s);
    fill_with_air(s, SIDE_RIGHT);
    fill_with_air(s, SIDE_LEFT);
    draw_soft_tissue(s);
    draw_bones(s);
    draw_vessels(s, r);
}

static struct spot spot_at(const struct scene *s, int side, size_t row, size_t col)
{
    const struct chest *c = &s->chest;
    const float inner = s->medial[side][row], outer = s->lateral[side][row];
    struct spot p = { .side = side, .x = pixel_centre(col, s->size), .y = pixel_centre(row, s->size) };
    const float d = side_sign(side) * (p.x - c->midline);

    p.u = (d - inner) / (outer - inner + 1e-6f);
    p.v = (p.y - c->apex) / (s->floor[col] - c->apex);
    p.rim = outer - d;
    return p;
}

struct box scene_paint(struct scene *s, struct plane *target, const struct box *where, enum blend how,
                       float (*pattern)(const struct scene *, const struct spot *, const void *),
                       const void *arg)
{
    const float present = 0.02f, visible = 0.08f, pixel = 1 / (float)s->size;
    const struct pixels p = box_pixels(where, s->size);
    struct box seen = { 0 };

    for (size_t row = p.y0; row < p.y1; row++)
        for (size_t col = p.x0; col < p.x1; col++) {
            const size_t i = row * s->size + col;
            const int side = pixel_centre(col, s->size) < s->chest.midline ? SIDE_RIGHT : SIDE_LEFT;
            struct spot spot;
            float a;

            if (s->air.values[i] < present)
                continue;
            spot = spot_at(s, side, row, col);
            a = pattern(s, &spot, arg);
            target->values[i] = blend(target->values[i], a, how);
            if (fabsf(a) * s->air.values[i] > visible)
                box_add(&seen, (float)col * pixel, (float)row * pixel, (float)(col + 1) * pixel,
                        (float)(row + 1) * pixel);
        }
    return seen;
}
