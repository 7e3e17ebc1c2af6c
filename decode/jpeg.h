/* decode/jpeg.h - JPEG (ITU-T T.81) of 8 bits a sample: what its markers say, and its pixels by libturbojpeg. */
#ifndef DECODE_JPEG_H
#define DECODE_JPEG_H

#include "turn.h"

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jpeg_frame {
    size_t width, height;
    unsigned components, precision; /* precision: bits a sample */
    uint8_t process;                /* of coding: the marker of the frame header, 0xC0 for baseline */
    size_t n_scans;
    bool endless; /* the end-of-image marker is missing; whether anything else is, jpeg_samples() tells */
    struct turn upright; /* what the Exif orientation asks for */
};

/* Read the markers up to the end of the image. Decodes nothing and allocates nothing. The end-of-image marker may be missing where
 * the decoder can tell that nothing else is: in a sequential file of Huffman codes whose scans have every component.
 * Errors: ST_FORMAT (broken or cut short, also where a length leads out of the file; a height that only follows the first
 * scan), ST_LIMIT (more scans than any encoder writes: each costs a pass over the whole picture). */
MUST_USE enum status jpeg_frame_read(const uint8_t *in, size_t n, struct jpeg_frame *ret_frame,
                                     struct error *err);

/* Whether libturbojpeg reads such a frame: 8 bits, Huffman or arithmetic, sequential or progressive. */
bool jpeg_is_read(const struct jpeg_frame *frame);

/* Decode to [height][width][channels]: 1 channel of a frame of one component, 3 (RGB) of a frame of three. A warning of the
 * decoder is a failure: it stands for data that are broken or missing.
 * Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status jpeg_samples(const uint8_t *in, size_t n, const struct jpeg_frame *frame, uint8_t *to,
                                  struct error *err);

#endif
