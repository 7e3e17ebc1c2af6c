/* model/torch/torch.h - what torch.save() writes: a zip of a pickle and of the tensors' numbers, or, until PyTorch 1.5, pickles and
 * numbers one after the other. */
#ifndef MODEL_TORCH_TORCH_H
#define MODEL_TORCH_TORCH_H

#include "cxrd/labels.h"
#include "cxrd/safetensors.h"

#include <stdbool.h>

/* A network's tensors by name, and what the file says of its outputs. */
struct torch_file {
    struct array *arrays; /* [n]: row-major; their data are this struct's or the file's bytes */
    size_t n;
    char labels[LABELS_TEXT_SIZE]; /* what its outputs mean, between commas; "": it does not say */
    double thresholds[MAX_LABELS]; /* torchxrayvision's op_threshs, where they stand beside the tensors */
    size_t n_thresholds;
    void **owned; /* [n_owned] */
    size_t n_owned;
};

bool torch_is_zip(const void *bytes, size_t n_bytes);
bool torch_is_pickle(const void *bytes, size_t n_bytes);

/* Read one of either kind. Nothing is executed, see pickle.h.
 *   bytes  borrowed for as long as *ret is used
 * Errors: ST_FORMAT (the sentence names what is wrong), ST_LIMIT, ST_NOMEM. */
MUST_USE enum status torch_read(const void *bytes, size_t n_bytes, struct torch_file *ret, struct error *err);
void torch_file_release(struct torch_file *f); /* safe on zeroes */

#endif
