/* tests/fuzz/fuzz_png.c - a stranger's picture, all the way to the square that the network sees. */
#include "fuzz.h"

#include "cxrd/image.h"
#include "cxrd/preprocess.h"

#include <stdlib.h>
#include <string.h>

/* The code is the same at every size; small pictures make many tries. */
static const struct image_limits LIMITS = { .max_side = 8192, .max_pixels = 1 << 16, .max_bytes = 1 << 18 };
static const struct image_reader READER = { .limits = &LIMITS };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t square[PREPROCESS_MIN_SIZE * PREPROCESS_MIN_SIZE];
    uint8_t *bytes = fuzz_copy(data, size);
    struct image img = IMAGE_INIT;
    struct error err = { 0 };
    const enum status st = image_decode(bytes, size, &READER, &img, &err);

    free(bytes);
    if (st != ST_OK) {
        FUZZ_CHECK(img.grey == NULL && err.code == st && err.text[0]);
        return 0;
    }
    FUZZ_CHECK(img.width > 0 && img.height > 0 && img.width * img.height <= LIMITS.max_pixels);
    for (int resize = RESIZE_NEAREST; resize <= RESIZE_AREA; resize++) {
        const struct preprocess p = { PREPROCESS_MIN_SIZE, (enum resize)resize, 128, 64 };

        preprocess_resize(&img, &p, square);
    }
    image_release(&img);
    return 0;
}
