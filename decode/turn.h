/* decode/turn.h - a picture turned and mirrored to how it is looked at. */
#ifndef DECODE_TURN_H
#define DECODE_TURN_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One of the eight ways to lay a rectangle down: rows and columns change places first, if they do, and what came of that is
 * mirrored. */
struct turn {
    bool transposed;  /* what was a row is a column */
    bool mirrored;    /* left and right change places */
    bool upside_down; /* top and bottom change places */
};

/* Turn from [height][width] to `to`, which has as many pixels: [height][width], or [width][height] when transposed. */
void turn_picture(const struct turn *t, const uint8_t *from, size_t width, size_t height, uint8_t *to);

/* The same in place: width and height change places where it is transposed. Errors: ST_NOMEM. */
MUST_USE enum status turn_in_place(const struct turn *t, uint8_t *pixels, size_t *width, size_t *height,
                                   struct error *err);

bool turn_is_none(const struct turn *t);

#endif
