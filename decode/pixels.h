/* decode/pixels.h - the pixel data of a DICOM file, whatever they are coded with, as samples. */
#ifndef DECODE_PIXELS_H
#define DECODE_PIXELS_H

#include "dicom.h"
#include "picture.h"
#include "syntax.h"

struct pixels {
    const void *
        values; /* [height][width][channels] of 8 or 16 bits in the machine's order; as `by_plane` and `halved` say */
    unsigned allocated, stored, high_bit; /* as in struct picture; where a codec has fewer bits, by those */
    bool by_plane, halved;
    enum picture_colours colours; /* a codec may have made RGB of the file's */
    void *owned;                  /* memory that `values` lie in; NULL: they are the file's own */
};

/* Decode the pixel data, which `element` is, of a picture that was checked. Borrows the file's bytes.
 * Errors: ST_FORMAT (broken, or of another size than the header says), ST_LIMIT (too many scans), ST_NOMEM. */
MUST_USE enum status pixels_read(struct dicom *d, const struct walk_element *element,
                                 const struct syntax *syntax, const struct picture *picture,
                                 struct pixels *ret, struct error *err);
void pixels_release(struct pixels *p);

/* Samples of three channels become RGB of 8 bits, to [height][width][3]. */
void pixels_rgb(const struct pixels *p, const struct picture *picture, uint8_t *to);

#endif
