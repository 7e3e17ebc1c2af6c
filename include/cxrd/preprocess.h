/* include/cxrd/preprocess.h - from a picture to what the network sees: one definition for serving and training.
 *
 * Both resizes stretch to a square of `size` pixels a side:
 *   nearest  source index = floor((i + 0.5) * in / out)
 *   area     mean over the source box, fractional edges weighted, rounded half up to 8 bit; along an axis that
 *            is enlarged it is nearest
 * computed in integers, so that every machine gets the same bytes. Scaling is x' = (x - mean) / std on 0..255; for networks that were
 * made for colour pictures a mean and a std for each of three channels, all of the same grey value. */
#ifndef CXRD_PREPROCESS_H
#define CXRD_PREPROCESS_H

#include "cxrd/image.h"

#include <stdbool.h>

enum resize { RESIZE_NEAREST, RESIZE_AREA };

#define PREPROCESS_MIN_SIZE 64
#define PREPROCESS_MAX_SIZE 1024

enum { PREPROCESS_CHANNELS = 3 };

struct preprocess {
    size_t size; /* pixels a side, 64..1024; which of them a network takes, network_new() says */
    enum resize resize;
    float mean, std; /* of grey values 0..255; std is not 0 */
    bool
        by_channel; /* the input has PREPROCESS_CHANNELS channels, each scaled by its own; mean and std are the first's */
    float means[PREPROCESS_CHANNELS], stds[PREPROCESS_CHANNELS]; /* zeroes otherwise */
};

/* Channels of the input. */
static inline size_t preprocess_channels(const struct preprocess *p)
{
    return p->by_channel ? PREPROCESS_CHANNELS : 1;
}

/* Floats of an input [channels][size][size]. */
static inline size_t preprocess_floats(const struct preprocess *p)
{
    return preprocess_channels(p) * p->size * p->size;
}

const char *resize_name(enum resize r); /* "nearest", "area" */
bool resize_parse(const char *name, enum resize *ret_resize);

/* `area` to any width and height up to RESIZE_MAX_SIDE, for pictures to look at: uint8 [height][width]. */
enum { RESIZE_MAX_SIDE = 2048 };
void image_resize_area(const struct image *img, size_t width, size_t height, uint8_t *ret_grey);

/* img -> uint8 [size][size]. Never fails, never allocates. */
void preprocess_resize(const struct image *img, const struct preprocess *p, uint8_t *ret_grey);

/* n grey values -> [channels][n] floats. */
void preprocess_scale(const uint8_t *grey, size_t n, const struct preprocess *p, float *ret_x);

#endif
