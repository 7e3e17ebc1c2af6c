/* jobs/phantom/film.c - from attenuation to grey values: the way of the beam, the film's curve, grain. */
#include "chest.h"

#include <math.h>
#include <string.h>

/* All along the beam: tissue, less the air that is left in the lungs, and what is drawn inside them. */
static void expose(struct scene *s)
{
    const struct chest *c = &s->chest;
    const float contrast = 0.86f * c->lucency;

    for (size_t row = 0; row < s->size; row++) {
        const float y = pixel_centre(row, s->size);

        for (size_t col = 0; col < s->size; col++) {
            const size_t i = row * s->size + col;
            const float air = s->air.values[i], x = pixel_centre(col, s->size);
            float left, grain;

            if (air <= 0)
                continue;
            grain = 0.03f * (texture_at(&s->texture, 75 * x, 75 * y) +
                             texture_at(&s->texture, 160 * x + 9, 160 * y + 5)); /* lobules */
            left = air * (1 - s->fill.values[i]);
            s->tissue.values[i] += c->markings * s->lines.values[i] * ramp(air * 3) *
                                       (1 - 0.7f * fminf(fmaxf(s->fill.values[i], 0), 1)) -
                                   contrast * left * (1 + grain);
        }
    }
}

/* The film darkens with what passes through: bright where little does. */
enum { CURVE_STEPS = 1024 };
struct curve {
    float grey[CURVE_STEPS + 2]; /* of attenuations 0..4 */
};

static void curve_draw(struct curve *k, bool ap, struct rng *r)
{
    const float exposure = rng_uniform(r, 0.85f, 1.10f) * (ap ? 0.93f : 1.0f);
    const float gamma = rng_uniform(r, 0.90f, 1.12f), base = rng_uniform(r, 2, 10);
    const float white = rng_uniform(r, 236, 255) - (ap ? 8.0f : 0.0f);

    for (size_t i = 0; i < CURVE_STEPS + 2; i++) {
        const float attenuation = 4 * (float)i / CURVE_STEPS;

        k->grey[i] = base + (white - base) * powf(1 - expf(-exposure * attenuation), gamma);
    }
}

static float curve_at(const struct curve *k, float attenuation)
{
    const float at = fminf(fmaxf(attenuation, 0), 4) * (CURVE_STEPS / 4.0f);
    const size_t i = (size_t)at;

    return k->grey[i] + (at - (float)i) * (k->grey[i + 1] - k->grey[i]);
}

/* About normal, mean 0, variance 1: the sum of four uniform numbers from one draw. */
static float grain_draw(struct rng *r)
{
    const uint64_t bits = rng_next(r);
    const int sum =
        (int)(bits & 0xffff) + (int)(bits >> 16 & 0xffff) + (int)(bits >> 32 & 0xffff) + (int)(bits >> 48);

    return (float)(sum - 2 * 0xffff) * (1.7320508f / 65536);
}

struct turn {
    float cosine, sine;
};

static struct point turn_at(const struct turn *t, float x, float y)
{
    return (struct point){ 0.5f + (x - 0.5f) * t->cosine - (y - 0.5f) * t->sine,
                           0.5f + (x - 0.5f) * t->sine + (y - 0.5f) * t->cosine };
}

/* Between the four pixels around a place; the picture's rim goes on beyond it. */
static float sample(const struct plane *l, struct point at)
{
    const float last = (float)(l->size - 1);
    const float x = fminf(fmaxf(at.x * (float)l->size - 0.5f, 0), last - 0.001f);
    const float y = fminf(fmaxf(at.y * (float)l->size - 0.5f, 0), last - 0.001f);
    const size_t ix = (size_t)x, iy = (size_t)y;
    const float fx = x - (float)ix, fy = y - (float)iy, *v = l->values + iy * l->size + ix;
    const float top = v[0] + fx * (v[1] - v[0]), bottom = v[l->size] + fx * (v[l->size + 1] - v[l->size]);

    return top + fy * (bottom - top);
}

static void turn_box(struct box *b, const struct turn *back)
{
    const struct box from = *b;
    struct box to = { 0 };

    if (from.x0 >= from.x1)
        return;
    for (int corner = 0; corner < 4; corner++) {
        const struct point p = turn_at(back, corner & 1 ? from.x1 : from.x0, corner & 2 ? from.y1 : from.y0);

        box_add(&to, p.x, p.y, p.x + 1e-6f, p.y + 1e-6f);
    }
    *b = (struct box){ fmaxf(to.x0, 0), fmaxf(to.y0, 0), fminf(to.x1, 1), fminf(to.y1, 1) };
}

/* The leaden L that tells the sides apart, somewhere beyond the patient's left shoulder. */
static void draw_marker(struct scene *s, struct rng *r)
{
    const float x = rng_uniform(r, 0.86f, 0.95f), y = rng_uniform(r, 0.02f, 0.16f), half = 0.005f;
    const struct point top = { x, y }, corner = { x, y + 0.045f }, end = { x + 0.025f, y + 0.045f };

    draw_stroke(&s->tissue, top, corner, half, half, 4);
    draw_stroke(&s->tissue, corner, end, half, half, 4);
}

void scene_develop(struct scene *s, bool ap, struct rng *r, uint8_t *grey, struct box *boxes, size_t n_boxes)
{
    const float angle = rng_uniform(r, -0.035f, 0.035f);
    const struct turn turn = { cosf(angle), sinf(angle) }, back = { turn.cosine, -turn.sine };
    const float grain = rng_uniform(r, 1.2f, 2.6f) * sqrtf((float)s->size / 256);
    struct curve curve;

    curve_draw(&curve, ap, r);
    expose(s);
    draw_marker(s, r);
    for (size_t row = 0; row < s->size; row++)
        for (size_t col = 0; col < s->size; col++) {
            const struct point at = turn_at(&turn, pixel_centre(col, s->size), pixel_centre(row, s->size));
            const float value = curve_at(&curve, sample(&s->tissue, at)) + grain * grain_draw(r);

            grey[row * s->size + col] = (uint8_t)fminf(fmaxf(value + 0.5f, 0), 255);
        }
    for (size_t i = 0; i < n_boxes; i++)
        turn_box(&boxes[i], &back);
}
