/* model/onnx/write_ends.h - what stands before and behind a network: from grey values and from what is known of a patient to what it
 * reads, and from its logits to probabilities. */
#ifndef MODEL_ONNX_WRITE_ENDS_H
#define MODEL_ONNX_WRITE_ENDS_H

#include "cxrd/model.h"
#include "writer.h"

/* "image" [n][1][S][S] as node 0 of the network has it, which may be of more channels. Returns the result's name. */
const char *write_scaling(struct writer *w, const struct model *m);

/* The names of the logits, and of those by the picture alone where other inputs are added. */
#define LOGITS            "logits"
#define LOGITS_BY_PICTURE "logits_by_picture"

/* From the picture's logits, where the model sees one, and from "inputs" [n][k], raw, where it takes any, to LOGITS and
 * "probabilities", both [n][labels]. */
void write_answer(struct writer *w, const struct model *m);

#endif
