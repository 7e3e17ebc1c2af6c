/* decode/grey.c - see grey.h. */
#include "grey.h"

#include <math.h>
#include <string.h>

enum { MOST_VALUES = 1 << GREY_MOST_BITS };

/* ---- stored values ---- */

struct field {
    unsigned shift;
    uint32_t mask;
};

static struct field field_of(const struct grey_samples *s)
{
    return (struct field){ s->high_bit + 1 - s->stored, ((uint32_t)1 << s->stored) - 1 };
}

/* The stored value that the bits of a field stand for. */
static int32_t value_of(const struct grey_samples *s, uint32_t bits)
{
    return s->is_signed && bits >> (s->stored - 1) ? (int32_t)bits - (1 << s->stored) : (int32_t)bits;
}

/* Which bits occur: `seen` is all zero before. */
static void mark_seen(const struct grey_samples *s, uint8_t seen[MOST_VALUES])
{
    const struct field f = field_of(s);
    const uint8_t *bytes = s->values;
    const uint16_t *words = s->values;

    if (s->allocated == 8)
        for (size_t i = 0; i < s->n; i++)
            seen[(bytes[i] >> f.shift) & f.mask] = 1;
    else
        for (size_t i = 0; i < s->n; i++)
            seen[(words[i] >> f.shift) & f.mask] = 1;
}

static void look_up(const struct grey_samples *s, const uint8_t *table, uint8_t *to)
{
    const struct field f = field_of(s);
    const uint8_t *bytes = s->values;
    const uint16_t *words = s->values;

    if (s->allocated == 8)
        for (size_t i = 0; i < s->n; i++)
            to[i] = table[(bytes[i] >> f.shift) & f.mask];
    else
        for (size_t i = 0; i < s->n; i++)
            to[i] = table[(words[i] >> f.shift) & f.mask];
}

/* ---- from a stored value to 0..1 ---- */

static double lut_entry(const struct grey_lut *lut, double x)
{
    const double i = floor(x) - lut->first, last = (double)(lut->n - 1);

    return lut->entries[i <= 0 ? 0 : i >= last ? lut->n - 1 : (size_t)i];
}

static double modality_value(const struct grey_pipeline *p, int32_t stored)
{
    return p->modality.entries ? lut_entry(&p->modality, stored) : stored * p->slope + p->intercept;
}

bool grey_window_is_usable(const struct grey_window *w)
{
    return isfinite(w->centre) && isfinite(w->width) &&
           (w->function == GREY_LINEAR ? w->width >= 1 : w->width > 0);
}

static double window_value(const struct grey_window *w, double x)
{
    switch (w->function) {
    case GREY_LINEAR:
        if (w->width == 1)
            return x > w->centre - 0.5;
        return (x - (w->centre - 0.5)) / (w->width - 1) + 0.5;
    case GREY_LINEAR_EXACT: return (x - w->centre) / w->width + 0.5;
    case GREY_SIGMOID: return 1 / (1 + exp(-4 * (x - w->centre) / w->width));
    }
    return 0;
}

enum image_voi grey_voi(const struct grey_pipeline *p, const struct grey_samples *s)
{
    if (p->voi.entries)
        return IMAGE_VOI_LUT;
    if (p->has_window)
        return IMAGE_VOI_WINDOW;
    return s->stored <= 8 && !p->modality.entries ? IMAGE_VOI_IDENTITY : IMAGE_VOI_NONE;
}

struct range {
    double least, greatest;
};

static void range_take(struct range *r, double x)
{
    r->least = fmin(r->least, x);
    r->greatest = fmax(r->greatest, x);
}

static bool is_padding(const struct grey_pipeline *p, int32_t stored)
{
    return p->has_padding && stored >= p->padding_first && stored <= p->padding_last;
}

/* The values of black and of white where the file does not say them: the least and greatest that can be stored, or that occur. */
static struct range range_of(const struct grey_pipeline *p, const struct grey_samples *s, const uint8_t *seen)
{
    const uint32_t n = (uint32_t)1 << s->stored, middle = n / 2;
    struct range r = { INFINITY, -INFINITY };

    if (grey_voi(p, s) == IMAGE_VOI_IDENTITY) {
        range_take(&r, modality_value(p, value_of(s, s->is_signed ? middle : 0)));
        range_take(&r, modality_value(p, value_of(s, s->is_signed ? middle - 1 : n - 1)));
        return r;
    }
    for (uint32_t bits = 0; bits < n; bits++)
        if (seen[bits] && !is_padding(p, value_of(s, bits)))
            range_take(&r, modality_value(p, value_of(s, bits)));
    return r;
}

static double voi_value(const struct grey_pipeline *p, enum image_voi voi, const struct range *r, double x)
{
    switch (voi) {
    case IMAGE_VOI_LUT: return lut_entry(&p->voi, x) / ((1 << p->voi.bits) - 1);
    case IMAGE_VOI_WINDOW: return window_value(&p->window, x);
    case IMAGE_VOI_NONE:
    case IMAGE_VOI_IDENTITY: break;
    }
    return r->greatest > r->least ? (x - r->least) / (r->greatest - r->least) : 0;
}

static void table_fill(const struct grey_pipeline *p, const struct grey_samples *s, const struct range *r,
                       uint8_t *table)
{
    const enum image_voi voi = grey_voi(p, s);

    for (uint32_t bits = 0; bits < (uint32_t)1 << s->stored; bits++) {
        const int32_t stored = value_of(s, bits);
        double y = fmin(fmax(voi_value(p, voi, r, modality_value(p, stored)), 0), 1);

        if (p->inverted)
            y = 1 - y;
        table[bits] = is_padding(p, stored) ? 0 : (uint8_t)floor(y * 255 + 0.5);
    }
}

static bool all_is_padding(const struct grey_pipeline *p, const struct grey_samples *s, const uint8_t *seen)
{
    for (uint32_t bits = 0; bits < (uint32_t)1 << s->stored; bits++)
        if (seen[bits] && !is_padding(p, value_of(s, bits)))
            return false;
    return true;
}

enum status grey_run(const struct grey_pipeline *pipeline, const struct grey_samples *s, uint8_t *to,
                     struct error *err)
{
    uint8_t table[MOST_VALUES], seen[MOST_VALUES] = { 0 };
    struct grey_pipeline p = *pipeline;
    struct range r = { 0, 0 };

    if (!p.modality.entries && (!isfinite(p.slope) || !isfinite(p.intercept) || p.slope == 0))
        return error_set(err, ST_NUMERIC, "the rescale slope is 0, or slope or intercept are no numbers");
    if (p.has_padding || grey_voi(&p, s) == IMAGE_VOI_NONE)
        mark_seen(s, seen);
    if (p.has_padding && all_is_padding(&p, s, seen))
        p.has_padding = false;
    if (!p.voi.entries && !p.has_window)
        r = range_of(&p, s, seen);
    table_fill(&p, s, &r, table);
    look_up(s, table, to);
    return ST_OK;
}

/* ---- colour ---- */

enum { MOST_GREY = 16 }; /* how far the channels of a pixel that counts as grey may lie apart */

static uint8_t luma(unsigned red, unsigned green, unsigned blue)
{
    return (uint8_t)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);
}

static bool is_coloured(uint8_t red, uint8_t green, uint8_t blue)
{
    const uint8_t most = red > green ? red : green, least = red < green ? red : green;

    return (most > blue ? most : blue) - (least < blue ? least : blue) > MOST_GREY;
}

double grey_of_rgb(const uint8_t *rgb, size_t n, uint8_t *to)
{
    size_t coloured = 0;

    for (size_t i = 0; i < n; i++, rgb += 3) {
        coloured += is_coloured(rgb[0], rgb[1], rgb[2]);
        to[i] = luma(rgb[0], rgb[1], rgb[2]);
    }
    return n ? (double)coloured / (double)n : 0;
}

static uint8_t to_byte(double x) { return x <= 0 ? 0 : x >= 255 ? 255 : (uint8_t)floor(x + 0.5); }

void grey_rgb_of_ybr(uint8_t *samples, size_t n, bool partial)
{
    const double black = partial ? 16 : 0, y_scale = partial ? 255 / 219.0 : 1,
                 c_scale = partial ? 255 / 224.0 : 1;

    for (size_t i = 0; i < n; i++, samples += 3) {
        const double y = (samples[0] - black) * y_scale, cb = (samples[1] - 128.0) * c_scale,
                     cr = (samples[2] - 128.0) * c_scale;

        samples[0] = to_byte(y + 1.402 * cr);
        samples[1] = to_byte(y - 0.344136 * cb - 0.714136 * cr);
        samples[2] = to_byte(y + 1.772 * cb);
    }
}

double grey_of_palette(const struct grey_palette *p, const struct grey_samples *s, uint8_t *to)
{
    uint8_t table[MOST_VALUES], coloured[MOST_VALUES];
    size_t n_coloured = 0;

    for (uint32_t bits = 0; bits < (uint32_t)1 << s->stored; bits++) {
        const int64_t i = (int64_t)value_of(s, bits) - p->first;
        const size_t at = i < 0 ? 0 : (size_t)i < p->n ? (size_t)i : p->n - 1;

        table[bits] = luma(p->red[at], p->green[at], p->blue[at]);
        coloured[bits] = is_coloured(p->red[at], p->green[at], p->blue[at]);
    }
    look_up(s, coloured, to);
    for (size_t i = 0; i < s->n; i++)
        n_coloured += to[i];
    look_up(s, table, to);
    return s->n ? (double)n_coloured / (double)s->n : 0;
}
