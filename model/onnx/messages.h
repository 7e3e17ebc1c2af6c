/* model/onnx/messages.h - an ONNX file as protobuf-c's structs, after all of its bytes were looked at. */
#ifndef MODEL_ONNX_MESSAGES_H
#define MODEL_ONNX_MESSAGES_H

#include "cxrd/status.h"

#include <onnx.pb-c.h>
#include <stddef.h>

/* The largest file: a model's own, and what describes its graph besides. */
enum { ONNX_MAX_BYTES = 160 << 20 };

/* Unpack a file's bytes, which are borrowed: protobuf-c copies them. Before it is let loose they are walked once: it would follow
 * messages in messages as deep as a file has them, and merge fields that are there twice in the square of their number. Its
 * allocations are limited too.
 *   ret  onnx_free() it
 * Errors: ST_FORMAT (they are no ONNX model, or hold what none needs), ST_LIMIT, ST_NOMEM. */
MUST_USE enum status onnx_unpack(const void *bytes, size_t n_bytes, Onnx__ModelProto **ret,
                                 struct error *err);

void onnx_free(Onnx__ModelProto *m); /* NULL is fine */

#endif
