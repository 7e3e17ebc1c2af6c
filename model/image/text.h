/* model/image/text.h - a line of letters on a picture. */
#ifndef MODEL_IMAGE_TEXT_H
#define MODEL_IMAGE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Where to draw: RGB, 8 bit. */
struct canvas {
    size_t width, height;
    uint8_t *rgb; /* [height][width][3], borrowed */
};

/* A letter's cell, before it is scaled. */
enum { TEXT_ADVANCE = 6, TEXT_LINE = 12 };

/* Fill a rectangle; what lies outside of the canvas is left out. */
void canvas_fill(const struct canvas *c, size_t x, size_t y, size_t width, size_t height,
                 const uint8_t colour[3]);

/* Draw the `n` bytes at `text` with their upper left corner at x, y, every dot `scale` pixels a side. ASCII; anything
 * else is a question mark. */
void text_draw(const struct canvas *c, size_t x, size_t y, size_t scale, const uint8_t colour[3],
               const char *text, size_t n);

/* How many bytes of `text` fit on a line of `columns` letters, broken at a space where there is one; what follows
 * a break begins behind `*ret_next` bytes. */
size_t text_wrap(const char *text, size_t columns, size_t *ret_next);

#endif
