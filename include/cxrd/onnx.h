/* include/cxrd/onnx.h - networks as ONNX files (onnx.ai): models as other runtimes read them, and networks as torch.onnx, tf2onnx and
 * timm write them.
 *
 * A file that is read is a stranger's: nothing in it is believed before it is checked, nothing in it is executed, no other file is
 * opened. */
#ifndef CXRD_ONNX_H
#define CXRD_ONNX_H

#include "cxrd/buf.h"
#include "cxrd/import.h"
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
 * Errors: ST_CONFLICT (model_is_backbone()), ST_LIMIT (of `out`), ST_NOMEM. */
MUST_USE enum status onnx_write(const struct model *m, struct buf *out, struct error *err);

/* Read a model from a file's bytes, which are borrowed. It must be one graph from one picture, [n, 1 or 3, S, S] or [n, S, S, 1 or
 * 3], to one row of numbers, of operator sets 7 to 22; the operators that are read are those of model/onnx/operators.c. What the
 * numbers are: logits, or what a sigmoid makes of them. A graph that ends in features, without a dense layer, gets a head of
 * zeros for the labels that are given: a backbone, to transfer from.
 *   o           labels, scaling, thresholds, resize and image_size are obeyed: the first two must be given, the last where the file
 *               leaves the size open. A file of onnx_write()'s says all of it: they are refused, and so
 *               is one whose graph does otherwise behind the picture than its metadata say
 *   ret_report  see model_import(): "format" is "onnx"
 * Errors: ST_FORMAT (the sentence names the node and its operator, where it is one's), ST_INVALID (an option), ST_LIMIT, ST_NUMERIC,
 * ST_NOMEM. */
MUST_USE enum status onnx_read(const void *bytes, size_t n_bytes, const struct import_options *o,
                               struct model **ret_model, json_t *ret_report, struct error *err);

/* Whether a file's first bytes can be those of an ONNX model. */
bool onnx_is(const void *bytes, size_t n_bytes);

#endif
