/* model/onnx/ends.h - the two ends of a network from a file: what picture goes in, and what the numbers are that come out. */
#ifndef MODEL_ONNX_ENDS_H
#define MODEL_ONNX_ENDS_H

#include "../foreign/foreign.h"
#include "reader.h"

/* The picture that a graph takes. */
struct picture {
    const char *name;
    size_t batch, channels, size; /* size 0: the file leaves it open */
    bool channels_last;
};

/* Errors: ST_FORMAT (no input, or more than one, can be a picture). */
MUST_USE enum status onnx_picture(const Onnx__GraphProto *graph, struct picture *ret, struct error *err);

/* The value whose numbers are the logits, or the features: the output called "logits", or the first one, without the sigmoid at its
 * end and without what changes its shape there. NULL: none. */
const char *onnx_output(const Onnx__GraphProto *graph, bool *ret_sigmoid);

/* How many outputs a value has that can be findings, each a number by itself; 0: they are features, or too many. */
size_t onnx_outputs(struct reader *r, struct value *v);

/* Whether the settled value's numbers are those of a sigmoid, joined, averaged or scaled: then they are no logits, and no sigmoid of
 * others is the last step. */
bool onnx_is_of_sigmoids(const struct reader *r, const struct value *v);

/* Make a value the network's logits: a dense layer of the file's, of which the rows of the findings are taken; numbers, each by
 * itself; or, where `o` has a fresh head, zeros over its features: of a dense layer those that it reads. */
void onnx_head_add(struct reader *r, struct value *v, const struct outputs *o);

#endif
