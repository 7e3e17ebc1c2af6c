/* model/torch/zip.h - some files of a zip in memory. */
#ifndef MODEL_TORCH_ZIP_H
#define MODEL_TORCH_ZIP_H

#include "cxrd/buf.h"

#include <stdbool.h>

/* A file that is asked for. Its `bytes.max` is the most that it may have. */
struct zip_wanted {
    const char *name; /* [name_size]: below the archive's one folder, such as "data/12" */
    size_t name_size;
    struct buf bytes; /* what it holds; empty too where it is not there */
    bool found;
};

/* Read those of the `n` files that are there, in any order; `wanted` is put in order of names.
 *   wanted  each with an empty buffer, which the caller releases
 * Errors: ST_FORMAT (it is no zip, is damaged, or a file is there twice), ST_LIMIT (too many files; one that is larger than it may
 * be), ST_NOMEM. */
MUST_USE enum status zip_read(const void *bytes, size_t n_bytes, struct zip_wanted *wanted, size_t n,
                              struct error *err);

#endif
