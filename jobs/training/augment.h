/* jobs/training/augment.h - the same chest, taken a little differently: shifted, nearer or farther, lighter or darker.
 *
 * Never mirrored: a mirrored chest has its heart on the wrong side. The changes to a picture follow from the seed and
 * its number alone, so it does not matter which thread does it. */
#ifndef JOBS_TRAINING_AUGMENT_H
#define JOBS_TRAINING_AUGMENT_H

#include <stddef.h>
#include <stdint.h>

struct augmentation {
    double zoom;           /* above 1: nearer */
    double right, down;    /* shift, in sides of the picture */
    double contrast, grey; /* v becomes 128 + contrast * (v - 128) + grey */
};

/* Zoom 0.9 to 1.1, shifts up to 0.06 either way, contrast 0.85 to 1.15, grey levels up to 16 either way. */
void augmentation_draw(uint64_t seed, uint64_t number, struct augmentation *ret);

/* from [size][size] -> to [size][size], bilinear; what lies outside the picture is like its edge. */
void augment(const uint8_t *from, size_t size, const struct augmentation *a, uint8_t *to);

#endif
