/* model/image/heatmap.c - see cxrd/heatmap.h. The canvas: the picture upper left, the colour bar on its right, the
 * lines of text below both. */
#include "cxrd/heatmap.h"

#include "cxrd/preprocess.h"
#include "text.h"

#include "cxrd/secret.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CELLS = 64, N_TICKS = 5, TICK_LETTERS = 9, MIN_COLUMNS = 40 };

static const uint8_t PAPER[3] = { 18, 18, 20 }, INK[3] = { 232, 232, 232 };
static const uint8_t BAR_GREY = 96; /* what the bar's colours lie over: a middling X-ray */

struct heatmap_scale heatmap_scale_of(size_t rows, size_t columns)
{
    assert(rows > 0 && columns > 0);
    return (struct heatmap_scale){ .full = HEATMAP_FULL * 256.0 / (double)(rows * columns),
                                   .opacity = 0.75,
                                   .raises = { 255, 64, 40 },
                                   .lowers = { 40, 120, 255 } };
}

struct layout {
    size_t width, height;     /* of the picture as shown */
    size_t scale;             /* of letters */
    size_t margin, bar_width; /* pixels */
    size_t bar_x, bar_height; /* the bar begins at the top margin */
    size_t text_y, columns;   /* of the lines below */
    size_t total_width, total_height;
};

/* How large the picture is shown. */
static void picture_size(const struct image *img, size_t *ret_width, size_t *ret_height)
{
    const size_t longer = img->width > img->height ? img->width : img->height;

    *ret_width = img->width;
    *ret_height = img->height;
    if (longer > HEATMAP_MAX_SIDE) {
        *ret_width = (img->width * HEATMAP_MAX_SIDE + longer / 2) / longer;
        *ret_height = (img->height * HEATMAP_MAX_SIDE + longer / 2) / longer;
    } else if (longer < HEATMAP_MIN_SIDE) {
        const size_t factor = (HEATMAP_MIN_SIDE + longer - 1) / longer;

        *ret_width *= factor;
        *ret_height *= factor;
    }
    *ret_width = *ret_width ? *ret_width : 1;
    *ret_height = *ret_height ? *ret_height : 1;
}

static size_t count_lines(const struct heatmap *h, size_t columns)
{
    size_t n = 0;

    for (size_t i = 0; i < HEATMAP_MAX_LINES; i++)
        for (const char *at = h->lines[i]; at && *at; n++) {
            size_t next;

            text_wrap(at, columns, &next);
            at += next;
        }
    return n;
}

static struct layout layout_make(const struct heatmap *h)
{
    struct layout l;
    size_t longer, letter, wide;

    picture_size(h->xray, &l.width, &l.height);
    longer = l.width > l.height ? l.width : l.height;
    l.scale = longer < 1536 ? 2 : longer * 2 / 1024;
    letter = TEXT_ADVANCE * l.scale;
    l.margin = 2 * letter;
    l.bar_width = 3 * letter;
    l.bar_x = l.width + l.margin;
    l.bar_height = l.height - 2 * l.margin;
    if (l.height < 2 * l.margin + 2 * l.scale * N_TICKS * TEXT_LINE)
        l.bar_height = 2 * l.scale * N_TICKS * TEXT_LINE;
    wide = l.bar_x + l.bar_width + (TICK_LETTERS + 1) * letter;
    l.total_width = wide < MIN_COLUMNS * letter + 2 * l.margin ? MIN_COLUMNS * letter + 2 * l.margin : wide;
    l.columns = (l.total_width - 2 * l.margin) / letter;
    l.text_y = l.bar_height + 2 * l.margin > l.height ? l.bar_height + 2 * l.margin : l.height;
    l.text_y += l.margin;
    l.total_height = l.text_y + count_lines(h, l.columns) * TEXT_LINE * l.scale + l.margin;
    return l;
}

/* A grey pixel under the colour of `v` logits. */
static void blend(uint8_t grey, double v, const struct heatmap_scale *scale, uint8_t ret[3])
{
    const uint8_t *colour = v < 0 ? scale->lowers : scale->raises;
    const double alpha = scale->opacity * fmin(1, fabs(v) / scale->full);

    for (size_t c = 0; c < 3; c++)
        ret[c] = (uint8_t)lround((double)grey * (1 - alpha) + (double)colour[c] * alpha);
}

/* Between which two cells a pixel lies, and how far towards the second. */
struct between {
    size_t a, b;
    double part;
};

static struct between between_cells(size_t pixel, size_t pixels, size_t cells)
{
    const double at = ((double)pixel + 0.5) * (double)cells / (double)pixels - 0.5;
    const double low = floor(at);
    struct between r = { 0, 0, at - low };

    r.a = low < 0 ? 0 : (size_t)low;
    r.b = low < 0 ? 0 : r.a + 1 < cells ? r.a + 1 : cells - 1;
    assert(r.a < cells && r.b < cells);
    return r;
}

/* The picture with the map over it, into the canvas's upper left corner. */
static void draw_picture(const struct heatmap *h, const struct layout *l, const uint8_t *grey,
                         const struct heatmap_scale *scale, const struct canvas *c)
{
    struct between across[HEATMAP_MAX_SIDE];

    for (size_t x = 0; x < l->width; x++)
        across[x] = between_cells(x, l->width, h->columns);
    for (size_t y = 0; y < l->height; y++) {
        const struct between down = between_cells(y, l->height, h->rows);
        double row[MAX_CELLS];

        for (size_t i = 0; i < h->columns; i++)
            row[i] = h->map[down.a * h->columns + i] * (1 - down.part) +
                     h->map[down.b * h->columns + i] * down.part;
        for (size_t x = 0; x < l->width; x++) {
            const struct between *p = &across[x];

            blend(*grey++, row[p->a] * (1 - p->part) + row[p->b] * p->part, scale,
                  c->rgb + (y * c->width + x) * 3);
        }
    }
}

/* From the full colour above 0 at the top to that below it at the bottom, with a number at both ends, the middle and between. */
static void draw_bar(const struct layout *l, const struct heatmap_scale *scale, const struct canvas *c)
{
    const size_t tick = l->scale * 4;

    for (size_t y = 0; y < l->bar_height; y++) {
        uint8_t colour[3];

        blend(BAR_GREY, scale->full * (1 - 2 * ((double)y + 0.5) / (double)l->bar_height), scale, colour);
        canvas_fill(c, l->bar_x, l->margin + y, l->bar_width, 1, colour);
    }
    for (size_t i = 0; i < N_TICKS; i++) {
        const size_t y = l->margin + (l->bar_height - 1) * i / (N_TICKS - 1);
        const double value = scale->full * (1 - 2 * (double)i / (N_TICKS - 1));
        char text[32];
        int n;

        n = snprintf(text, sizeof text, value == 0 ? "0" : "%+.2g", value);
        canvas_fill(c, l->bar_x + l->bar_width, y, tick, l->scale, INK);
        text_draw(c, l->bar_x + l->bar_width + 2 * tick, y - 3 * l->scale, l->scale, INK, text, (size_t)n);
    }
}

static void draw_lines(const struct heatmap *h, const struct layout *l, const struct canvas *c)
{
    size_t y = l->text_y;

    for (size_t i = 0; i < HEATMAP_MAX_LINES; i++)
        for (const char *at = h->lines[i]; at && *at; y += TEXT_LINE * l->scale) {
            size_t next;
            const size_t n = text_wrap(at, l->columns, &next);

            text_draw(c, l->margin, y, l->scale, INK, at, n);
            at += next;
        }
}

enum status heatmap_draw(const struct heatmap *h, struct heatmap_drawing *ret_drawing, struct error *err)
{
    const struct layout l = layout_make(h);
    const struct heatmap_scale scale = heatmap_scale_of(h->rows, h->columns);
    struct canvas c = { l.total_width, l.total_height, malloc(l.total_width * l.total_height * 3) };
    uint8_t *grey = malloc(l.width * l.height);

    assert(h->rows > 0 && h->rows <= MAX_CELLS && h->columns > 0 && h->columns <= MAX_CELLS);
    if (!c.rgb || !grey) {
        secret_free(grey);
        secret_free(c.rgb);
        return error_nomem(err);
    }
    image_resize_area(h->xray, l.width, l.height, grey);
    canvas_fill(&c, 0, 0, c.width, c.height, PAPER);
    draw_picture(h, &l, grey, &scale, &c);
    draw_bar(&l, &scale, &c);
    draw_lines(h, &l, &c);
    secret_free(grey);
    *ret_drawing = (struct heatmap_drawing){ c.width, c.height, c.rgb };
    return ST_OK;
}

enum status heatmap_png(const struct heatmap *h, struct buf *out, struct error *err)
{
    struct heatmap_drawing d;
    enum status st = heatmap_draw(h, &d, err);

    if (st != ST_OK)
        return st;
    st = image_encode_png(d.rgb, d.width, d.height, 3, out, err);
    secret_free(d.rgb);
    return st;
}
