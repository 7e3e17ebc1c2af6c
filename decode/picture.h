/* decode/picture.h - what a DICOM header says of its pixels, and whether they can become a picture at all. */
#ifndef DECODE_PICTURE_H
#define DECODE_PICTURE_H

#include "dicom.h"
#include "grey.h"

#include "cxrd/image.h"

#include <stdbool.h>
#include <stddef.h>

enum picture_colours { PICTURE_GREY, PICTURE_PALETTE, PICTURE_RGB, PICTURE_YBR, PICTURE_YBR_PARTIAL };

/* As PS3.3, C.7.6.3 ("image pixel module"). */
struct picture {
    size_t width, height;
    unsigned channels; /* 1 or 3 */
    unsigned allocated, stored, high_bit;
    bool is_signed;
    bool by_plane; /* first all of red, then all of green, then all of blue */
    bool halved;   /* two pixels in a row share their Cb and Cr */
    bool inverted; /* the least value is white */
    enum picture_colours colours;
};

/* Read and check it. Nothing is allocated by what it says before this has returned ST_OK.
 *   has_pixels   whether the file has an element of integer pixels, has_floats of others
 *   source       what tags_source() found
 * Errors, with a reason where it is one of decode.h's: ST_UNUSABLE (no radiograph, no picture, several, or pixels of a kind that
 * is not read), ST_FORMAT (the header contradicts itself), ST_LIMIT. */
MUST_USE enum status picture_read(struct dicom *d, const struct image_source *source, bool has_pixels,
                                  bool has_floats, const struct image_limits *limits, struct picture *ret,
                                  struct error *err);

/* Whether a picture keeps within the limits. Errors: ST_LIMIT. */
MUST_USE enum status picture_limits(size_t width, size_t height, size_t bytes_per_pixel,
                                    const struct image_limits *limits, struct error *err);

#endif
