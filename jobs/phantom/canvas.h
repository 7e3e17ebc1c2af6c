/* jobs/phantom/canvas.h - drawing primitives of the phantom: soft shapes, strokes, bands and a noise texture.
 *
 * Everything is analytic and measured in image widths (x to the right, y down, both 0..1), so that a picture of
 * 256 pixels and one of 1,024 show the same chest. No edge is sharper than a pixel of the grid it is drawn on. */
#ifndef JOBS_PHANTOM_CANVAS_H
#define JOBS_PHANTOM_CANVAS_H

#include "cxrd/rng.h"

#include <stddef.h>

struct plane {
    size_t size;   /* pixels a side */
    float *values; /* [size][size] */
};

struct point {
    float x, y;
};

struct box {
    float x0, y0, x1, y1; /* empty unless x0 < x1 */
};

struct pixels {
    size_t x0, y0, x1, y1; /* half open */
};

enum blend {
    BLEND_ADD,
    BLEND_MAX,   /* a union: what overlaps is not counted twice */
    BLEND_FLOOD, /* v becomes 1 - (1 - v)(1 - a): what is left of the air is filled by a */
    BLEND_FILL,  /* the same where v is not below 0, in lung but not in free air */
    BLEND_FADE,  /* v becomes v (1 - a) */
};

static inline float blend(float v, float a, enum blend how)
{
    switch (how) {
    case BLEND_ADD: return v + a;
    case BLEND_MAX: return v > a ? v : a;
    case BLEND_FLOOD: return 1 - (1 - v) * (1 - a);
    case BLEND_FILL: return v < 0 ? v : 1 - (1 - v) * (1 - a);
    case BLEND_FADE: return v * (1 - a);
    }
    return v;
}

/* 0 below 0, 1 above 1, a smooth step between. */
static inline float ramp(float t)
{
    t = t < 0 ? 0 : t > 1 ? 1 : t;
    return t * t * (3 - 2 * t);
}

static inline float square(float t) { return t * t; }
static inline float pixel_centre(size_t i, size_t size) { return ((float)i + 0.5f) / (float)size; }

/* The pixels whose centres may lie in the box, cut to the picture. */
struct pixels box_pixels(const struct box *b, size_t size);
void box_add(struct box *b, float x0, float y0, float x1, float y1); /* grow to hold another box */

enum profile {
    PROFILE_DISC,  /* even, with an edge `soft` wide */
    PROFILE_BALL,  /* the thickness of a solid ball along the beam */
    PROFILE_CLOUD, /* fades from the centre on */
};

struct blob {
    float x, y, rx, ry; /* centre and half axes */
    float angle;        /* of the first axis, radians, clockwise on the screen */
    enum profile profile;
    float soft; /* of PROFILE_DISC, image widths */
};

void draw_blob(struct plane *l, const struct blob *b, float gain, enum blend how);
struct box blob_box(const struct blob *b);

/* A round stroke from a to b whose half width goes from wa to wb, joined to others by BLEND_MAX. Strokes thinner
 * than a pixel become fainter, not thinner. */
void draw_stroke(struct plane *l, struct point a, struct point b, float wa, float wb, float gain);

/* A tubular bone along the curve y = at(arg, d), d the distance from `midline` on one side (sign -1 or 1), for d in
 * from..to. Its rims are denser than its middle, as the beam crosses more cortex there. */
struct band {
    float midline, sign, from, to, half;
    float (*at)(const void *arg, float d);
    const void *arg;
};
void draw_band(struct plane *l, const struct band *b, float gain);

/* Value noise in -1..1, periodic, drawn once an image. */
enum { TEXTURE_SIDE = 64 };
struct texture {
    float values[TEXTURE_SIDE * TEXTURE_SIDE];
};

void texture_draw(struct texture *t, struct rng *r);

/* The texture at (x, y) >= 0, measured in its cells. */
static inline float texture_at(const struct texture *t, float x, float y)
{
    const size_t ix = (unsigned)x, iy = (unsigned)y, mask = TEXTURE_SIDE - 1;
    const float fx = ramp(x - (float)ix), fy = ramp(y - (float)iy);
    const float *top = t->values + (iy & mask) * TEXTURE_SIDE;
    const float *bottom = t->values + ((iy + 1) & mask) * TEXTURE_SIDE;
    const float a = top[ix & mask] + fx * (top[(ix + 1) & mask] - top[ix & mask]);
    const float b = bottom[ix & mask] + fx * (bottom[(ix + 1) & mask] - bottom[ix & mask]);

    return a + fy * (b - a);
}

/* The same without the grid that shows in one sample: the mean of two, one of them on a turned grid; x, y <= 1. */
static inline float mottle_at(const struct texture *t, float cells, float x, float y)
{
    return 0.7f * (texture_at(t, cells * x, cells * y) +
                   texture_at(t, cells * (0.8f * x + 0.6f * y), cells * (1 + 0.8f * y - 0.6f * x)));
}

#endif
