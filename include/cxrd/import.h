/* include/cxrd/import.h - models from files that others wrote: one way in for all of them.
 *
 * Its first bytes tell a file's format. A weights file of ours (cxrd/weights.h) is read as it is. Nothing in a file is believed
 * before it is checked, and nothing in it is ever executed. */
#ifndef CXRD_IMPORT_H
#define CXRD_IMPORT_H

#include "cxrd/model.h"

#include <jansson.h>

/* The largest file that is read. Of a checkpoint that holds more than a network, an optimiser's states for one, only the network's
 * tensors are read, which must be no more than those of a weights file (NETWORK_MAX_VALUES of cxrd/network.h). */
enum { IMPORT_MAX_BYTES = 1 << 30 };

/* A note of a model that came so: the report, as JSON text. */
#define IMPORT_NOTE "import"

/* The caller's knowledge of a file that does not say it of itself. NULL and 0: the file says it, or what its maker's files
 * usually have is taken; the report says which. A file of ours says all of it: these are refused for it. */
struct import_options {
    /* One name for each output, between commas; "" between two: that output is left out. Or the name of a list: "chexnet",
     * "chexpert", "xrv". */
    const char *labels;
    /* Of cxrd/network.h: what it must be. */
    const char *architecture;
    /* The range that grey values 0..255 were scaled to: "0..255", "0..1", "-1..1", "imagenet", whose mean and deviation are by
     * channel, or "xrv", which is -1024..1024. */
    const char *scaling;
    /* For each output the probability that becomes 0.5, between commas, see CALIBRATION_THRESHOLDS; "nan": that output is left
     * out. Or whose they are: "densenet121-res224-all" and the like. */
    const char *thresholds;
    const char *resize; /* "nearest" or "area" */
    size_t image_size;  /* pixels a side */
};

/* Read a model.
 *   o           borrowed; the texts too
 *   ret_report  an object: members that say what was mapped to what, what was not, and what was assumed are added. "format" is
 *               "cxrd" for a weights file of ours, whose bytes are the model's file as they are
 * Errors: ST_FORMAT (the sentence names what is wrong in the file), ST_INVALID (an option: the sentence names it, or says which
 * is needed), ST_LIMIT, ST_NUMERIC, ST_NOMEM. */
MUST_USE enum status model_import(const void *bytes, size_t n_bytes, const struct import_options *o,
                                  struct model **ret_model, json_t *ret_report, struct error *err);

/* Whether the bytes that gave this report are the model's own weights file. */
bool import_as_it_is(const json_t *report);

#endif
