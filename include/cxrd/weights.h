/* include/cxrd/weights.h - models as safetensors: 8 bytes little-endian header length, a JSON header, raw float32.
 *
 * Anyone's safetensors reader reads these files (format: huggingface/safetensors, "Format"). Tensors, float32,
 * row-major, of "cnn4": conv1.weight [32,3,3,3] … conv4.weight [256,128,3,3] (out, in, row, column:
 * cross-correlation), each convN.bias [out], head.weight [L,256,S/16,S/16], head.bias [L]; with extra inputs head.inputs.weight [L,k]; L labels, 14 where the metadata say none. The metadata, strings
 * all: format, architecture, image_size, resize, input_mean, input_std, labels, and a model's notes. Other architectures, every key of the metadata and what a file without it means: docs/weights.md;
 * a file has no version, see docs/versioning.md. The tensors cover the data behind the header exactly, without gaps. */
#ifndef CXRD_WEIGHTS_H
#define CXRD_WEIGHTS_H

#include "cxrd/buf.h"
#include "cxrd/model.h"

enum { WEIGHTS_MAX_BYTES = 128 << 20 };

/* Read a model from a file's bytes, which are borrowed. Nothing in the header is believed before it is checked:
 * lengths, names, shapes, types, and that the tensors cover the data exactly. A file without our metadata gets
 * "cnn4", the 14 findings of ChestX-ray14, image size 256, "nearest", mean 0, std 1.
 * Errors: ST_FORMAT (the sentence names what is wrong), ST_NUMERIC, ST_NOMEM. */
MUST_USE enum status weights_read(const void *bytes, size_t n_bytes, struct model **ret_model,
                                  struct error *err);

/* The same from a file of at most WEIGHTS_MAX_BYTES. Also ST_NOTFOUND, ST_LIMIT, ST_IO. */
MUST_USE enum status weights_load(const char *path, struct model **ret_model, struct error *err);

/* A model's metadata, beside its tensors in the file: an object of strings, a new reference; NULL without memory. */
json_t *weights_metadata(const struct model *m);

/* Append a model's file to `out`. Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status weights_write(const struct model *m, struct buf *out, struct error *err);

/* Write a model's file so that no crash leaves half of one, see file_replace(). Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status weights_save(const struct model *m, const char *path, struct error *err);

#endif
