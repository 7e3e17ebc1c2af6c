/* include/cxrd/onnx.h - models as ONNX files, which other runtimes read. */
#ifndef CXRD_ONNX_H
#define CXRD_ONNX_H

#include "cxrd/buf.h"
#include "cxrd/model.h"

/* Append a model as an ONNX file, operator set 13, to `out`:
 *   image          float32 [n][1][S][S]: grey values in 0..255 after the model's resize, not scaled; of a model that sees a picture
 *   inputs         float32 [n][k]: the numbers of model_inputs() in their order, not standardised, NaN for one that is not known;
 *                  of a model that takes any
 *   probabilities  float32 [n][labels], calibrated: what model_probabilities() gives
 *   logits         float32 [n][labels], with the part of the inputs, before the calibration
 * The tensors keep their names. metadata_props has what the weights file's metadata has but for scaling and graph, and `thresholds`
 * (JSON: the finding's Youden point, null without one), `intended_use` and, with inputs, `inputs_unknown`. The same model gives the
 * same bytes. It is built beside the model's own memory and `out`, without a copy of the weights.
 * Errors: ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status onnx_write(const struct model *m, struct buf *out, struct error *err);

#endif
