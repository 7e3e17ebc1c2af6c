/* tests/support/png_craft.c - see png_craft.h. */
#include "png_craft.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SIGNATURE = 8, FRAME = 12 }; /* bytes; a chunk is its length, its type, the data and its checksum */

static void put32(uint8_t *to, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void craft_chunk(struct buf *png, const char *type, const void *data, size_t n)
{
    uint8_t number[4];
    uLong crc = crc32(0, (const Bytef *)type, 4);

    if (n > 0)
        crc = crc32(crc, data, (uInt)n);
    put32(number, (uint32_t)n);
    buf_put(png, number, 4);
    buf_put(png, type, 4);
    buf_put(png, data, n);
    put32(number, (uint32_t)crc);
    buf_put(png, number, 4);
}

void craft_begin(struct buf *png, struct craft_header h)
{
    uint8_t data[13] = { 0 };

    put32(data, h.width);
    put32(data + 4, h.height);
    data[8] = h.depth;
    data[9] = h.colour;
    data[12] = h.interlace;
    buf_put(png, "\x89PNG\r\n\x1a\n", SIGNATURE);
    craft_chunk(png, "IHDR", data, sizeof data);
}

void *craft_deflate(const void *bytes, size_t n, size_t *ret_size)
{
    uLongf size = compressBound((uLong)n);
    void *stream = malloc(size);

    assert(stream);
    if (compress2(stream, &size, bytes, (uLong)n, 9) != Z_OK)
        abort();
    *ret_size = size;
    return stream;
}

void craft_pixels(struct buf *png, const void *rows, size_t n)
{
    size_t size;
    void *stream = craft_deflate(rows, n, &size);

    craft_chunk(png, "IDAT", stream, size);
    free(stream);
}

void craft_end(struct buf *png) { craft_chunk(png, "IEND", NULL, 0); }

void craft_png(struct buf *png, struct craft_header header, const void *rows, size_t n)
{
    craft_begin(png, header);
    craft_pixels(png, rows, n);
    craft_end(png);
}

void craft_repair(uint8_t *png, size_t size, size_t at)
{
    for (size_t chunk = SIGNATURE; chunk + FRAME <= size;) {
        const size_t n = get32(png + chunk), next = chunk + FRAME + n;

        if (at < next) {
            put32(png + next - 4, (uint32_t)crc32(0, png + chunk + 4, (uInt)n + 4));
            return;
        }
        chunk = next;
    }
}

struct craft_span craft_find(const void *png, size_t size, const char *type)
{
    const uint8_t *bytes = png;

    for (size_t chunk = SIGNATURE; chunk + FRAME <= size; chunk += FRAME + get32(bytes + chunk))
        if (memcmp(bytes + chunk + 4, type, 4) == 0)
            return (struct craft_span){ chunk + 8, get32(bytes + chunk) };
    return (struct craft_span){ 0, 0 };
}
