/* decode/walk.h - the structure of a DICOM file (PS3.5, PS3.10) without its meaning: where each element begins and ends.
 *
 * DCMTK calls itself for each sequence in a sequence and allocates what an element's length says, so a file of a few hundred
 * kilobytes kills or bloats it. It never sees a file: this walk checks nesting and lengths first, and only the elements that
 * are wanted are handed on. */
#ifndef DECODE_WALK_H
#define DECODE_WALK_H

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum walk_coding { WALK_IMPLICIT, WALK_EXPLICIT, WALK_BIG_ENDIAN };

enum {
    WALK_MOST_NESTED = 32, /* sequences in sequences; structured reports, the deepest known, have some 15 */
    WALK_UID_SIZE = 65,
};

struct walk_file {
    char transfer_syntax[WALK_UID_SIZE];
    const uint8_t *data; /* the data set, borrowed from the file */
    size_t n;
};

/* Find the transfer syntax and the data set. A file begins with 128 bytes and "DICM", or with group 2 itself, or has neither and
 * is a bare data set, whose coding is guessed from its first element.
 * Errors: ST_FORMAT, ST_UNSUPPORTED (the file is no DICOM). */
MUST_USE enum status walk_file_read(const uint8_t *in, size_t n, struct walk_file *ret, struct error *err);

/* The coding that the first element of a data set has: some writers say explicit and write implicit, or the other way round.
 * Errors: ST_FORMAT (the bytes are in the other order than `said`). */
MUST_USE enum status walk_coding_read(const uint8_t *data, size_t n, enum walk_coding said,
                                      enum walk_coding *ret, struct error *err);

struct walk_element {
    uint32_t tag;         /* group << 16 | element */
    char vr[2];           /* value representation, as the file says it; zeros in implicit coding */
    bool undefined;       /* length: the value ends with a delimiter, which is part of it */
    const uint8_t *begin; /* of the element; its value is [n] and ends where the element ends */
    const uint8_t *value;
    size_t n;
};

/* Call `visit` for each element of the data set in turn, down to the first that does not return ST_OK. Sequences of undefined
 * length are checked inside, because their end can only be found so.
 * Errors: ST_FORMAT (a length leads out of what contains it, or nested too deep), what `visit` returns. */
MUST_USE enum status walk_data_set(const uint8_t *data, size_t n, enum walk_coding coding,
                                   enum status (*visit)(void *ctx, const struct walk_element *e,
                                                        struct error *err),
                                   void *ctx, struct error *err);

/* Check the inside of a sequence that was visited, of whatever length. Errors: ST_FORMAT. */
MUST_USE enum status walk_sequence(const struct walk_element *e, enum walk_coding coding, struct error *err);

/* The fragments of encapsulated pixel data, without the offset table: `visit` is called for each.
 * Errors: ST_FORMAT, what `visit` returns. */
MUST_USE enum status walk_fragments(const struct walk_element *e,
                                    enum status (*visit)(void *ctx, const uint8_t *fragment, size_t n,
                                                         struct error *err),
                                    void *ctx, struct error *err);

#endif
