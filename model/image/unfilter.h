/* model/image/unfilter.h - undo PNG's filters for one byte a pixel (ISO/IEC 15948, section 9). */
#ifndef MODEL_IMAGE_UNFILTER_H
#define MODEL_IMAGE_UNFILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* raw [height] rows of a filter type and `width` bytes -> grey [height][width].
 * False: a row has a filter type that does not exist. */
bool unfilter(const uint8_t *raw, size_t width, size_t height, uint8_t *ret_grey);

/* The same row by row, as the standard says it: the truth for tests, and what unfilter() does with odd ends. */
bool unfilter_reference(const uint8_t *raw, size_t width, size_t height, uint8_t *ret_grey);

#endif
