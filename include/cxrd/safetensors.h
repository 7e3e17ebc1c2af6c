/* include/cxrd/safetensors.h - named arrays and text in one file: 8 bytes little-endian header length, a JSON header,
 * raw little-endian data (format: huggingface/safetensors, "Format"). Weights and checkpoints are such files. */
#ifndef CXRD_SAFETENSORS_H
#define CXRD_SAFETENSORS_H

#include "cxrd/buf.h"
#include "cxrd/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

enum dtype {
    DTYPE_F32,
    DTYPE_F64,
    DTYPE_U8,
    DTYPE_U32,
    DTYPE_U64,
    DTYPE_I64,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_I8,
    DTYPE_I16,
    DTYPE_I32,
    DTYPE_BOOL,
    N_DTYPES
};
size_t dtype_size(enum dtype d); /* bytes of one value */

enum { SAFETENSORS_MAX_HEADER = 1 << 20 }; /* bytes */
enum { ARRAY_MAX_RANK = 4, ARRAY_NAME_SIZE = 128, ARRAYS_MAX = 4096 };

/* One array, row-major. */
struct array {
    char name[ARRAY_NAME_SIZE];
    enum dtype dtype;
    size_t rank, dims[ARRAY_MAX_RANK];
    const void *data; /* borrowed */
};

size_t array_values(const struct array *a); /* how many it has */
size_t array_bytes(const struct array *a);

/* Its values as float32, the nearest of F64. False: it is of whole numbers. */
bool array_floats(const struct array *a, float *ret);

struct array_file {
    json_t *metadata; /* an object of strings, maybe empty; owned */
    size_t data_size; /* bytes behind the header */
    size_t n;
    struct array *
        arrays; /* [n], at most ARRAYS_MAX; owned; their data borrowed from the file's bytes, aligned as they happen to lie */
};

/* Take a file apart. Nothing in the header is believed before it is checked: lengths, names, types, that a shape's
 * bytes are those of its place, that places lie in the file and do not overlap.
 * `bytes` are borrowed for as long as *ret is used.
 * Errors: ST_FORMAT (the sentence names what is wrong), ST_NOMEM. */
MUST_USE enum status array_file_read(const void *bytes, size_t n_bytes, struct array_file *ret,
                                     struct error *err);
void array_file_release(struct array_file *f); /* safe on zeroes */

/* See that the arrays leave no byte of the data between or behind them. For after one has seen that those which should
 * be there are, since that is the better complaint. Errors: ST_FORMAT. */
MUST_USE enum status array_file_whole(const struct array_file *f, struct error *err);

/* The array of that name, or NULL. */
const struct array *array_find(const struct array_file *f, const char *name);

/* Append the header of a file with these arrays, in this order; their data follows it, one after the other.
 *   metadata  an object of strings; borrowed; NULL: none
 * Errors: ST_LIMIT (of `out`, or a header that no reader of ours would take), ST_NOMEM. */
MUST_USE enum status array_file_header(const json_t *metadata, const struct array *arrays, size_t n,
                                       struct buf *out, struct error *err);

/* Write a whole file so that no crash leaves half of one, see file_replace(). Errors: ST_IO, ST_LIMIT, ST_NOMEM. */
MUST_USE enum status array_file_save(const char *path, const json_t *metadata, const struct array *arrays,
                                     size_t n, struct error *err);

#endif
