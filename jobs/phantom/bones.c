/* jobs/phantom/bones.c - ribs, spine, clavicles, shoulder blades and arms. */
#include "chest.h"

#include <math.h>

struct rib {
    float y, reach;   /* at the spine; midline to the chest wall */
    float drop, hook; /* how far it falls on the way; how sharply it turns at the wall */
};

/* Seen from the front, the back part of a rib runs outwards, rises a little and then falls to the wall. */
static float posterior_rib(const void *arg, float d)
{
    const struct rib *rib = arg;
    const float t = fminf(fmaxf(d / rib->reach, 0), 1.05f);

    return rib->y - 0.03f * t * (1 - t) + rib->drop * t * t + rib->hook * square(square(t * t));
}

/* The front part comes back from the wall and runs down to its cartilage. */
static float anterior_rib(const void *arg, float d)
{
    const struct rib *rib = arg;
    const float t = fminf(fmaxf(1 - d / rib->reach, -0.05f), 1);

    return rib->y + rib->drop * sqrtf(fmaxf(t, 0)) * (1 - 0.25f * t);
}

static void draw_ribs(struct scene *s, int side)
{
    const struct chest *c = &s->chest;
    enum { N_RIBS = 10 };

    for (int k = 0; k < N_RIBS; k++) {
        const float fall = c->rib_drop * (0.025f + 0.012f * (float)k);
        struct rib rib = { .y = c->apex - 0.025f + c->rib_pitch * (float)k, .drop = fall, .hook = 0.03f };
        struct band band = { c->midline, side_sign(side), 0.035f, 0, c->rib_half, posterior_rib, &rib };
        const float wall_y = fmaxf(rib.y + rib.drop, c->apex + 0.03f);

        rib.reach = chest_lateral(c, side, wall_y) + 0.012f;
        band.to = rib.reach;
        draw_band(&s->lines, &band, 0.14f * c->bone);
        if (k < 1 || k > 6)
            continue;
        rib.y += rib.drop + 0.045f;
        rib.drop = 0.10f + 0.01f * (float)k;
        rib.reach = chest_lateral(c, side, rib.y) + 0.008f;
        band.from = 0.42f * rib.reach;
        band.to = rib.reach;
        band.at = anterior_rib;
        band.half = 0.9f * c->rib_half;
        draw_band(&s->lines, &band, 0.10f * c->bone);
    }
}

struct clavicle {
    float y, length, rise;
};

static float clavicle_line(const void *arg, float d)
{
    const struct clavicle *k = arg;
    const float t = d / k->length;

    return k->y - k->rise * t + 0.016f * sinf(6.2832f * t);
}

static void draw_clavicle(struct scene *s, int side)
{
    const struct chest *c = &s->chest;
    const struct clavicle bone = { c->apex + 0.085f, 0.40f, c->clavicle };
    const struct band band = { c->midline, side_sign(side), 0.035f, 0.40f, 0.0125f, clavicle_line, &bone };

    draw_band(&s->lines, &band, 0.24f * c->bone);
}

static void draw_shoulder(struct scene *s, int side)
{
    const struct chest *c = &s->chest;
    const float sign = side_sign(side), out = c->half_width + 0.02f;
    const struct point angle = { c->midline + sign * (out - 0.015f), c->apex + 0.36f };
    const struct point neck = { c->midline + sign * (out + 0.035f), c->apex + 0.05f };
    const struct point inner = { c->midline + sign * (out - 0.10f), c->apex + 0.07f };
    const struct point head = { c->midline + sign * (out + 0.095f), c->apex + 0.06f };
    const struct point elbow = { head.x + sign * 0.05f, head.y + 0.6f };

    draw_stroke(&s->lines, angle, neck, 0.010f, 0.016f, 0.12f * c->bone); /* the shoulder blade's margins */
    draw_stroke(&s->lines, angle, inner, 0.006f, 0.006f, 0.07f * c->bone);
    draw_stroke(&s->lines, head, head, 0.05f, 0.05f, 0.30f * c->bone);
    draw_stroke(&s->lines, head, elbow, 0.035f, 0.025f, 0.25f * c->bone);
}

/* Vertebral bodies with the discs between them, and the cortex of their edges; faint behind the heart. */
static void draw_spine(struct scene *s)
{
    const struct chest *c = &s->chest;
    const float half = 0.033f, pitch = 0.052f;

    for (size_t row = 0; row < s->size; row++) {
        const float y = pixel_centre(row, s->size);
        const float phase = (y - c->apex) / pitch, body = fabsf(phase - floorf(phase) - 0.5f) * 2;
        const float disc = 0.6f + 0.4f * ramp((0.85f - body) / 0.25f);

        for (size_t col = 0; col < s->size; col++) {
            const float d = fabsf(pixel_centre(col, s->size) - c->midline);

            if (d < half)
                s->tissue.values[row * s->size + col] += 0.10f * c->bone * ramp((half - d) / 0.008f) *
                                                         (disc + 0.3f * ramp((d - half + 0.009f) / 0.006f));
        }
    }
}

/* Strokes first, which unite, then what adds up; none of it outside the body. */
void draw_bones(struct scene *s)
{
    for (int side = 0; side < N_SIDES; side++)
        draw_shoulder(s, side);
    for (int side = 0; side < N_SIDES; side++) {
        draw_ribs(s, side);
        draw_clavicle(s, side);
    }
    draw_spine(s);
    for (size_t i = 0; i < s->size * s->size; i++) {
        s->tissue.values[i] += s->lines.values[i] * ramp(s->tissue.values[i] / 0.5f);
        s->lines.values[i] = 0;
    }
}
