/* decode/turn.c - see turn.h. */
#include "turn.h"

#include "cxrd/secret.h"

#include <stdlib.h>
#include <string.h>

enum { TILE = 32 }; /* pixels a side: a column of the source then stays in the cache until its row is done */

bool turn_is_none(const struct turn *t) { return !t->transposed && !t->mirrored && !t->upside_down; }

/* Where pixel (x, y) of the result comes from is from + y * row + x * column. */
struct source {
    const uint8_t *first;
    ptrdiff_t row, column;
};

static struct source source_of(const struct turn *t, const uint8_t *from, size_t width, size_t height)
{
    const size_t to_width = t->transposed ? height : width, to_height = t->transposed ? width : height;
    struct source s = { from, t->transposed ? 1 : (ptrdiff_t)width, t->transposed ? (ptrdiff_t)width : 1 };

    if (t->mirrored) {
        s.first += (ptrdiff_t)(to_width - 1) * s.column;
        s.column = -s.column;
    }
    if (t->upside_down) {
        s.first += (ptrdiff_t)(to_height - 1) * s.row;
        s.row = -s.row;
    }
    return s;
}

void turn_picture(const struct turn *t, const uint8_t *from, size_t width, size_t height, uint8_t *to)
{
    const size_t to_width = t->transposed ? height : width, to_height = t->transposed ? width : height;
    const struct source s = source_of(t, from, width, height);

    for (size_t y0 = 0; y0 < to_height; y0 += TILE)
        for (size_t x0 = 0; x0 < to_width; x0 += TILE)
            for (size_t y = y0; y < y0 + TILE && y < to_height; y++)
                for (size_t x = x0; x < x0 + TILE && x < to_width; x++)
                    to[y * to_width + x] = s.first[(ptrdiff_t)y * s.row + (ptrdiff_t)x * s.column];
}

enum status turn_in_place(const struct turn *t, uint8_t *pixels, size_t *width, size_t *height,
                          struct error *err)
{
    const size_t w = *width, h = *height;
    uint8_t *from;

    if (turn_is_none(t))
        return ST_OK;
    from = malloc(w * h);
    if (!from)
        return error_nomem(err);
    memcpy(from, pixels, w * h);
    turn_picture(t, from, w, h, pixels);
    secret_free(from);
    *width = t->transposed ? h : w;
    *height = t->transposed ? w : h;
    return ST_OK;
}
