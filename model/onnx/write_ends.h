/* model/onnx/write_ends.h - what stands before and behind a network: from grey values and from what is known of a patient to what it
 * reads, and from its logits to probabilities. */
#ifndef MODEL_ONNX_WRITE_ENDS_H
#define MODEL_ONNX_WRITE_ENDS_H

#include "cxrd/model.h"
#include "writer.h"

/* "image" [n][1][S][S] as node 0 of the network has it, which may be of more channels. Returns the result's name. */
const char *write_scaling(struct writer *w, const struct model *m);

/* "inputs" [n][k], raw, NaN where one is not known, as inputs_standardise() has them: [n][k]. Returns the result's name. */
const char *write_standard_inputs(struct writer *w, const struct inputs *in);

/* logits [n][labels] -> "probabilities". */
void write_calibration(struct writer *w, const struct calibration *c, size_t n_labels, const char *logits);

#endif
