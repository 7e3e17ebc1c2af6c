/* model/image/png_stream.h - a PNG's chunks, and the compressed stream of pixels in them. */
#ifndef MODEL_IMAGE_PNG_STREAM_H
#define MODEL_IMAGE_PNG_STREAM_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t big_endian32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct png_stream {
    uint8_t *data; /* owned: all IDAT chunks, one after the other */
    size_t size;
    bool plain; /* nothing but header, pixels, end and chunks that describe, every checksum right */
};
#define PNG_STREAM_INIT \
    {                   \
        NULL, 0, false  \
    }

/* Walk the chunks behind the signature. Errors: ST_FORMAT (the chunks are not in order: whatever reads the file will
 * say why; *ret holds what is there of the first IDAT chunks that follow each other, as libpng would take it), ST_NOMEM. */
MUST_USE enum status png_stream_read(const uint8_t *bytes, size_t n_bytes, struct png_stream *ret);
void png_stream_release(struct png_stream *s); /* safe on PNG_STREAM_INIT */

/* See that the stream inflates to exactly `size` bytes, that its own checksum holds, and that nothing is behind it: libpng
 * lets some of that pass. Takes no longer than `size` bytes do, whatever the stream would inflate to.
 * Errors: ST_FORMAT, ST_LIMIT (it inflates to far more: it was not read to its end), ST_NOMEM. */
MUST_USE enum status png_stream_check(const struct png_stream *s, uint64_t size, struct error *err);

#endif
