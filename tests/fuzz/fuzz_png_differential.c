/* tests/fuzz/fuzz_png_differential.c - the short way for common radiographs (png_grey8.c) against libpng: it accepts
 * exactly what libpng accepts, with the same pixels, and refuses the others in the same words.
 *
 * The exception is what png_grey8.c says of itself: deflate streams that zlib calls invalid though they can be read,
 * and whose checksum over the pixels holds. zlib's complaint names them, and no other one may appear. */
#include "fuzz.h"

#include "cxrd/image.h"
#include "model/image/png.h"

#include <stdlib.h>
#include <string.h>

static const struct image_limits LIMITS = { .max_side = 8192, .max_pixels = 1 << 16, .max_bytes = 1 << 18 };

static int only_zlib_minds(const char *complaint)
{
    static const char *const COMPLAINTS[] = {
        "broken PNG: IDAT: too many length or distance symbols", /* over 286 or 30 codes announced */
        "broken PNG: IDAT: invalid distance code", /* 30 or 31, or the unused half of a code with one word */
        "broken PNG: IDAT: invalid literal/length code", /* 286 or 287, or the same */
        "broken PNG: IDAT: invalid bit length repeat",   /* a repetition beyond the last code announced */
    };

    for (size_t i = 0; i < sizeof COMPLAINTS / sizeof COMPLAINTS[0]; i++)
        if (strcmp(complaint, COMPLAINTS[i]) == 0)
            return 1;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct image fast = IMAGE_INIT, slow = IMAGE_INIT;
    struct error fast_why = { 0 }, slow_why = { 0 };
    uint8_t *bytes;
    enum status a, b;

    if (size < 8 || memcmp(data, "\x89PNG\r\n\x1a\n", 8) != 0)
        return 0; /* png_decode() comes behind that check */
    bytes = fuzz_copy(data, size);
    a = png_decode(bytes, size, &LIMITS, false, &fast, &fast_why);
    b = png_decode(bytes, size, &LIMITS, true, &slow, &slow_why);
    free(bytes);
    if (a == ST_OK && b == ST_FORMAT && only_zlib_minds(slow_why.text)) {
        image_release(&fast);
        return 0;
    }
    FUZZ_CHECK(a == b && strcmp(fast_why.text, slow_why.text) == 0);
    if (a == ST_OK) {
        FUZZ_CHECK(fast.width == slow.width && fast.height == slow.height && fast.channels == slow.channels &&
                   fast.bit_depth == slow.bit_depth);
        FUZZ_CHECK(memcmp(fast.grey, slow.grey, fast.width * fast.height) == 0);
    }
    image_release(&fast);
    image_release(&slow);
    return 0;
}
