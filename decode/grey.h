/* decode/grey.h - stored values of a picture become 8-bit grey, as DICOM says it (PS3.3, C.7.6.3, C.11.1, C.11.2).
 *
 *     samples -> stored value -> modality LUT or slope and intercept -> VOI LUT or window -> polarity -> grey
 *
 * The number of stored values is small, 65,536 at most: all of that is done once for each of them, and a picture is one look
 * into a table for each pixel. */
#ifndef DECODE_GREY_H
#define DECODE_GREY_H

#include "cxrd/image.h"
#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GREY_MOST_BITS = 16 };

/* A lookup table. Index 0 is for the value `first` and all below, the last entry for all above. */
struct grey_lut {
    const uint16_t *entries; /* [n], borrowed; NULL: no table */
    size_t n;                /* 1 to 65,536 */
    int32_t first;
    unsigned bits; /* of an entry, 1 to 16: 2^bits - 1 is white */
};

enum grey_function { GREY_LINEAR, GREY_LINEAR_EXACT, GREY_SIGMOID };

struct grey_window {
    double centre, width;
    enum grey_function function;
};

/* The samples as a file or a codec has them, [n], in the machine's byte order. */
struct grey_samples {
    const void *values; /* uint8_t [n] or uint16_t [n], borrowed */
    size_t n;
    unsigned allocated; /* bits: 8 or 16 */
    unsigned stored,
        high_bit;   /* the value is the `stored` bits, 1 to 16, that end at `high_bit`, counted from 0 */
    bool is_signed; /* two's complement of `stored` bits */
};

struct grey_pipeline {
    struct grey_lut modality; /* where it has entries, slope and intercept are not used */
    double slope, intercept;
    struct grey_lut voi; /* before a window */
    bool has_window;     /* and it is usable, see grey_window_is_usable() */
    struct grey_window window;
    bool
        has_padding; /* stored values from padding_first to padding_last are no part of the picture, and black */
    int32_t padding_first, padding_last;
    bool inverted; /* the least value is white */
};

/* Whether a window means anything (PS3.3, C.11.2.1.2): numbers, and a width of at least 1, or above 0 where it is exact. */
bool grey_window_is_usable(const struct grey_window *w);

/* Which of its ways a pipeline takes to grey. */
enum image_voi grey_voi(const struct grey_pipeline *p, const struct grey_samples *s);

/* Make grey of the samples: to [n]. Padding that covers a whole picture is ignored.
 * Errors: ST_NUMERIC (slope or intercept are no numbers, or the slope is 0). */
MUST_USE enum status grey_run(const struct grey_pipeline *p, const struct grey_samples *s, uint8_t *to,
                              struct error *err);

/* ---- colour ---- */

/* Red, green and blue become grey: (19595 R + 38470 G + 7471 B + 32768) >> 16. `to` may be `rgb`.
 * Returns the part of the pixels whose channels differ by more than 16. */
double grey_of_rgb(const uint8_t *rgb, size_t n, uint8_t *to);

/* YCbCr becomes RGB, in place (PS3.3, C.7.6.3.1.2).
 *   partial  black is 16 and white 235 (YBR_PARTIAL_422); else they are 0 and 255 (YBR_FULL) */
void grey_rgb_of_ybr(uint8_t *samples, size_t n, bool partial);

/* Three tables of 8-bit entries, looked up with the stored value; otherwise as a grey_lut. Returns the same. */
struct grey_palette {
    const uint8_t *red, *green, *blue; /* [n] each, borrowed */
    size_t n;
    int32_t first;
};
double grey_of_palette(const struct grey_palette *p, const struct grey_samples *s, uint8_t *to);

#endif
