/* decode/dicom_file.h - a DICOM file from its first byte to grey. */
#ifndef DECODE_DICOM_FILE_H
#define DECODE_DICOM_FILE_H

#include "picture.h"
#include "pixels.h"

#include "cxrd/decode.h"

struct dicom_file; /* opened: its tags are read, its pixels are decoded but not yet grey */

/* Errors: ST_UNSUPPORTED (the transfer syntax), ST_UNUSABLE, ST_FORMAT, ST_LIMIT, ST_NOMEM; with a reason, see cxrd/decode.h. */
MUST_USE enum status dicom_file_open(const uint8_t *in, size_t n, const struct image_limits *limits,
                                     struct dicom_file **ret, struct error *err);
void dicom_file_close(struct dicom_file *f); /* NULL is fine */

const struct picture *dicom_file_picture(const struct dicom_file *f);
const struct pixels *dicom_file_pixels(const struct dicom_file *f);

/* Open, make grey of it, and close. Fills the reply but for its status. Errors: as dicom_file_open(). */
MUST_USE enum status dicom_file_run(const uint8_t *in, size_t n, const struct image_limits *limits,
                                    struct decode_reply *ret, uint8_t *grey, struct error *err);

#endif
