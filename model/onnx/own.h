/* model/onnx/own.h - files of onnx_write()'s on their way back: the metadata say what the model is, and what stands behind the
 * picture's logits in the graph must be what onnx_write() makes of them. */
#ifndef MODEL_ONNX_OWN_H
#define MODEL_ONNX_OWN_H

#include "../foreign/foreign.h"
#include "reader.h"

bool own_is(const Onnx__ModelProto *m);

/* A value of the metadata; NULL: it is not there. */
const char *own_property(const Onnx__ModelProto *m, const char *key);

/* The model's notes: an object. Errors: ST_NOMEM. */
MUST_USE enum status own_notes(const Onnx__ModelProto *m, json_t **ret, struct error *err);

/* Whether it looks at a picture, and what the logits are called that its picture gives. */
bool own_sees(const Onnx__ModelProto *m);
const char *own_logits(const Onnx__ModelProto *m);

/* The labels, each output's own, and how many inputs it takes beside the picture.
 *   report  gets what foreign_outputs() gives it
 * Errors: ST_FORMAT, ST_NOMEM. */
MUST_USE enum status own_outputs(const Onnx__ModelProto *m, struct outputs *ret, size_t *ret_inputs,
                                 json_t *report, struct error *err);

/* The network of one that sees no picture. Errors: ST_NOMEM. */
MUST_USE enum status own_blind(const struct outputs *o, size_t n_inputs, const struct network **ret_net,
                               struct error *err);

/* Copy what no node of the network has to where the network wants it: the weights of its inputs, and the bias of one that sees no
 * picture. Errors: r->st. */
void own_fill(struct reader *r, const struct network *net, float *ret_values);

/* Errors: ST_FORMAT (what the graph does behind the picture is not what the metadata say; the node or the constant is named),
 * ST_NOMEM. */
MUST_USE enum status own_check(const Onnx__ModelProto *file, const struct model *m, struct error *err);

#endif
