/* model/core/image.c - a picture in memory, see cxrd/image.h. */
#include "cxrd/image.h"

#include "cxrd/secret.h"

#include <string.h>
#include <sys/mman.h>

const struct image_limits IMAGE_LIMITS = { .max_side = 8192,
                                           .max_pixels = 32u << 20,
                                           .max_bytes = 64u << 20 };

const struct image_reader IMAGE_READER_PNG = { .limits = &IMAGE_LIMITS };

void image_release(struct image *img)
{
    if (img->mapping)
        munmap(img->mapping, img->n_mapping);
    else
        secret_free(img->grey); /* it may be a patient's */
    explicit_bzero(&img->source, sizeof img->source);
    *img = (struct image)IMAGE_INIT;
}
