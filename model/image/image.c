/* model/image/image.c - a picture in memory, see cxrd/image.h. */
#include "cxrd/image.h"

#include "cxrd/secret.h"

const struct image_limits IMAGE_LIMITS = { .max_side = 8192,
                                           .max_pixels = 32u << 20,
                                           .max_bytes = 64u << 20 };

void image_release(struct image *img)
{
    secret_free(img->grey); /* it may be a patient's */
    *img = (struct image)IMAGE_INIT;
}
