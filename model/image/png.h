/* model/image/png.h - PNG, behind image_decode(): that has seen the signature already. */
#ifndef MODEL_IMAGE_PNG_H
#define MODEL_IMAGE_PNG_H

#include "cxrd/image.h"

/* See image_decode(). With only_libpng the common kind takes no short way: tests compare the two. */
MUST_USE enum status png_decode(const uint8_t *bytes, size_t n_bytes, const struct image_limits *limits,
                                bool only_libpng, struct image *ret_image, struct error *err);

#endif
