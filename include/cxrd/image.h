/* include/cxrd/image.h - an 8-bit grey image, and the only way strangers' bytes become one. */
#ifndef CXRD_IMAGE_H
#define CXRD_IMAGE_H

#include "cxrd/buf.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    size_t width, height; /* pixels */
    uint8_t *grey;        /* [height][width], owned; NULL when empty */
    unsigned channels,
        bit_depth;     /* of the file: 1 (grey or palette), 2 (with alpha), 3 or 4; 1, 2, 4, 8 or 16 */
    uint32_t greatest; /* sample of a 16-bit file, 0 to 65,535; 0 for other files */
    double
        colour; /* the part of the pixels that are not grey: whose channels differ by more than 16 of 255 */
};
#define IMAGE_INIT             \
    {                          \
        0, 0, NULL, 0, 0, 0, 0 \
    }

/* Checked against the file's header before anything is allocated by it. */
struct image_limits {
    size_t max_side;   /* pixels, width and height each */
    size_t max_pixels; /* width * height */
    size_t max_bytes;  /* width * height * channels * bytes a sample, as the file stores them */
};
extern const struct image_limits IMAGE_LIMITS; /* 8,192 a side, 32 Mpixel, 64 MiB */

/* Decode a picture; the format is recognised by its first bytes, never by a name. PNG (ISO/IEC 15948) of every
 * colour type, bit depth and interlacing becomes 8-bit grey:
 *     grey = (19595 R + 38470 G + 7471 B + 32768) >> 16 of 8-bit channels;  16 bit -> (v 255 + 32767) / 65535;
 *     palettes and tRNS are expanded first, alpha is composed over black, gamma and colour profiles are ignored.
 * A file with any defect in what makes the picture (checksums, missing or surplus data, palette indices) is
 * refused: there is no picture from a broken file. `bytes` are borrowed. On failure *ret_image is untouched.
 * Errors: ST_UNSUPPORTED (not a PNG; the sentence names what it is), ST_FORMAT (broken), ST_LIMIT, ST_NOMEM.
 * Threads: any number at once. */
MUST_USE enum status image_decode(const void *bytes, size_t n_bytes, const struct image_limits *limits,
                                  struct image *ret_image, struct error *err);
void image_release(struct image *img); /* safe on IMAGE_INIT and twice */

/* Append a PNG of 8-bit samples to `out`: pixels [height][width][channels], 1 (grey) or 3 (RGB) channels.
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status image_encode_png(const uint8_t *pixels, size_t width, size_t height, unsigned channels,
                                      struct buf *out, struct error *err);

/* Encode and decode a picture that is nobody's, so that the libraries behind these functions look up nothing while they hold
 * one that is: see model/image/warm_up.c. Once, before any other call. Errors: ST_NOMEM. */
MUST_USE enum status image_warm_up(struct error *err);

#endif
