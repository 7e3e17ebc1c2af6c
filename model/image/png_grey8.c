/* model/image/png_grey8.c - see png_grey8.h.
 *
 * libpng takes 7.5 ms for a 1024x1024 radiograph, more than the network. Here libdeflate inflates the whole stream at
 * once and unfilter() undoes the filters of eight rows at a time. Only what is beyond doubt is taken: every checksum
 * right, no chunk that could change a pixel, the full 32 KiB window (zlib refuses what reaches beyond a smaller one,
 * libdeflate does not look), exactly as many bytes as the picture has. All else is left to libpng. Four differences remain, in streams that no encoder makes and whose checksum over the pixels holds all
 * the same: zlib refuses, and libdeflate reads, a block header that announces more than 286 literal or 30 distance
 * codes; one that repeats a code's length beyond the last code; the length codes 286 and 287 and the distance codes 30
 * and 31 of the fixed code; and, in a code of a single one-bit word (or none), the word that stands for nothing. To see
 * them takes a decoder of its own, which would cost
 * what libdeflate saves. tests/fuzz/fuzz_png_differential.c allows these and no other. */
#include "png_grey8.h"

#include "unfilter.h"

#include "cxrd/secret.h"

#include <libdeflate.h>
#include <stdlib.h>

enum { IHDR_DATA = 16, WINDOW_32K = 7 };

static bool is_common(const uint8_t *ihdr, const struct png_stream *s)
{
    return ihdr[8] == 8 && ihdr[9] == 0 && ihdr[12] == 0 && s->plain && s->size > 2 &&
           s->data[0] >> 4 == WINDOW_32K;
}

/* The stream inflates to exactly `size` bytes and ends where the data ends. */
static bool inflate_whole(const struct png_stream *s, uint8_t *raw, size_t size)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    size_t read = 0;
    bool ok = false;

    if (d)
        ok = libdeflate_zlib_decompress_ex(d, s->data, s->size, raw, size, &read, NULL) ==
                 LIBDEFLATE_SUCCESS &&
             read == s->size;
    libdeflate_free_decompressor(d);
    return ok;
}

bool png_grey8_decode(const uint8_t *bytes, const struct png_stream *s, struct image *ret_image)
{
    const uint8_t *ihdr = bytes + IHDR_DATA;
    const size_t width = big_endian32(ihdr), height = big_endian32(ihdr + 4);
    const size_t size = height * (width + 1);
    uint8_t *raw, *grey;
    bool ok;

    if (!is_common(ihdr, s))
        return false;
    raw = malloc(size);
    grey = malloc(width * height);
    ok = raw && grey && inflate_whole(s, raw, size) && unfilter(raw, width, height, grey);
    secret_free(raw);
    if (!ok) {
        secret_free(grey);
        return false;
    }
    *ret_image = (struct image){ width, height, grey, 1, 8 };
    return true;
}
