/* server/dicom/sc.h - a picture with words on it as a Secondary Capture, which every viewer shows (PS3.3, A.8.1). */
#ifndef SERVER_DICOM_SC_H
#define SERVER_DICOM_SC_H

#include "result.h"

/* Append the picture to `out`, as a file.
 *   rgb     [height][width][3], 8 bit; sides of up to 65,535
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status capture_write(const struct result *result, const uint8_t *rgb, size_t width,
                                   size_t height, struct buf *out, struct error *err);

#endif
