/* include/cxrd/heatmap.h - an X-ray with a map over it and a legend beside it, as a PNG to look at.
 *
 * The picture keeps its proportions. It is shown pixel by pixel unless a side exceeds HEATMAP_MAX_SIDE: then it is
 * reduced (by area) until none does, so that no answer is larger than a screen can show; a picture smaller than
 * HEATMAP_MIN_SIDE is enlarged by a whole factor. The map is stretched over it, interpolated between the centres of
 * its cells, and coloured by how far a cell is from 0: red above, blue below, and where there is nothing the X-ray shows as it
 * is. Nothing is drawn on the X-ray but the map: bar and text stand beside.
 *
 * The colours are absolute: the same logits have the same colour in every map, whatever its largest cell is, so that a finding that
 * nothing speaks for looks like one. They are linear in the cell up to the scale's full colour, and full beyond. A program that draws a map
 * elsewhere (the page, the report) is given the same scale and has the same formula. */
#ifndef CXRD_HEATMAP_H
#define CXRD_HEATMAP_H

#include "cxrd/image.h"

enum { HEATMAP_MAX_SIDE = 2048, HEATMAP_MIN_SIDE = 512, HEATMAP_MAX_LINES = 8 };

/* How a cell of `v` logits looks over a grey pixel: alpha = opacity * min(1, |v| / full), and the colour over the grey by that. */
struct heatmap_scale {
    double full; /* logits of a cell that has the full colour */
    double opacity;
    uint8_t raises[3], lowers[3]; /* RGB of v > 0 and v < 0 */
};

/* The scale of maps with so many cells. A finding's logit owes a region the same whether one cell or four make it up, so
 * `full` is HEATMAP_FULL for a cell of 1/256 of the picture, and in proportion to its area otherwise. */
#define HEATMAP_FULL 0.1
struct heatmap_scale heatmap_scale_of(size_t rows, size_t columns);

struct heatmap {
    const struct image *xray;
    size_t rows, columns;                 /* of the map, 1..64 each */
    const double *map;                    /* [rows][columns], finite, in logits */
    const char *lines[HEATMAP_MAX_LINES]; /* ASCII, below the picture, wrapped to its width; NULL: none */
};

/* A picture of colours, 8 bit. */
struct heatmap_drawing {
    size_t width, height;
    uint8_t *rgb; /* [height][width][3], owned: secret_free() */
};

/* Draw it. Takes at most 32 MiB of memory, the drawing included. Errors: ST_NOMEM. */
MUST_USE enum status heatmap_draw(const struct heatmap *h, struct heatmap_drawing *ret_drawing,
                                  struct error *err);

/* Append the PNG, 8-bit RGB, to `out`. Takes at most 32 MiB of memory beside `out`.
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status heatmap_png(const struct heatmap *h, struct buf *out, struct error *err);

#endif
