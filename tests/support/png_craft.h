/* tests/support/png_craft.h - PNG files built chunk by chunk, right or wrong, with the checksum that belongs to
 * whatever is in them: so that a test breaks one thing and nothing else. */
#ifndef TESTS_PNG_CRAFT_H
#define TESTS_PNG_CRAFT_H

#include "cxrd/buf.h"

#include <stddef.h>
#include <stdint.h>

enum { CRAFT_GREY = 0, CRAFT_RGB = 2, CRAFT_PALETTE = 3, CRAFT_GREY_ALPHA = 4, CRAFT_RGBA = 6 };

struct craft_header {
    uint32_t width, height;
    uint8_t depth, colour, interlace;
};

void craft_chunk(struct buf *png, const char *type, const void *data, size_t n);

/* The signature and the header chunk. */
void craft_begin(struct buf *png, struct craft_header header);

/* Rows as they are stored, each with its filter byte in front, as one IDAT chunk. */
void craft_pixels(struct buf *png, const void *rows, size_t n);
void craft_end(struct buf *png);

/* All of it in one call. */
void craft_png(struct buf *png, struct craft_header header, const void *rows, size_t n);

/* zlib's stream for `n` bytes; the caller owns it. */
void *craft_deflate(const void *bytes, size_t n, size_t *ret_size);

/* Give the chunk that contains byte `at` of a well-formed file the checksum of its present content. */
void craft_repair(uint8_t *png, size_t size, size_t at);

/* The offset and length of the first chunk's data of that type. */
struct craft_span {
    size_t at, size;
};
struct craft_span craft_find(const void *png, size_t size, const char *type);

#endif
