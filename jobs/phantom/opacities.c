/* jobs/phantom/opacities.c - findings that replace air in the lung: fluid, pus, scars, tumour. Each pattern says
 * which part of the air at a spot is gone. */
#include "lesion.h"

#include <math.h>

enum { MAX_PATCHES = 6 };

struct patch {
    float x, y, rx, ry;
};

struct haze {
    float density;
    size_t n_patches;
    struct patch patches[MAX_PATCHES];
    float phase; /* where in the texture */
};

/* Infiltration: patches without borders, that cotton-wool texture breaks up. */
static float haze_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct haze *h = arg;
    float a = 0;

    for (size_t i = 0; i < h->n_patches; i++) {
        const struct patch *k = &h->patches[i];
        const float q = square((p->x - k->x) / k->rx) + square((p->y - k->y) / k->ry);

        if (q < 1)
            a = fmaxf(a, square(1 - q));
    }
    if (a <= 0)
        return 0;
    return h->density * a * (0.75f + 0.5f * texture_at(&s->texture, 28 * p->x + h->phase, 28 * p->y));
}

void paint_infiltration(struct lesion *l, struct scene *s)
{
    struct haze h = { .density = graded(l, 0.45f, 0.68f), .phase = rng_uniform(&l->rng, 0, 40) };
    struct box where = { 0 };

    h.n_patches = 4 + (size_t)rng_below(&l->rng, MAX_PATCHES - 3);
    for (size_t i = 0; i < h.n_patches; i++) {
        const int side = l->variant && i % 2 ? 1 - l->side : l->side;
        const struct point at = lung_place(l, s, side, &(struct region){ 0.25f, 0.85f, 0.2f, 0.85f }, 0.05f);
        struct patch *k = &h.patches[i];

        *k = (struct patch){ at.x, at.y, rng_uniform(&l->rng, 0.08f, 0.13f),
                             rng_uniform(&l->rng, 0.08f, 0.13f) };
        box_add(&where, k->x - k->rx, k->y - k->ry, k->x + k->rx, k->y + k->ry);
    }
    l->box = scene_paint(s, &s->fill, &where, BLEND_FILL, haze_at, &h);
}

enum { BRONCHI = 4 };

struct lobe {
    float density, top, bottom, slope; /* v of the lobe's borders; tilt of the fissure */
    float medial, lateral;             /* u of its borders */
    bool fissure_below;                /* which border is the sharp one */
    int side;
    struct point hilum;
    float bronchus[BRONCHI][2]; /* directions */
};

/* Air in the bronchi stays where the lobe around them is full: dark branches in the white. */
static float bronchogram(const struct lobe *k, const struct spot *p)
{
    const float dx = p->x - k->hilum.x, dy = p->y - k->hilum.y;
    float air = 0;

    for (size_t i = 0; i < BRONCHI; i++) {
        const float along = dx * k->bronchus[i][0] + dy * k->bronchus[i][1];
        const float across = dx * k->bronchus[i][1] - dy * k->bronchus[i][0];
        const float half = 0.007f - 0.018f * along;

        if (along > 0 && half > 0.002f)
            air = fmaxf(air, ramp(1.5f - fabsf(across) / half));
    }
    return air;
}

/* Consolidation: a lobe full of fluid, dense and even, cut off sharply by its fissure. */
static float lobe_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct lobe *k = arg;
    const float v = p->v - k->slope * (p->u - 0.5f);
    const float sharp = 0.025f, soft = 0.14f;
    float a;

    (void)s;
    if (p->side != k->side)
        return 0;
    a = ramp((v - k->top) / (k->fissure_below ? soft : sharp)) *
        ramp((k->bottom - v) / (k->fissure_below ? sharp : soft)) * ramp((p->u - k->medial) / 0.15f) *
        ramp((k->lateral - p->u) / 0.15f);
    return a > 0 ? k->density * a * (1 - 0.5f * bronchogram(k, p)) : 0;
}

void paint_consolidation(struct lesion *l, struct scene *s)
{
    const float top = rng_uniform(&l->rng, 0.06f, 0.62f), height = rng_uniform(&l->rng, 0.28f, 0.40f);
    struct lobe k = { .density = graded(l, 0.72f, 0.92f),
                      .top = top,
                      .bottom = top + height,
                      .slope = rng_uniform(&l->rng, -0.12f, 0.12f),
                      .medial = rng_uniform(&l->rng, -0.15f, 0.20f),
                      .lateral = rng_uniform(&l->rng, 0.85f, 1.15f),
                      .fissure_below = top < 0.3f,
                      .side = l->side,
                      .hilum = chest_hilum(&s->chest, l->side) };
    const struct box lung = scene_lung(s, l->side);
    const struct point middle = lung_point(&s->chest, l->side, 0.5f, top + height / 2);
    const float towards = atan2f(middle.y - k.hilum.y, middle.x - k.hilum.x);

    for (size_t i = 0; i < BRONCHI; i++) {
        const float angle =
            towards + 0.38f * ((float)i - (BRONCHI - 1) / 2.0f) + rng_uniform(&l->rng, -0.1f, 0.1f);

        k.bronchus[i][0] = cosf(angle);
        k.bronchus[i][1] = sinf(angle);
    }
    l->box = scene_paint(s, &s->fill, &lung, BLEND_FILL, lobe_at, &k);
}

struct wedge {
    float density, from, to, half_angle;
    int side;
    struct point hilum, heading;
};

/* Pneumonia: one segment, a wedge with its tip at the hilum, grainy with the small nodules of filled acini. */
static float wedge_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct wedge *k = arg;
    const float dx = p->x - k->hilum.x, dy = p->y - k->hilum.y;
    const float along = dx * k->heading.x + dy * k->heading.y, across = dx * k->heading.y - dy * k->heading.x;
    const float angle = atan2f(fabsf(across), along);
    const float inside = ramp((k->half_angle - angle) / 0.22f) * ramp((along - k->from) / 0.06f) *
                         ramp((k->to - along) / 0.05f);
    float grain;

    if (p->side != k->side || inside <= 0)
        return 0;
    grain = mottle_at(&s->texture, 62, p->x, p->y);
    return k->density * inside * (0.30f + 0.70f * ramp(0.5f + 1.25f * grain));
}

void paint_pneumonia(struct lesion *l, struct scene *s)
{
    const struct region within = { 0.55f, 0.8f, 0.25f, 0.88f };
    const struct point target = lung_place(l, s, l->side, &within, 0.06f);
    struct wedge k = { .density = graded(l, 0.65f, 0.88f),
                       .half_angle = rng_uniform(&l->rng, 0.45f, 0.65f),
                       .side = l->side,
                       .hilum = chest_hilum(&s->chest, l->side) };
    const struct box lung = scene_lung(s, l->side);
    const float reach = hypotf(target.x - k.hilum.x, target.y - k.hilum.y);

    k.heading = (struct point){ (target.x - k.hilum.x) / reach, (target.y - k.hilum.y) / reach };
    k.from = reach - rng_uniform(&l->rng, 0.10f, 0.14f);
    k.to = reach + rng_uniform(&l->rng, 0.08f, 0.13f);
    l->box = scene_paint(s, &s->fill, &lung, BLEND_FILL, wedge_at, &k);
}

struct wings {
    float density, rx, ry;
};

/* Edema: a haze around both hila like a bat's wings, the outer third of the lungs free. */
static float wings_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct wings *k = arg;
    const struct point hilum = chest_hilum(&s->chest, p->side);
    const float q = square((p->x - hilum.x) / k->rx) + square((p->y - hilum.y - 0.03f) / k->ry);
    const float edge = 1 - ramp((p->u - 0.60f) / 0.35f);

    return k->density * expf(-q) * edge * (0.85f + 0.3f * texture_at(&s->texture, 24 * p->x, 24 * p->y));
}

/* Kerley B: short level lines at the bases' walls, the lymphatics of thickened septa. */
static void draw_kerley(struct lesion *l, struct scene *s, int side)
{
    const int n = 6 + (int)rng_below(&l->rng, 5);

    for (int i = 0; i < n; i++) {
        const struct point wall = lung_point(&s->chest, side, 0.96f, 0.66f + 0.028f * (float)i);
        const struct point end = { wall.x - side_sign(side) * rng_uniform(&l->rng, 0.02f, 0.035f),
                                   wall.y + rng_uniform(&l->rng, -0.003f, 0.003f) };

        draw_stroke(&s->lines, wall, end, 0.0016f, 0.0016f, 0.28f);
    }
}

void paint_edema(struct lesion *l, struct scene *s)
{
    const struct wings k = { graded(l, 0.48f, 0.72f), rng_uniform(&l->rng, 0.12f, 0.16f),
                             rng_uniform(&l->rng, 0.15f, 0.21f) };

    for (int side = 0; side < N_SIDES; side++) {
        const struct box lung = scene_lung(s, side);
        const struct box seen = scene_paint(s, &s->fill, &lung, BLEND_FILL, wings_at, &k);

        box_add(&l->box, seen.x0, seen.y0, seen.x1, seen.y1);
        draw_kerley(l, s, side);
    }
}

struct net {
    float density, from, cells;
};

/* Fibrosis: a net of coarse lines at the bases and along the wall, honeycomb where it is marked. */
static float net_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct net *k = arg;
    const float reach = ramp((p->v - k->from) / 0.25f) * (0.35f + 0.65f * ramp((p->u - 0.2f) / 0.5f));
    float mesh, line;

    if (reach <= 0)
        return 0;
    mesh = mottle_at(&s->texture, k->cells, p->x, p->y);
    line = 1 - ramp(fabsf(mesh) / 0.33f);
    return k->density * reach * (0.15f + 0.85f * line);
}

void paint_fibrosis(struct lesion *l, struct scene *s)
{
    const struct net k = { graded(l, 0.45f, 0.70f), rng_uniform(&l->rng, 0.35f, 0.6f),
                           rng_uniform(&l->rng, 42, 60) };

    for (int side = 0; side < N_SIDES; side++) {
        const struct box lung = scene_lung(s, side);
        const struct box seen = scene_paint(s, &s->fill, &lung, BLEND_FILL, net_at, &k);

        box_add(&l->box, seen.x0, seen.y0, seen.x1, seen.y1);
    }
}

struct tumour {
    struct point at;
    float density, more; /* part of the air replaced; attenuation beyond that of fluid */
    float radius, lobulation, phase;
};

/* A solid ball; the larger, the less round. */
static float tumour_at(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct tumour *k = arg;
    const float cells = 1.3f / k->radius;
    const float bump = texture_at(&s->texture, cells * p->x + k->phase, cells * p->y);
    const float q = hypotf(p->x - k->at.x, p->y - k->at.y) / (k->radius * (1 + k->lobulation * bump));

    return q < 1 ? k->density * ramp((1 - q) / 0.25f) * (0.6f + 0.4f * sqrtf(1 - q * q)) : 0;
}

static float tumour_density(const struct scene *s, const struct spot *p, const void *arg)
{
    const struct tumour *k = arg;

    return k->more * tumour_at(s, p, arg);
}

static void paint_tumour(struct lesion *l, struct scene *s, struct tumour k)
{
    const struct region within = { 0.2f, 0.82f, 0.14f, 0.70f }; /* more often above than below, as in life */
    struct box where;

    k.at = lung_place(l, s, l->side, &within, k.radius);
    where = box_around(k.at, 1.3f * k.radius, 1.3f * k.radius);
    l->box = scene_paint(s, &s->fill, &where, BLEND_FILL, tumour_at, &k);
    scene_paint(s, &s->tissue, &where, BLEND_ADD, tumour_density, &k);
}

/* Mass: more than 3 cm across, which is 0.075 of a picture 40 cm wide; it attenuates like the heart. */
void paint_mass(struct lesion *l, struct scene *s)
{
    paint_tumour(l, s,
                 (struct tumour){ .density = rng_uniform(&l->rng, 0.80f, 0.97f),
                                  .more = 0.22f,
                                  .radius = graded(l, 0.048f, 0.088f),
                                  .lobulation = 0.22f,
                                  .phase = rng_uniform(&l->rng, 0, 40) });
}

/* Nodule: smaller, and round. Many hold calcium, which makes them the brightest spots of a lung. */
void paint_nodule(struct lesion *l, struct scene *s)
{
    paint_tumour(l, s,
                 (struct tumour){ .density = rng_uniform(&l->rng, 0.80f, 0.97f),
                                  .more = rng_uniform(&l->rng, 0.25f, 0.45f),
                                  .radius = graded(l, 0.026f, 0.0365f),
                                  .lobulation = 0.05f,
                                  .phase = rng_uniform(&l->rng, 0, 40) });
}
