/* decode/rle.h - DICOM's run-length encoding (PS3.5, annex G).
 *
 * DCMTK's decoder reads beyond its input where a run leads out of it (3.6.7); this one is as long and does not. */
#ifndef DECODE_RLE_H
#define DECODE_RLE_H

#include "cxrd/status.h"

#include <stddef.h>
#include <stdint.h>

/* Decode a frame of `n_pixels` to [n_pixels][channels] samples of `bytes` (1 or 2) bytes, little endian. It has a segment for each
 * byte of a pixel, of each channel the upper one first.
 * Errors: ST_FORMAT (another number of segments, or one that is broken or too short). */
MUST_USE enum status rle_samples(const uint8_t *in, size_t n, size_t n_pixels, unsigned channels,
                                 unsigned bytes, uint8_t *to, struct error *err);

#endif
