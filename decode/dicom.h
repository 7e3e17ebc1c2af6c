/* decode/dicom.h - values of DICOM elements and the codecs of DCMTK, for C. What DCMTK throws or writes stays in dicom.cc.
 *
 * It is given the elements that are wanted and no others, one behind the other as the file has them, see walk.h. */
#ifndef DECODE_DICOM_H
#define DECODE_DICOM_H

#include "walk.h"

#include "cxrd/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dicom; /* a data set, parsed */

/* Load the dictionary and register the codecs: 14 ms, and a file. Once, before any other call. Returns false when there is no
 * dictionary: then nothing can be read. */
bool dicom_warm_up(void);

/* Parse elements; `bytes` are borrowed until dicom_close(). Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status dicom_open(const uint8_t *bytes, size_t n, enum walk_coding coding, struct dicom **ret,
                                struct error *err);
void dicom_close(struct dicom *d); /* NULL is fine */

/* Copy a text with all its values to ret [size], without the padding around it. False and "" when there is no such element, or it
 * is longer: an invalid value counts as missing. */
bool dicom_text_of(struct dicom *d, uint32_t tag, char *ret, size_t size);

/* The same of an element in the first item of a sequence. */
bool dicom_text_in(struct dicom *d, uint32_t sequence, uint32_t tag, char *ret, size_t size);

/* Whether a sequence is there and has an item. */
bool dicom_has_item(struct dicom *d, uint32_t sequence);

/* The first of an element's 16-bit values, signed or not as the caller knows. */
bool dicom_word(struct dicom *d, uint32_t tag, uint16_t *ret);

/* The descriptor and the entries of a lookup table: of the first item of `sequence` or, where that is 0, of the data set. 16-bit
 * words in the machine's order, borrowed from `d`. False when one of both is missing. */
struct dicom_table {
    uint16_t descriptor[3]; /* entries (0: 65,536), first value, bits of an entry */
    const uint16_t *words;
    size_t n_words;
    bool is_signed; /* the descriptor's value representation is SS */
};
bool dicom_table_get(struct dicom *d, uint32_t sequence, uint32_t descriptor, uint32_t data,
                     struct dicom_table *ret);

/* Decode one frame, of JPEG or JPEG-LS, to `to` [size]: interleaved samples of 8 or 16 bits in the machine's order. Rows, Columns, Samples per Pixel and the bits must be in the data set.
 * Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status dicom_frame(struct dicom *d, const char *transfer_syntax, const uint8_t *stream,
                                 size_t n, void *to, size_t size, struct error *err);

#endif
