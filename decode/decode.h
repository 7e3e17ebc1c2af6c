/* decode/decode.h - a JPEG or DICOM file becomes 8-bit grey: all that cxrd-decode does with a picture. */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "cxrd/decode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Load what decoding needs from files, so that it needs none later. Once, before decode_run(). False: DCMTK's dictionary is not
 * there. */
bool decode_warm_up(void);

/* Decode a file of the format that the request names to `grey` [capacity], and fill the reply. The number of bytes in the
 * request is not read: `in` has `n`. A capacity below the limits of the request is a limit too.
 * Nothing is kept. A file that crashes a library ends the process: call it in one that may end. */
void decode_run(const uint8_t *in, size_t n, const struct decode_request *request, struct decode_reply *ret,
                uint8_t *grey, size_t capacity);

#endif
