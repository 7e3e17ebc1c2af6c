/* model/image/outside/reply.h - what a decoder process left, believed as far as it has been checked. */
#ifndef MODEL_IMAGE_OUTSIDE_REPLY_H
#define MODEL_IMAGE_OUTSIDE_REPLY_H

#include "cxrd/decode.h"
#include "cxrd/shared.h"

/* Seal the output, copy the reply to `request`, check it, and make a picture or an error of it. The process that wrote it has ended.
 * The pixels of the picture stay where they are.
 *   ret_sound  false: it is no answer to that request, and the status is ST_FORMAT for it
 * Errors: those that the reply may have, with their reason; ST_FORMAT with "decoder"; ST_NOMEM, as of this process. */
MUST_USE enum status reply_read(const struct shared *output, const struct decode_request *request,
                                struct image *ret, bool *ret_sound, struct error *err);

/* The error for a file that its decoder could not bear: ST_FORMAT, with the reason "decoder".
 *   what  goes on behind "this JPEG file is not decoded: " */
enum status reply_refused(enum image_format format, const char *what, struct error *err);

/* The error for a file that is too long to be decoded: ST_LIMIT, with the reason "limit". */
enum status reply_too_long(size_t n, size_t most, struct error *err);

#endif
