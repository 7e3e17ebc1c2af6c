/* jobs/phantom/soft.c - soft tissue: chest wall, shoulders, abdomen, mediastinum, heart, breasts. */
#include "chest.h"

#include <math.h>

/* How much of the body lies above a place: the round neck, and shoulders that slope away from it. */
static float covered_above(const struct chest *c, float d, float y)
{
    const float out = d - 0.085f, slope = c->shoulder + 0.30f * out * (0.4f + out);
    const float neck = ramp((0.125f - d) / 0.07f), shoulders = ramp((y - slope) / 0.045f);

    return 1 - (1 - neck) * (1 - shoulders);
}

/* Half the body's width: ribs and wall, arms merging into it above the armpit. */
static float skin_beside(const struct chest *c, float y)
{
    return c->half_width + c->wall + 0.40f * square(ramp((0.56f - y) / 0.34f));
}

static void draw_body(struct scene *s)
{
    const struct chest *c = &s->chest;

    for (size_t row = 0; row < s->size; row++) {
        const float y = pixel_centre(row, s->size), beside = skin_beside(c, y);
        float *tissue = s->tissue.values + row * s->size;

        for (size_t col = 0; col < s->size; col++) {
            const float d = fabsf(pixel_centre(col, s->size) - c->midline);
            const int side = pixel_centre(col, s->size) < c->midline ? SIDE_RIGHT : SIDE_LEFT;
            const float trunk = ramp((beside - d) / 0.07f), arm = d - beside - c->arms;
            const float above = covered_above(c, d, y);
            const float inside = ramp((c->half_width + 0.02f - d) / 0.08f);
            const float out = ramp((d - c->half_width) / 0.20f), girdle = ramp((0.48f - y) / 0.25f);
            const float under = (y - s->floor[col]) / 0.006f + 0.5f;

            tissue[col] = c->bulk * trunk * (0.72f + 0.28f * fmaxf(inside, girdle) - 0.18f * out);
            if (c->arms > 0 && arm > 0)
                tissue[col] += 0.75f * ramp(arm / 0.03f);
            tissue[col] *= above;
            if (under > 0) /* liver, spleen and bowel instead of lung */
                tissue[col] +=
                    0.55f * inside * ramp(under) * (0.8f + 0.2f * ramp((y - c->dome[side]) / 0.12f));
        }
    }
}

/* The mediastinum, as a mask in s->lines: vessels above, the heart below. */
static void mask_mediastinum(struct scene *s)
{
    const struct chest *c = &s->chest;

    for (size_t row = 0; row < s->size; row++) {
        const float y = pixel_centre(row, s->size);
        const float pedicle = c->pedicle * (0.70f + 0.22f * ramp((y - c->apex) / 0.12f));
        const float heart[N_SIDES] = { chest_heart(c, SIDE_RIGHT, y), chest_heart(c, SIDE_LEFT, y) };

        for (size_t col = 0; col < s->size; col++) {
            const float x = pixel_centre(col, s->size), d = fabsf(x - c->midline);
            const float chamber = heart[x < c->midline ? SIDE_RIGHT : SIDE_LEFT] - d;

            s->lines.values[row * s->size + col] =
                fmaxf(ramp((pedicle - d) / 0.028f), ramp(chamber / 0.022f));
        }
    }
}

/* Heart and great vessels overlap: their union is drawn once. Where they are there is less lung. */
static void draw_mediastinum(struct scene *s)
{
    const struct chest *c = &s->chest;
    const float arch = c->apex + 0.27f * (c->dome[SIDE_LEFT] - c->apex), hilum = chest_hilum(c, SIDE_LEFT).y;
    const struct blob vessels[] = {
        { c->midline + 0.040f, arch, c->knob, c->knob, 0, PROFILE_DISC, 0.015f }, /* aortic knob */
        { c->midline + 0.038f, hilum - 0.01f, 0.034f, 0.060f, -0.3f, PROFILE_DISC,
          0.020f },                                                                     /* pulmonary trunk */
        { c->midline - 0.040f, arch + 0.03f, 0.030f, 0.120f, 0, PROFILE_DISC, 0.020f }, /* vena cava */
    };

    mask_mediastinum(s);
    for (size_t i = 0; i < sizeof vessels / sizeof *vessels; i++)
        draw_blob(&s->lines, &vessels[i], 1, BLEND_MAX);
    for (size_t i = 0; i < s->size * s->size; i++) {
        s->tissue.values[i] += 0.20f * s->lines.values[i];
        s->air.values[i] *= 1 - 0.82f * s->lines.values[i];
        s->lines.values[i] = 0;
    }
}

/* Windpipe and main bronchi: columns of air in the mediastinum. */
static void draw_airways(struct scene *s)
{
    const struct chest *c = &s->chest;
    const float carina = c->apex + 0.36f * (c->dome[SIDE_RIGHT] - c->apex);

    draw_stroke(&s->lines, (struct point){ c->midline, -0.05f },
                (struct point){ c->midline - 0.006f, carina }, 0.020f, 0.018f, 0.22f);
    for (int side = 0; side < N_SIDES; side++) {
        const struct point hilum = chest_hilum(c, side);

        draw_stroke(&s->lines, (struct point){ c->midline - 0.006f, carina }, hilum, 0.014f, 0.010f, 0.09f);
    }
    for (size_t i = 0; i < s->size * s->size; i++) {
        s->tissue.values[i] -= s->lines.values[i];
        s->lines.values[i] = 0;
    }
}

static void draw_breasts(struct scene *s)
{
    const struct chest *c = &s->chest;

    for (int side = 0; side < N_SIDES && c->breast > 0.06f; side++) {
        const struct blob b = { c->midline + side_sign(side) * 0.62f * c->half_width,
                                c->dome[side] - 0.02f,
                                1.15f * c->breast,
                                c->breast,
                                0,
                                PROFILE_BALL,
                                0 };

        draw_blob(&s->tissue, &b, 1.3f * c->breast, BLEND_ADD);
    }
}

static void draw_stomach(struct scene *s)
{
    const struct chest *c = &s->chest;
    const struct blob bubble = { c->midline + 0.45f * c->half_width,
                                 c->dome[SIDE_LEFT] + 0.02f + c->gas,
                                 1.4f * c->gas,
                                 c->gas,
                                 0.15f,
                                 PROFILE_BALL,
                                 0 };

    if (c->gas > 0)
        draw_blob(&s->tissue, &bubble, -0.35f, BLEND_ADD);
}

void draw_soft_tissue(struct scene *s)
{
    draw_body(s);
    draw_mediastinum(s);
    draw_airways(s);
    draw_breasts(s);
    draw_stomach(s);
}
