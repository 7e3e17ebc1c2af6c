/* model/import/tensors.h - a model of tensors that have others' names. */
#ifndef MODEL_IMPORT_TENSORS_H
#define MODEL_IMPORT_TENSORS_H

#include "cxrd/import.h"
#include "cxrd/safetensors.h"

/* Tensors, and what their file says of the outputs. All borrowed. */
struct named_tensors {
    const struct array *arrays; /* [n] */
    size_t n;
    const char *labels;       /* between commas; NULL: not said */
    const double *thresholds; /* [n_thresholds] */
    size_t n_thresholds;
};

/* Find the architecture that these are the tensors of, and make a model of them. Every tensor must be one of its, or known to mean
 * nothing.
 *   report  gets what was mapped, see cxrd/import.h
 * Errors: ST_FORMAT (the sentence names the tensor), ST_INVALID (what the options must say), ST_NUMERIC, ST_NOMEM. */
MUST_USE enum status tensors_import(const struct named_tensors *t, const struct import_options *o,
                                    struct model **ret_model, json_t *report, struct error *err);

#endif
