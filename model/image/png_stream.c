/* model/image/png_stream.c - see png_stream.h. The check inflates once more than libpng, by zlib in small pieces so that it
 * needs no memory; the common case, png_grey8.c, does not come here. */
#include "png_stream.h"

#include "cxrd/secret.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    SIGNATURE = 8,
    CHUNK = 12,
    MAX_SURPLUS = 1 << 20 /* inflated bytes beyond the picture that are still looked at */
};

/* Chunks that say something about the picture but change none of its pixels here. */
static bool is_description(const uint8_t *type)
{
    static const char *const TYPES[] = { "tIME", "pHYs", "gAMA", "sRGB", "cHRM",
                                         "tEXt", "zTXt", "iTXt", "eXIf" };

    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (memcmp(type, TYPES[i], 4) == 0)
            return true;
    return false;
}

/* One chunk that is in the file whole. */
struct chunk {
    const uint8_t *type, *data;
    uint32_t size;
    bool crc_ok;
};

static bool next_chunk(const uint8_t *bytes, size_t n_bytes, size_t *at, struct chunk *ret)
{
    const uint8_t *p = bytes + *at;

    if (n_bytes - *at < CHUNK || big_endian32(p) > n_bytes - *at - CHUNK)
        return false;
    *ret = (struct chunk){ .type = p + 4, .data = p + 8, .size = big_endian32(p) };
    ret->crc_ok = libdeflate_crc32(0, p + 4, ret->size + 4) == big_endian32(ret->data + ret->size);
    *at += CHUNK + ret->size;
    return true;
}

static void pixels_add(struct png_stream *s, const uint8_t *data, uint32_t size)
{
    memcpy(s->data + s->size, data, size);
    s->size += size;
}

/* The beginning of a chunk of pixels in which the file is cut off. */
static void pixels_add_cut(struct png_stream *s, const uint8_t *p, size_t left)
{
    enum { HEAD = 8 };

    if (left < HEAD || memcmp(p + 4, "IDAT", 4) != 0)
        return;
    left -= HEAD;
    pixels_add(s, p + HEAD, big_endian32(p) < left ? big_endian32(p) : (uint32_t)left);
}

/* Where the walk is: pixels come once, in a row. */
enum section { BEFORE, PIXELS, AFTER };

enum status png_stream_read(const uint8_t *bytes, size_t n_bytes, struct png_stream *ret)
{
    struct png_stream s = { .data = malloc(n_bytes), .plain = true };
    enum section section = BEFORE;
    struct chunk c;
    size_t at = SIGNATURE;

    if (!s.data)
        return ST_NOMEM;
    while (next_chunk(bytes, n_bytes, &at, &c)) {
        s.plain = s.plain && c.crc_ok;
        if (memcmp(c.type, "IEND", 4) == 0 && section != BEFORE) {
            s.plain = s.plain && c.size == 0;
            *ret = s;
            return ST_OK;
        }
        if (memcmp(c.type, "IDAT", 4) == 0) {
            if (section == AFTER)
                break;
            section = PIXELS;
            pixels_add(&s, c.data, c.size);
            continue;
        }
        section = section == BEFORE ? BEFORE : AFTER;
        if (memcmp(c.type, "IHDR", 4) == 0)
            s.plain = s.plain && c.data == bytes + SIGNATURE + 8;
        else
            s.plain = s.plain && is_description(c.type);
    }
    if (section != AFTER)
        pixels_add_cut(&s, bytes + at, n_bytes - at);
    *ret = s;
    return ST_FORMAT;
}

void png_stream_release(struct png_stream *s)
{
    secret_free(s->data);
    *s = (struct png_stream)PNG_STREAM_INIT;
}

static void *on_alloc(void *arg, uInt n, uInt size)
{
    (void)arg;
    return calloc(n, size);
}

static void on_free(void *arg, void *memory)
{
    (void)arg;
    secret_free(memory); /* its window */
}

enum status png_stream_check(const struct png_stream *s, uint64_t size, struct error *err)
{
    uint8_t piece[16384];
    z_stream z = { .next_in = s->data, .avail_in = (uInt)s->size, .zalloc = on_alloc, .zfree = on_free };
    uint64_t inflated = 0;
    enum status st = ST_OK;
    int rc = inflateInit(&z);

    if (rc != Z_OK)
        return error_nomem(err);
    while (rc == Z_OK && inflated <= size + MAX_SURPLUS) {
        z.next_out = piece;
        z.avail_out = sizeof piece;
        rc = inflate(&z, Z_NO_FLUSH);
        inflated += sizeof piece - z.avail_out;
    }
    if (rc == Z_MEM_ERROR)
        st = error_nomem(err);
    else if (rc == Z_OK)
        st = error_set(err, ST_LIMIT, "broken PNG: IDAT: Too much image data");
    else if (rc != Z_STREAM_END)
        st = error_set(err, ST_FORMAT, "broken PNG: IDAT: %s", z.msg ? z.msg : "the pixel data ends early");
    else if (inflated < size)
        st = error_set(err, ST_FORMAT, "broken PNG: IDAT: the pixel data ends early");
    else if (inflated > size || z.avail_in > 0)
        st = error_set(err, ST_FORMAT, "broken PNG: IDAT: surplus pixel data");
    inflateEnd(&z);
    explicit_bzero(piece, sizeof piece);
    return st;
}
