/* model/image/png_grey8.h - the common radiograph: 8-bit grey, not interlaced, read without libpng. */
#ifndef MODEL_IMAGE_PNG_GREY8_H
#define MODEL_IMAGE_PNG_GREY8_H

#include "cxrd/image.h"
#include "png_stream.h"

#include <stdbool.h>

/* `bytes` begin with a header that was checked against limits; `s` is the file's stream. True: *ret_image is the
 * picture, bit for bit what libpng would make of it. False: this file is not of the common kind, or something is wrong
 * with it; libpng must look at it and say what. */
bool png_grey8_decode(const uint8_t *bytes, const struct png_stream *s, struct image *ret_image);

#endif
