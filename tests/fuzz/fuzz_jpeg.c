/* tests/fuzz/fuzz_jpeg.c - a stranger's JPEG file: its markers, and its pixels where they keep to limits. The size in the
 * markers decides how much is written. */
#include "fuzz.h"

#include "decode/grey.h"
#include "decode/jpeg.h"
#include "decode/turn.h"

#include <stdlib.h>

/* The code is the same at every size; small pictures make many tries. */
enum { MOST_PIXELS = 1 << 14 };

static void decode(const uint8_t *bytes, size_t size, struct jpeg_frame *f)
{
    const size_t n = f->width * f->height;
    uint8_t *samples = malloc(n * f->components), *grey = malloc(n);
    struct error err = { 0 };
    const enum status st = jpeg_samples(bytes, size, f, samples, &err);

    FUZZ_CHECK(st == ST_OK || (st == ST_FORMAT && err.text[0]));
    if (st == ST_OK && f->components == 3) {
        const double colour = grey_of_rgb(samples, n, grey);

        FUZZ_CHECK(colour >= 0 && colour <= 1);
        FUZZ_CHECK(turn_in_place(&f->upright, grey, &f->width, &f->height, &err) == ST_OK);
    }
    free(samples);
    free(grey);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = fuzz_copy(data, size);
    struct jpeg_frame f;
    struct error err = { 0 };
    const enum status st = jpeg_frame_read(bytes, size, &f, &err);

    FUZZ_CHECK(st == ST_OK || ((st == ST_FORMAT || st == ST_LIMIT) && err.text[0]));
    if (st == ST_OK && jpeg_is_read(&f) && (f.components == 1 || f.components == 3) &&
        f.width * f.height <= MOST_PIXELS)
        decode(bytes, size, &f);
    free(bytes);
    return 0;
}
