/* decode/j2k.h - JPEG 2000 (ITU-T T.800) and its High-Throughput form (T.814), by OpenJPEG. */
#ifndef DECODE_J2K_H
#define DECODE_J2K_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct j2k_frame {
    size_t width, height;
    unsigned components, precision; /* precision: bits a sample, up to 16 */
};

/* Decode a code stream, alone or in a JP2 file, whose picture must be `frame`'s but for the precision, to
 * [height][width][components] of 16 bits; a negative sample is given in two's complement.
 * Errors: ST_FORMAT (broken, cut short or of another size), ST_NOMEM. */
MUST_USE enum status j2k_samples(const uint8_t *in, size_t n, struct j2k_frame *frame, uint16_t *to,
                                 struct error *err);

#endif
