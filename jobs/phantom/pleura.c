/* jobs/phantom/pleura.c - findings of the pleura and the mediastinum: fluid, air and rinds between lung and chest
 * wall, collapse, and a stomach behind the heart. */
#include "lesion.h"

#include <math.h>

struct plates {
    int n, side;
    struct point at[3], along[3]; /* centre, direction */
    float length[3], half[3], density;
};

/* Atelectasis, plates: airless bands that cross the lower lung. */
static float plates_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct plates *k = arg;
    float a = 0;

    (void)s;
    for (int i = 0; i < k->n && p->side == k->side; i++) {
        const float dx = p->x - k->at[i].x, dy = p->y - k->at[i].y;
        const float along = dx * k->along[i].x + dy * k->along[i].y;
        const float across = fabsf(dx * k->along[i].y - dy * k->along[i].x);

        a = fmaxf(a, ramp((k->length[i] - fabsf(along)) / 0.06f) * ramp((k->half[i] - across) / 0.008f));
    }
    return k->density * a;
}

static void paint_plates(struct lesion *l, struct scene *s)
{
    struct plates k = { .n = 2 + (int)rng_below(&l->rng, 2),
                        .side = l->side,
                        .density = graded(l, 0.60f, 0.85f) };
    const struct box lung = scene_lung(s, l->side);

    for (int i = 0; i < k.n; i++) {
        const float angle = rng_uniform(&l->rng, -0.35f, 0.35f);

        k.at[i] = lung_place(l, s, l->side, &(struct region){ 0.3f, 0.75f, 0.45f, 0.92f }, 0.03f);
        k.along[i] = (struct point){ cosf(angle), sinf(angle) };
        k.length[i] = rng_uniform(&l->rng, 0.08f, 0.14f);
        k.half[i] = rng_uniform(&l->rng, 0.009f, 0.015f);
    }
    l->box = scene_paint(s, &s->fill, &lung, BLEND_FILL, plates_at, &k);
}

struct collapse {
    float density, top, bottom, width; /* of a triangle between hilum and diaphragm, beside the spine */
    int side;
};

/* Atelectasis, lobar: the lower lobe has shrunk to a dense triangle with a straight outer border. */
static float collapse_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct collapse *k = arg;
    const float d = side_sign(p->side) * (p->x - s->chest.midline);
    const float border = 0.05f + k->width * (p->y - k->top) / (k->bottom - k->top);

    if (p->side != k->side || p->y < k->top)
        return 0;
    return k->density * ramp((border - d) / 0.012f) * ramp((p->y - k->top) / 0.05f);
}

void paint_atelectasis(struct lesion *l, struct scene *s)
{
    const struct chest *c = &s->chest;
    const float heart = chest_heart(c, l->side, c->dome[l->side] - 0.03f);
    const struct collapse k = { .density = graded(l, 0.8f, 0.95f),
                                .top = chest_hilum(c, l->side).y + 0.02f,
                                .bottom = c->dome[l->side],
                                .width = fmaxf(heart - 0.03f, 0.06f) + rng_uniform(&l->rng, 0.02f, 0.06f),
                                .side = l->side };
    const struct box lung = scene_lung(s, l->side);

    if (!l->variant) {
        paint_plates(l, s);
        return;
    }
    l->box = scene_paint(s, &s->fill, &lung, BLEND_FILL, collapse_at, &k);
    scene_paint(s, &s->tissue, &lung, BLEND_ADD, collapse_at,
                &(struct collapse){ 0.15f, k.top, k.bottom, k.width, k.side });
}

struct fluid {
    float level, rise; /* y of the surface in the middle of the lung; how much higher it stands at the wall */
    int side;
};

/* Effusion: fluid fills the costophrenic angle and climbs along the wall, so its surface is hollow. */
static float fluid_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct fluid *k = arg;

    (void)s;
    if (p->side != k->side)
        return 0;
    return 0.97f * ramp((p->y - k->level + k->rise * square(p->u) * p->u) / 0.02f);
}

void paint_effusion(struct lesion *l, struct scene *s)
{
    const int n = l->variant ? N_SIDES : 1;

    for (int i = 0; i < n; i++) {
        const int side = i == 0 ? l->side : 1 - l->side;
        const float depth = graded(l, 0.03f, 0.16f) * (i == 0 ? 1 : rng_uniform(&l->rng, 0.4f, 1));
        const struct fluid k = { chest_base(&s->chest, side) - 0.055f - depth,
                                 rng_uniform(&l->rng, 0.05f, 0.09f), side };
        const struct box lung = scene_lung(s, side);
        const struct box seen = scene_paint(s, &s->fill, &lung, BLEND_FLOOD, fluid_at, &k);

        if (seen.x0 < seen.x1)
            box_add(&l->box, seen.x0, seen.y0, seen.x1, seen.y1);
    }
}

struct rind {
    float thick, from, to, phase;
    int side;
    bool cap;
};

/* Pleural thickening: a dense rim of uneven width along the wall, or a cap on the apex. */
static float rind_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct rind *k = arg;
    const float uneven = 1 + 0.35f * texture_at(&s->texture, 18 * p->x + k->phase, 18 * p->y);
    const float edge = k->cap ? p->y - s->chest.apex : p->rim;
    const float along = k->cap ? 1 : ramp((p->v - k->from) / 0.08f) * ramp((k->to - p->v) / 0.08f);

    if (p->side != k->side)
        return 0;
    return along * ramp((k->thick * uneven - edge) / 0.008f + 0.5f);
}

static float rind_density(const struct scene *s, const struct spot *p, const void *arg)
{
    return 0.25f * rind_at(s, p, arg); /* it is denser than the wall it lies on */
}

void paint_pleural_thickening(struct lesion *l, struct scene *s)
{
    const float from = rng_uniform(&l->rng, 0.12f, 0.40f);
    const struct rind k = { .thick = l->variant ? graded(l, 0.035f, 0.065f) : graded(l, 0.022f, 0.038f),
                            .from = from,
                            .to = from + rng_uniform(&l->rng, 0.35f, 0.55f),
                            .phase = rng_uniform(&l->rng, 0, 40),
                            .side = l->side,
                            .cap = l->variant };
    const struct box lung = scene_lung(s, l->side);

    l->box = scene_paint(s, &s->fill, &lung, BLEND_FLOOD, rind_at, &k);
    scene_paint(s, &s->tissue, &lung, BLEND_ADD, rind_density, &k);
}

struct gap {
    float width, end; /* of the space at the apex; v where lung and wall meet again */
    int side;
};

/* Distance from the collapsed lung's edge into the free space; negative inside the lung. */
static float into_gap(const struct scene *s, const struct spot *p, const struct gap *k)
{
    const float above = 0.8f * (p->y - s->chest.apex), corner = 0.12f;
    const float near = fmaxf(corner - fabsf(p->rim - above), 0);
    const float wall = fminf(p->rim, above) - near * near / (4 * corner); /* round the corner between both */

    return k->width * ramp((k->end - p->v) / 0.45f) - wall;
}

/* Pneumothorax: beyond the lung's edge there are no vessels … */
static float gap_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct gap *k = arg;

    return p->side == k->side ? ramp(into_gap(s, p, k) / 0.004f) : 0;
}

/* … and more air than lung … */
static float gap_air(const struct scene *s, const struct spot *p, const void *arg)
{
    return -0.17f * gap_at(s, p, arg);
}

/* … the edge itself is a fine white line, and the lung within it denser. */
static float gap_edge(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct gap *k = arg;
    const float into = into_gap(s, p, k);

    if (p->side != k->side)
        return 0;
    return 0.06f * (1 - ramp(into / 0.004f)) + (p->v < k->end ? 0.20f * (1 - ramp(fabsf(into) / 0.005f)) : 0);
}

void paint_pneumothorax(struct lesion *l, struct scene *s)
{
    const struct gap k = { .width = l->variant ? graded(l, 0.10f, 0.17f) : graded(l, 0.05f, 0.10f),
                           .end = l->variant ? rng_uniform(&l->rng, 1.2f, 1.6f)
                                             : rng_uniform(&l->rng, 0.6f, 1.0f),
                           .side = l->side };
    const struct box lung = scene_lung(s, l->side);

    l->box = scene_paint(s, &s->lines, &lung, BLEND_FADE, gap_at, &k);
    scene_paint(s, &s->fill, &lung, BLEND_ADD, gap_air, &k);
    scene_paint(s, &s->tissue, &lung, BLEND_ADD, gap_edge, &k);
}

/* Hernia: part of the stomach in the chest, a round shadow behind the heart with air above fluid in it. */
void paint_hernia(struct lesion *l, struct scene *s)
{
    const struct chest *c = &s->chest;
    const float radius = graded(l, 0.055f, 0.090f), level = rng_uniform(&l->rng, -0.1f, 0.3f);
    const struct blob sac = { c->midline + rng_uniform(&l->rng, -0.01f, 0.05f),
                              c->dome[SIDE_LEFT] - rng_uniform(&l->rng, 0.02f, 0.06f),
                              1.15f * radius,
                              radius,
                              0,
                              PROFILE_DISC,
                              0.010f };
    struct plane *lines = &s->lines;
    const struct box box = blob_box(&sac);
    const struct pixels p = box_pixels(&box, s->size);

    draw_blob(&s->tissue, &sac, 0.22f, BLEND_ADD);
    for (size_t row = p.y0; row < p.y1; row++) /* the gas: the sac's inside above a level line */
        for (size_t col = p.x0; col < p.x1; col++) {
            const float dx = (pixel_centre(col, s->size) - sac.x) / (0.82f * sac.rx);
            const float dy = (pixel_centre(row, s->size) - sac.y) / (0.82f * sac.ry);
            const float gas = ramp((1 - sqrtf(dx * dx + dy * dy)) / 0.22f) * ramp((level - dy) / 0.10f);

            s->tissue.values[row * s->size + col] -= 0.50f * gas;
            lines->values[row * s->size + col] *= 1 - gas;
        }
    l->box = box;
}
