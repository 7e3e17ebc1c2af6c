/* jobs/phantom/canvas.c - see canvas.h. */
#include "canvas.h"

#include <math.h>

static size_t pixel_cut(float at, size_t size)
{
    const float i = at * (float)size;

    return i <= 0 ? 0 : i >= (float)size ? size : (size_t)i;
}

struct pixels box_pixels(const struct box *b, size_t size)
{
    const float pixel = 1 / (float)size;

    return (struct pixels){ pixel_cut(b->x0, size), pixel_cut(b->y0, size), pixel_cut(b->x1 + pixel, size),
                            pixel_cut(b->y1 + pixel, size) };
}

void box_add(struct box *b, float x0, float y0, float x1, float y1)
{
    if (b->x0 >= b->x1) {
        *b = (struct box){ x0, y0, x1, y1 };
        return;
    }
    b->x0 = fminf(b->x0, x0);
    b->y0 = fminf(b->y0, y0);
    b->x1 = fmaxf(b->x1, x1);
    b->y1 = fmaxf(b->y1, y1);
}

struct box blob_box(const struct blob *b)
{
    const float c = cosf(b->angle), s = sinf(b->angle);
    const float w = sqrtf(square(b->rx * c) + square(b->ry * s));
    const float h = sqrtf(square(b->rx * s) + square(b->ry * c));

    return (struct box){ b->x - w, b->y - h, b->x + w, b->y + h };
}

void draw_blob(struct plane *l, const struct blob *b, float gain, enum blend how)
{
    const struct box box = blob_box(b);
    const struct pixels p = box_pixels(&box, l->size);
    const float c = cosf(b->angle), s = sinf(b->angle), pixel = 1 / (float)l->size;
    const float edge = fmaxf(b->soft, pixel) / fminf(b->rx, b->ry);

    for (size_t row = p.y0; row < p.y1; row++) {
        float *values = l->values + row * l->size;
        const float dy = pixel_centre(row, l->size) - b->y;

        for (size_t col = p.x0; col < p.x1; col++) {
            const float dx = pixel_centre(col, l->size) - b->x;
            const float q = square((dx * c + dy * s) / b->rx) + square((dy * c - dx * s) / b->ry);
            float a = 0;

            if (q >= 1)
                continue;
            switch (b->profile) {
            case PROFILE_DISC: a = ramp((1 - sqrtf(q)) / edge); break;
            case PROFILE_BALL: a = sqrtf(1 - q); break;
            case PROFILE_CLOUD: a = square(1 - q); break;
            }
            values[col] = blend(values[col], gain * a, how);
        }
    }
}

void draw_stroke(struct plane *l, struct point a, struct point b, float wa, float wb, float gain)
{
    const float pixel = 1 / (float)l->size, dx = b.x - a.x, dy = b.y - a.y;
    const float per_length = 1 / (dx * dx + dy * dy + 1e-12f);
    const float reach = fmaxf(fmaxf(wa, wb), pixel);
    const struct box box = { fminf(a.x, b.x) - reach, fminf(a.y, b.y) - reach, fmaxf(a.x, b.x) + reach,
                             fmaxf(a.y, b.y) + reach };
    const struct pixels p = box_pixels(&box, l->size);

    for (size_t row = p.y0; row < p.y1; row++) {
        float *values = l->values + row * l->size;
        const float y = pixel_centre(row, l->size) - a.y;

        for (size_t col = p.x0; col < p.x1; col++) {
            const float x = pixel_centre(col, l->size) - a.x;
            float t = (x * dx + y * dy) * per_length, w, shown, q, v;

            t = t < 0 ? 0 : t > 1 ? 1 : t;
            w = wa + t * (wb - wa);
            shown = w > pixel ? w : pixel;
            q = (square(x - t * dx) + square(y - t * dy)) / (shown * shown);
            if (q >= 1)
                continue;
            v = gain * (1 - q) * (w / shown);
            if (v > values[col])
                values[col] = v;
        }
    }
}

/* One column of a band: rows around the centre line, thicker where the line is steep. */
static void draw_band_column(struct plane *l, size_t col, float centre, float half, float gain)
{
    const struct box box = { 0, centre - half, 1, centre + half };
    const struct pixels p = box_pixels(&box, l->size);

    for (size_t row = p.y0; row < p.y1; row++) {
        const float s = (pixel_centre(row, l->size) - centre) / half;
        const float rim = s * s;

        if (rim < 1)
            l->values[row * l->size + col] += gain * ramp((1 - fabsf(s)) * 3) * (0.6f + 0.4f * rim);
    }
}

void draw_band(struct plane *l, const struct band *b, float gain)
{
    const float fade = 0.02f, step = 0.002f;
    const float x0 = b->midline + b->sign * b->from, x1 = b->midline + b->sign * b->to;
    const struct box box = { fminf(x0, x1), 0, fmaxf(x0, x1), 1 };
    const struct pixels p = box_pixels(&box, l->size);
    const float thin = 1 / (float)l->size;

    for (size_t col = p.x0; col < p.x1; col++) {
        const float d = b->sign * (pixel_centre(col, l->size) - b->midline);
        const float y = b->at(b->arg, d);
        const float slope = (b->at(b->arg, d + step) - y) / step;
        const float half = fmaxf(b->half, thin) * sqrtf(1 + fminf(square(slope), 9));

        draw_band_column(l, col, y, half, gain * ramp((d - b->from) / fade) * ramp((b->to - d) / fade));
    }
}

void texture_draw(struct texture *t, struct rng *r)
{
    for (size_t i = 0; i < sizeof t->values / sizeof *t->values; i++)
        t->values[i] = rng_uniform(r, -1, 1);
}
