/* jobs/phantom/chest.c - the anatomy of a patient: proportions of a frontal radiograph, varied. */
#include "chest.h"

#include <math.h>

static bool chance(struct rng *r, float p) { return rng_uniform(r, 0, 1) < p; }

void chest_draw(struct chest *c, bool male, unsigned age, struct rng *r)
{
    const float old = (float)(age < 95 ? age : 95) / 95; /* typing errors are no older than the oldest */
    const float bulk = rng_uniform(r, -1, 1);            /* slim to stout */

    *c = (struct chest){
        .midline = rng_uniform(r, 0.48f, 0.52f),
        .apex = rng_uniform(r, 0.08f, 0.17f),
        .half_width = rng_uniform(r, 0.330f, 0.390f) + (male ? 0.01f : 0),
        .wall = 0.055f + 0.025f * bulk,
        .bulk = 1.12f + 0.12f * bulk + rng_uniform(r, -0.06f, 0.06f),
        .arms = chance(r, 0.4f) ? rng_uniform(r, 0.02f, 0.06f) : 0,
        .heart = rng_uniform(r, 0.40f, 0.46f) + 0.02f * old,
        .heart_share = rng_uniform(r, 0.28f, 0.36f),
        .pedicle = rng_uniform(r, 0.060f, 0.075f),
        .knob = 0.026f + 0.016f * old + rng_uniform(r, -0.003f, 0.003f), /* the aorta unfolds with age */
        .rib_pitch = rng_uniform(r, 0.064f, 0.072f),
        .rib_half = rng_uniform(r, 0.0105f, 0.0135f),
        .rib_drop = rng_uniform(r, 0.8f, 1.2f),
        .bone = rng_uniform(r, 0.85f, 1.15f) * (1.1f - 0.25f * old),
        .clavicle = rng_uniform(r, 0.03f, 0.09f),
        .lucency = rng_uniform(r, 0.95f, 1.03f),
        .markings = rng_uniform(r, 0.85f, 1.15f),
        .breast = male ? 0 : rng_uniform(r, 0.0f, 0.17f),
        .gas = chance(r, 0.5f) ? rng_uniform(r, 0.025f, 0.055f) : 0,
    };
    c->shoulder = c->apex - rng_uniform(r, 0.045f, 0.10f);
    c->dome[SIDE_RIGHT] = rng_uniform(r, 0.66f, 0.76f);
    c->dome[SIDE_LEFT] =
        c->dome[SIDE_RIGHT] + rng_uniform(r, 0.005f, 0.035f); /* the liver lifts the right one */
    for (int side = 0; side < N_SIDES; side++)
        c->sulcus[side] = rng_uniform(r, 0.08f, 0.12f);
}

void chest_pose(struct chest *c, bool ap, struct rng *r)
{
    const float scale = rng_uniform(r, 0.97f, 1.03f);
    const float up = rng_uniform(r, -0.02f, 0.02f);
    const float breath = rng_uniform(r, -0.015f, 0.015f) - (ap ? 0.02f : 0);

    c->midline += rng_uniform(r, -0.015f, 0.015f);
    c->apex += up;
    c->shoulder += up;
    c->half_width *= scale;
    c->heart *= ap ? 1.05f : 1.0f;
    for (int side = 0; side < N_SIDES; side++)
        c->dome[side] += breath + rng_uniform(r, -0.006f, 0.006f);
}

float chest_base(const struct chest *c, int side) { return c->dome[side] + c->sulcus[side]; }

float chest_lateral(const struct chest *c, int side, float y)
{
    const float v = (y - c->apex) / (chest_base(c, side) - c->apex);

    if (v <= 0)
        return 0;
    if (v >= 1)
        return c->half_width;
    return c->half_width * (0.40f + 0.60f * powf(1 - powf(1 - v, 2.4f), 0.62f));
}

float chest_medial(const struct chest *c, int side, float y)
{
    const float v = (y - c->apex) / (chest_base(c, side) - c->apex);

    return c->half_width * fmaxf(0.12f, 0.40f - 0.75f * sqrtf(fmaxf(v, 0)));
}

float chest_floor(const struct chest *c, int side, float d)
{
    const float t = d / c->half_width, top = 0.42f, middle = (c->dome[0] + c->dome[1]) / 2;

    if (t < top) /* both domes meet behind the heart */
        return c->dome[side] + (middle + 0.03f - c->dome[side]) * square((top - t) / top);
    return c->dome[side] + c->sulcus[side] * powf((t - top) / (1 - top), 2.4f);
}

struct point chest_hilum(const struct chest *c, int side)
{
    const float height =
        0.46f - (side == SIDE_LEFT ? 0.03f : 0); /* the left bronchus passes over its artery */

    return (struct point){ c->midline + side_sign(side) * 0.075f,
                           c->apex + height * (c->dome[side] - c->apex) };
}

struct box chest_heart_box(const struct chest *c)
{
    const float width = c->heart * 2 * c->half_width;
    const float top = c->apex + 0.38f * (c->dome[SIDE_LEFT] - c->apex);

    return (struct box){ c->midline - c->heart_share * width, top, c->midline + (1 - c->heart_share) * width,
                         c->dome[SIDE_LEFT] + 0.03f };
}

/* The left border runs from the pulmonary trunk down and out to the apex, which lies on the diaphragm; the right
 * one is the atrium's even curve. */
float chest_heart(const struct chest *c, int side, float y)
{
    const struct box box = chest_heart_box(c);
    const float w = (y - box.y0) / (box.y1 - box.y0), pedicle = 0.8f * c->pedicle;
    const float out = side == SIDE_RIGHT ? c->midline - box.x0 : box.x1 - c->midline;
    const float most = fmaxf(out - pedicle, 0.01f);

    if (w <= 0 || w >= 1)
        return 0;
    if (side == SIDE_RIGHT)
        return pedicle + most * sinf(3.1416f * fminf(w * 1.15f, 1)) * ramp(w * 4) * 1.05f -
               0.3f * most * square(w);
    return pedicle + most * (1 - powf(1 - fminf(w / 0.85f, 1), 1.7f)) -
           1.2f * most * square(square(fmaxf(w - 0.55f, 0) / 0.45f));
}
